from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inference.statistics import mean_interval, paired_interval

# The machine may be busy, so the clock says nothing about these.
unhurried = settings(deadline=None, max_examples=50)

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=40)


@unhurried
@given(SCORES)
def test_an_interval_contains_the_mean_and_stays_inside_the_values(scores: list[float]) -> None:
    found = mean_interval(scores)
    assert found.low <= found.mean <= found.high
    if min(scores) < max(scores):
        assert min(scores) - 1e-12 <= found.low
        assert found.high <= max(scores) + 1e-12
    assert found.low >= 0
    assert found.high <= 1


@unhurried
@given(SCORES)
def test_the_same_values_give_the_same_interval(scores: list[float]) -> None:
    assert mean_interval(scores) == mean_interval(list(scores))


@unhurried
@given(st.floats(0, 1), st.integers(2, 50))
def test_equal_values_leave_room_for_those_that_were_not_drawn(value: float, count: int) -> None:
    found = mean_interval([value] * count)
    missed = 1 - 0.025 ** (1 / count)
    assert found.high - found.low == pytest.approx(missed)
    assert mean_interval([value] * 400).high - value <= 0.01


@unhurried
@given(st.dictionaries(st.integers(0, 30), st.floats(0, 1), min_size=2))
def test_an_arm_does_not_differ_from_itself(scores: dict[int, float]) -> None:
    found = paired_interval(scores, scores)
    assert found is not None
    assert (found.count, found.mean) == (len(scores), 0.0)
    assert -1 < found.low == -found.high < 0


@unhurried
@given(st.dictionaries(st.integers(0, 30), st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2))
def test_swapping_the_arms_turns_the_sign_of_the_mean(pairs: dict[int, tuple[float, float]]) -> None:
    before = {key: pair[0] for key, pair in pairs.items()}
    after = {key: pair[1] for key, pair in pairs.items()}
    there, back = paired_interval(before, after), paired_interval(after, before)
    assert there is not None
    assert back is not None
    assert there.mean == pytest.approx(-back.mean)
    assert there.low <= there.mean <= there.high
    assert there.low >= -1
    assert there.high <= 1


def test_only_questions_that_both_answered_are_paired() -> None:
    found = paired_interval({1: 0.0, 2: 0.5, 3: 1.0}, {2: 1.0, 3: 1.0, 4: 0.0})
    assert found is not None
    assert (found.count, found.mean) == (2, 0.25)
    assert paired_interval({1: 0.0}, {2: 1.0}) is None


def test_few_values_are_not_called_certain() -> None:
    none, one = mean_interval([]), mean_interval([0.7])
    assert (none.count, none.mean, none.low, none.high) == (0, 0.0, 0.0, 1.0)
    assert (one.count, one.mean) == (1, 0.7)
    assert one.low < 0.02
    assert one.high > 0.99
    pair = paired_interval({1: 0.2}, {1: 0.9})
    assert pair is not None
    assert pair.low < -0.95
    assert pair.high > 0.99


def test_the_interval_agrees_with_theory_and_narrows_with_more_values() -> None:
    dice = random.Random(7)  # noqa: S311  # no secret
    many = [dice.random() for _ in range(4000)]
    found = mean_interval(many)
    deviation = (sum((value - found.mean) ** 2 for value in many) / len(many)) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation / len(many) ** 0.5, rel=0.1)
    few = mean_interval(many[:40])
    assert few.high - few.low > found.high - found.low


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    dice = random.Random(11)  # noqa: S311  # no secret
    hits = 0
    for _ in range(200):
        found = mean_interval([dice.random() for _ in range(60)])
        hits += found.low <= 0.5 <= found.high
    assert 0.89 <= hits / 200 <= 0.99
