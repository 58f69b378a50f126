"""Krippendorff's alpha, held against the examples that he published."""

from __future__ import annotations

from collections import Counter

import pytest

from services.dataset.reviews.agreement import krippendorff_alpha

# K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011): A, two observers and two values; B, two observers and five
# values; C, four observers and missing values.
PUBLISHED = [
    (["0100000010", "1110010000"], 0.095),
    (["aabbdcccedda", "babbbccceddd"], 0.692),
    (["123321412...", "1233224125.3", ".333234225 1.".replace(" ", ""), "12332441251."], 0.743),
]


def units(rows: list[str]) -> list[tuple[tuple[int, ...], int]]:
    """How many observers gave each unit each value, alike units together."""
    values = sorted(set("".join(rows)) - {"."})
    counted = Counter(tuple(column.count(value) for value in values) for column in zip(*rows, strict=True))
    return list(counted.items())


@pytest.mark.parametrize(("rows", "alpha"), PUBLISHED)
def test_alpha_is_that_which_was_published(rows: list[str], alpha: float) -> None:
    found = krippendorff_alpha(units(rows))
    assert found == pytest.approx(alpha, abs=0.0005)


def test_full_agreement_is_one_and_where_nothing_varies_nothing_is_said() -> None:
    assert krippendorff_alpha([((2, 0, 0), 3), ((0, 0, 2), 1)]) == 1
    assert krippendorff_alpha([((2, 0, 0), 3)]) is None
    assert krippendorff_alpha([((1, 0, 0), 3), ((0, 0, 1), 3)]) is None
    assert krippendorff_alpha([]) is None


def test_contradiction_is_less_than_chance() -> None:
    found = krippendorff_alpha([((1, 0, 1), 5)])
    assert found is not None
    assert found < 0
