from __future__ import annotations

import pytest

from services.trainer.engine.parallel.division import divide

LENGTHS = [5, 5, 6, 9, 9, 10, 40, 41, 42, 90]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize(
    "batches", [[[0, 1, 2, 3]], [[0, 1], [2, 3], [4, 5]], [[9], [6, 7, 8], [0, 1, 2]], [[6]]]
)
def test_every_row_has_one_device_and_every_device_as_many_micro_batches(
    batches: list[list[int]], size: int
) -> None:
    shares = divide(batches, LENGTHS, size)
    assert len(shares) == size
    assert len({len(share) for share in shares}) == 1
    dealt = [row for share in shares for batch in share for row in batch]
    assert sorted(dealt) == sorted(row for batch in batches for row in batch)


def test_one_device_does_what_was_planned() -> None:
    assert divide([[3, 1], [0]], LENGTHS, 1) == [[[3, 1], [0]]]


def test_whole_micro_batches_stay_whole_and_those_of_like_cost_run_together() -> None:
    shares = divide([[0, 1], [9], [6, 7], [2, 3]], LENGTHS, 2)
    assert shares == [[[9], [2, 3]], [[6, 7], [0, 1]]]


def test_a_micro_batch_is_cut_where_devices_would_be_idle() -> None:
    (first,), (second,) = divide([[0, 1, 3, 4]], LENGTHS, 2)
    assert (sorted(first), sorted(second)) == ([0, 1], [3, 4])


def test_too_few_rows_leave_a_device_an_empty_micro_batch() -> None:
    assert sorted(divide([[6]], LENGTHS, 3)) == [[[]], [[]], [[6]]]
