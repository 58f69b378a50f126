from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dataset.near_copies import (
    MISSED,
    PERMUTATIONS,
    Groups,
    bands_for,
    group_near_copies,
    jaccard,
    leaks,
    normalise,
    shingles,
    similarity,
)

# Few words, so that drawn questions are often alike.
WORDS = ["what", "is", "the", "net", "profit", "of", "Kesto", "2023", "2024", "多少", "净利润", "🙂", "?"]
questions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
thresholds = st.sampled_from([0.4, 0.7, 0.85, 1.0])


def groups_by_comparing_all(texts: list[str], threshold: float) -> list[int]:
    rows = shingles([normalise(text) for text in texts])
    groups = Groups(len(rows))
    for left, right in itertools.combinations(range(len(rows)), 2):
        if jaccard(rows[left], rows[right]) >= threshold:
            groups.join(left, right)
    return [groups.find(at) for at in range(len(rows))]


def partition(numbers: list[int]) -> set[frozenset[int]]:
    return {frozenset(at for at, one in enumerate(numbers) if one == number) for number in set(numbers)}


def test_case_width_and_blanks_make_no_difference() -> None:
    assert similarity(normalise("Ｗhat  IS\r\nit？"), normalise("what is it?")) == 1.0


def test_similarity_is_the_share_of_common_three_grams() -> None:
    # abc bcd cde | bcd cde def: two of four.
    assert similarity("abcde", "bcdef") == 0.5
    assert similarity("ab", "ab") == 1.0
    assert similarity("ab", "abc") == 0.0
    assert similarity("", "") == 1.0


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0])
def test_bands_hardly_ever_miss_a_pair_at_the_threshold(threshold: float) -> None:
    bands, depth = bands_for(threshold)
    assert bands * depth <= PERMUTATIONS
    assert (1 - threshold**depth) ** bands <= MISSED


@settings(max_examples=40, deadline=None)
@given(st.lists(questions, min_size=1, max_size=25), thresholds)
@example(["", " ", "\n"], 0.7)
@example(["?", "？"], 1.0)
def test_grouping_finds_only_groups_that_comparing_all_pairs_finds(
    texts: list[str], threshold: float
) -> None:
    expected = partition(groups_by_comparing_all(texts, threshold))
    for group in partition(group_near_copies(texts, threshold)):
        assert any(group <= other for other in expected)


def test_grouping_finds_nearly_all_groups() -> None:
    draw = random.Random(5)  # noqa: S311  # no secret
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(6, 14))) for _ in range(300)]
    for threshold in (0.5, 0.7, 0.85):
        found = len(partition(group_near_copies(texts, threshold)))
        assert found - len(partition(groups_by_comparing_all(texts, threshold))) <= 1


def test_groups_do_not_depend_on_the_order_of_the_texts() -> None:
    draw = random.Random(3)  # noqa: S311  # no secret
    # The same ones in the same order in each run: a pair at the threshold may be missed.
    texts = list(dict.fromkeys(" ".join(draw.choices(WORDS, k=7)) for _ in range(200)))
    first = {frozenset(texts[at] for at in group) for group in partition(group_near_copies(texts, 0.7))}
    draw.shuffle(texts)
    again = {frozenset(texts[at] for at in group) for group in partition(group_near_copies(texts, 0.7))}
    assert first == again


def test_nothing_has_no_groups() -> None:
    assert group_near_copies([], 0.7) == []
    assert leaks([], ["a"], 0.7) == []
    assert leaks(["a"], [], 0.7) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(questions, max_size=12), st.lists(questions, max_size=12), thresholds)
def test_leaks_are_exactly_the_texts_that_are_alike(
    kept: list[str], others: list[str], threshold: float
) -> None:
    alike = [
        at
        for at, other in enumerate(others)
        if any(similarity(normalise(one), normalise(other)) >= threshold for one in kept)
    ]
    assert leaks(kept, others, threshold) == alike


def test_leaks_are_found_across_blocks_and_in_long_texts() -> None:
    draw = random.Random(1)  # noqa: S311  # no secret
    words = ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(4000)]
    kept = [" ".join(draw.choices(words, k=12)) for _ in range(40)]
    others = [" ".join(draw.choices(words, k=12)) for _ in range(2500)]
    planted = {3: kept[0], 2047: kept[17] + " please", 2048: kept[39].upper(), 2499: kept[5]}
    for at, text in planted.items():
        others[at] = text
    assert leaks(kept, others, 0.7) == sorted(planted)
    long = " ".join(draw.choices(words, k=2500))
    assert leaks([long], [long[:-9], long[: len(long) // 2]], 0.9) == [0]
