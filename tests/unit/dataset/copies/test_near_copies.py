from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dataset.copies.buckets import MISSED, bands_for
from services.dataset.copies.grouping import Indices, clusters, group_near_copies, leaked, leaks
from services.dataset.copies.sketches import LANES, LIMIT, signatures, sketch
from services.dataset.copies.texts import LETTERS, batched, normalise, similarity

# Few words, so that drawn questions are often alike.
WORDS = ["what", "is", "the", "net", "profit", "of", "Kesto", "2023", "2024", "多少", "净利润", "🙂", "?"]
questions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
thresholds = st.sampled_from([0.4, 0.7, 0.85, 1.0])


def groups_by_comparing_all(texts: list[str], threshold: float) -> list[int]:
    forms = [normalise(text) for text in texts]
    groups = list(range(len(forms)))
    for left, right in itertools.combinations(range(len(forms)), 2):
        if groups[left] != groups[right] and similarity(forms[left], forms[right]) >= threshold:
            low, high = sorted((groups[left], groups[right]))
            groups = [low if group == high else group for group in groups]
    return groups


def partition(numbers: list[int] | Indices) -> set[frozenset[int]]:
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
    assert bands * depth <= LANES
    assert (1 - threshold**depth) ** bands <= MISSED <= 1e-6


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
    assert group_near_copies([], 0.7).tolist() == []
    assert leaks([], ["a"], 0.7).tolist() == []
    assert leaks(["a"], [], 0.7).tolist() == []


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
    assert leaks(kept, others, threshold).tolist() == alike


def test_leaks_are_found_across_blocks_and_in_long_texts() -> None:
    draw = random.Random(1)  # noqa: S311  # no secret
    words = ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(4000)]
    kept = [" ".join(draw.choices(words, k=12)) for _ in range(40)]
    others = [" ".join(draw.choices(words, k=12)) for _ in range(2500)]
    planted = {3: kept[0], 2047: kept[17] + " please", 2048: kept[39].upper(), 2499: kept[5]}
    for at, text in planted.items():
        others[at] = text
    assert leaks(kept, others, 0.7).tolist() == sorted(planted)
    long = " ".join(draw.choices(words, k=2500))
    assert leaks([long], [long[:-9], long[: len(long) // 2]], 0.9).tolist() == [0]


def test_a_group_is_numbered_by_its_first_text_and_clusters_are_the_groups_of_several() -> None:
    texts = ["one thing", "Another matter altogether", "ONE  thing", "another matter altogether!", "a third"]
    groups = group_near_copies(texts, 0.7)
    assert groups.tolist() == [0, 1, 0, 1, 4]
    assert [members.tolist() for members in clusters(groups)] == [[0, 2], [1, 3]]
    assert clusters(groups[:0]) == []


def test_texts_of_an_iterator_sketches_and_signatures_give_the_same_groups() -> None:
    draw = random.Random(2)  # noqa: S311  # no secret
    texts = [" ".join(draw.choices(WORDS, k=40)) for _ in range(20)]
    texts += [text + "!" for text in texts[:10]]
    groups = group_near_copies(texts, 0.9).tolist()
    assert groups == [*range(20), *range(10)]
    assert group_near_copies(iter(texts), 0.9).tolist() == groups
    assert group_near_copies(sketch(texts), 0.9).tolist() == groups
    assert group_near_copies(signatures(texts), 0.9).tolist() == groups
    rows = np.arange(len(texts))
    for held in (sketch(texts), sketch(texts, only_signatures=True)):
        assert leaked(held, rows[:15], rows[15:], 0.9).tolist() == list(range(5, 15))


def test_texts_are_read_while_others_are_worked_on_and_not_held() -> None:
    held = 0

    class Text(str):
        def __new__(cls, *args: object) -> Text:
            nonlocal held
            held += 1
            return super().__new__(cls, *args)

        def __del__(self) -> None:
            nonlocal held
            held -= 1

    def texts() -> Iterator[str]:
        for at in range(30_000):
            assert held < 100
            yield Text(f"text {at}")

    assert len(sketch(texts())) == 30_000


def test_batches_of_long_texts_are_of_few() -> None:
    assert list(map(len, batched(["a"] * 4001))) == [2000, 2000, 1]
    assert list(map(len, batched(["a" * (LETTERS // 2)] * 5))) == [2, 2, 1]
    assert list(batched([])) == []


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01, float("nan")])
def test_a_threshold_that_makes_no_sense_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        group_near_copies(["a"], threshold)
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        leaks(["a"], ["b"], threshold)


def test_of_long_texts_similarities_are_told_by_a_sample() -> None:
    draw = random.Random(4)  # noqa: S311  # no secret
    letters = [chr(code) for code in range(0x4E00, 0x9000)]
    for _ in range(30):
        text = "".join(draw.choices(letters, k=4000))
        cut = draw.randint(2200, 4000)
        share = similarity(text, text[:cut])
        found = group_near_copies([text, text[:cut]], 0.75).tolist() == [0, 0]
        assert found == (share >= 0.75) or abs(share - 0.75) < 4 * (0.75 * 0.25 / LIMIT) ** 0.5


def test_an_estimate_is_right_on_average() -> None:
    draw = random.Random(6)  # noqa: S311  # no secret
    errors = []
    for _ in range(400):
        words = ["".join(draw.choices("etaoinshrdlu", k=5)) for _ in range(20)]
        one, other = " ".join(words[:14]), " ".join([*words[:11], *words[14:]])
        left, right = signatures([one, other])
        errors.append((left == right).mean() - similarity(one, other))
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 0.04


def test_many_leaks_are_found_as_comparing_all_would() -> None:
    draw = random.Random(8)  # noqa: S311  # no secret
    words = ["".join(draw.choices("abcdefghijklmnop", k=5)) for _ in range(300)]
    texts = [" ".join(draw.choices(words, k=9)) for _ in range(3000)]
    texts += [" ".join([*text.split()[:8], draw.choice(words)]) for text in texts[:1000]]
    held = sketch(texts)
    kept, others = np.arange(2000), np.arange(2000, 4000)
    expected = [
        at for at in range(2000, 4000) if any(similarity(texts[at], texts[one]) >= 0.7 for one in near(at))
    ]
    found = (2000 + leaked(held, kept, others, 0.7)).tolist()
    assert set(expected) <= set(found)
    assert all(
        any(similarity(texts[at], one) >= 0.7 for one in texts[:2000]) for at in set(found) - set(expected)
    )
    assert len(expected) > 500


def near(at: int) -> list[int]:
    """The text that one was made of."""
    return [at - 3000] if at >= 3000 else []
