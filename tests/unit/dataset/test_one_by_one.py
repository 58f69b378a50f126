from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.ids import derived_id
from tests.unit.dataset.makers import entry
from tests.unit.dataset.one_by_one import EXAM_LIMIT, NEAR_COPY, Entry, Split, split

kinds = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["", "f", "g", "h", "i"]),
    st.sampled_from([True, *[False] * 9]),
    st.integers(0, 12),
)


def drawn_entries(drawn: list[tuple[str, str, bool, int]]) -> tuple[list[Entry], list[int]]:
    entries = [
        entry(f"question {number}", document, fact, exam_only=exam_only)
        for number, (document, fact, exam_only, _) in enumerate(drawn)
    ]
    return entries, [group for *_, group in drawn]


entries_and_groups = st.lists(kinds, min_size=1, max_size=25).map(drawn_entries)


def questions(found: Split) -> list[list[str]]:
    return [[one.question for one in side] for side in (*found.sides.values(), *found.dropped.values())]


shares = st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.9])
limits = st.sampled_from([0, 1, 3])


@settings(max_examples=80, deadline=None)
@given(entries_and_groups, shares, limits, st.integers(-5, 5))
def test_every_split_keeps_its_promises(
    drawn: tuple[list[Entry], list[int]], share: float, most: int, seed: int
) -> None:
    entries, groups = drawn
    found = split(entries, groups, share, most, seed)
    group_of = {one.id: group for one, group in zip(entries, groups, strict=True)}
    train_groups, exam_groups = ([group_of[one.id] for one in side] for side in (found.train, found.exam))
    everywhere = [one.id for one in chain(found.train, found.exam, *found.dropped.values())]

    assert sorted(everywhere) == sorted(one.id for one in entries)
    assert not set(train_groups) & set(exam_groups)
    assert len(set(exam_groups)) == len(exam_groups)
    assert not any(one.exam_only for one in found.train)
    assert not most or len(found.exam) <= most
    assert found.train or all(one.exam_only for one in found.exam)
    assert {group_of[one.id] for one in found.dropped[NEAR_COPY]} <= set(exam_groups)
    assert all(one.exam_only for one in found.dropped[EXAM_LIMIT])


@settings(max_examples=30, deadline=None)
@given(entries_and_groups, shares, limits, st.randoms())
def test_the_order_and_the_ids_of_the_entries_change_nothing(
    drawn: tuple[list[Entry], list[int]], share: float, most: int, chance: random.Random
) -> None:
    entries, groups = drawn
    shuffled = [
        (replace(one, id=derived_id("other", one.id)), 100 - group) for one, group in zip(*drawn, strict=True)
    ]
    chance.shuffle(shuffled)
    again = split([one for one, _ in shuffled], [group for _, group in shuffled], share, most, 7)
    assert questions(again) == questions(split(entries, groups, share, most, 7))


def test_another_seed_gives_another_split() -> None:
    entries = [entry(f"question {number}") for number in range(50)]
    exams = {tuple(questions(split(entries, range(50), 0.2, 0, seed))[1]) for seed in range(10)}
    assert len(exams) == 10


def test_documents_are_examined_in_proportion() -> None:
    sizes = {"long": 60, "middle": 30, "short": 10}
    entries = [entry(f"{name} {number}", name) for name, size in sizes.items() for number in range(size)]
    found = split(entries, range(100), 0.2, 0, 1)
    assert Counter(one.document for one in found.exam) == {"long": 12, "middle": 6, "short": 2}


def test_the_exam_asks_for_facts_that_train_asks_for_in_another_form() -> None:
    # In each document 10 facts are asked twice and 20 once: all 12 exam items can come from the former.
    twice = [(f"{doc}{fact}", doc) for doc in "ab" for fact in range(10) for _ in range(2)]
    once = [(f"{doc}{fact}", doc) for doc in "ab" for fact in range(10, 30)]
    entries = [entry(f"q{at}", doc, fact) for at, (fact, doc) in enumerate(twice + once)]
    found = split(entries, range(80), 0.15, 0, 3)
    assert len(found.exam) == 12
    assert found.facts_in_train == 12
    assert len({one.fact for one in found.exam}) == 12


def test_a_fact_is_not_examined_in_both_of_its_forms_while_others_are_left() -> None:
    entries = [entry(f"q{at}", "a", f"f{at // 2}") for at in range(20)]
    found = split(entries, range(20), 0.5, 0, 3)
    assert len(found.exam) == found.facts_in_train == 10


def test_questions_without_near_copies_are_examined_first() -> None:
    entries = [entry(f"q{at}") for at in range(30)]
    groups = [at // 2 for at in range(20)] + list(range(10, 20))
    found = split(entries, groups, 1 / 3, 0, 0)
    assert len(found.exam) == 10
    assert not found.dropped[NEAR_COPY]


def test_what_is_left_out_as_near_copy_counts_as_held_out() -> None:
    entries = [entry(f"q{at}", "ab"[at % 4 // 2]) for at in range(100)]
    found = split(entries, [at // 2 for at in range(100)], 0.2, 0, 0)
    assert (len(found.train), len(found.exam), len(found.dropped[NEAR_COPY])) == (80, 10, 10)


def test_near_copies_of_exam_items_by_hand_count_as_held_out() -> None:
    entries = [entry(f"q{at}", exam_only=at in range(0, 20, 4)) for at in range(100)]
    found = split(entries, [at // 4 if at < 20 else at for at in range(100)], 0.2, 0, 0)
    assert (len(found.train), len(found.exam), len(found.dropped[NEAR_COPY])) == (80, 5, 15)


def test_a_limit_counts_exam_items_and_not_their_near_copies() -> None:
    entries = [entry(f"q{at}") for at in range(100)]
    found = split(entries, [at // 2 for at in range(100)], 0.2, 15, 0)
    assert len(found.exam) == 15


def test_near_copies_of_an_exam_item_are_left_out_with_the_reason() -> None:
    entries = [entry("asked", exam_only=True), entry("asked?"), entry("other"), entry("third")]
    found = split(entries, [0, 0, 1, 2], 0.0, 0, 0)
    assert [one.question for one in found.exam] == ["asked"]
    assert [one.question for one in found.dropped[NEAR_COPY]] == ["asked?"]
    assert {one.question for one in found.train} == {"other", "third"}


def test_exam_items_over_the_limit_are_left_out_and_never_trained_on() -> None:
    entries = [entry(f"e{at}", exam_only=True) for at in range(5)] + [entry("t")]
    found = split(entries, range(6), 0.2, 2, 0)
    assert len(found.exam) == 2
    assert len(found.dropped[EXAM_LIMIT]) == 3
    assert [one.question for one in found.train] == ["t"]


def test_train_keeps_something_when_all_questions_are_one_group() -> None:
    found = split([entry(f"q{at}") for at in range(9)], [4] * 9, 0.9, 0, 0)
    assert len(found.train) == 9
    assert not found.exam


def test_a_small_set_gets_an_exam_of_one() -> None:
    assert len(split([entry("a"), entry("b")], [0, 1], 0.2, 0, 0).exam) == 1
    assert not split([entry("a")], [0], 0.2, 0, 0).exam
