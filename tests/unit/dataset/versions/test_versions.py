from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dataset.copies.texts import normalise, similarity
from services.dataset.exam_split import NEAR_COPY, Entry, Split
from services.dataset.versions import versions
from services.dataset.versions.versions import DatasetOptions, check_sides, entry_of, plan, without_leaks
from services.runtime.errors import FailedPrecondition, Internal
from tests.unit.dataset.makers import entry, sft

ATTRIBUTES = ["net profit", "revenue", "head office", "warranty", "净利润", "保修期", "chief 🙂 officer"]
NAMES = ["Kesto", "Vaara", "青禾科技", "Lumo"]
FORMS = [
    "What is the {a} of {n}?",
    "what's the {a} of {n}",
    "Tell me {n}'s {a}.",
    "{n}的{a}是多少？",
    "请问{n}的{a}是多少?",
    "Which {a} does the report of {n} name for 2023?",
    "Which {a} does the report of {n} name for 2024?",
]
facts = st.tuples(st.sampled_from(ATTRIBUTES), st.sampled_from(NAMES))
asked = st.builds(
    lambda fact, form: entry(form.format(a=fact[0], n=fact[1]), fact[1], "/".join(fact)),
    facts,
    st.sampled_from(FORMS),
)
entry_sets = st.lists(asked, min_size=1, max_size=30, unique_by=lambda one: one.id)


def options(share: float = 0.2, threshold: float = 0.7, seed: int = 0) -> DatasetOptions:
    return DatasetOptions(exam_share=share, near_copy_threshold=threshold, seed=seed)


@settings(max_examples=30, deadline=None)
@given(entry_sets, st.sampled_from([0.1, 0.3, 0.9]), st.sampled_from([0.5, 0.7, 0.9]), st.integers(0, 3))
def test_near_copies_are_never_on_both_sides(
    entries: list[Entry], share: float, threshold: float, seed: int
) -> None:
    found = plan(entries, options(share, threshold, seed))
    pairs = [(one.question, other.question) for one in found.train for other in found.exam]
    assert all(similarity(normalise(one), normalise(other)) < threshold for one, other in pairs)
    left_out = sum(map(len, found.dropped.values()))
    assert len(found.train) + len(found.exam) + left_out == len(entries)


@settings(max_examples=15, deadline=None)
@given(entry_sets, st.randoms())
def test_the_same_examples_options_and_seed_give_the_same_plan(
    entries: list[Entry], chance: random.Random
) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)
    assert plan(shuffled, options(seed=9)) == plan(entries, options(seed=9))


def test_a_version_of_nothing_is_refused() -> None:
    with pytest.raises(FailedPrecondition) as error:
        plan([], options())
    assert error.value.reason == "NO_EXAMPLES"


def test_a_near_copy_that_the_grouping_missed_is_left_out_of_train() -> None:
    missed, clean = entry("What is the net profit of Kesto now?"), entry("Where is it?")
    found = Split([clean, missed], [entry("What is the net profit of Kesto?")], {NEAR_COPY: []})
    mended = without_leaks(found, 0.7)
    assert mended.train == [clean]
    assert mended.dropped == {NEAR_COPY: [missed]}


def test_a_plan_stands_even_if_lsh_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none(texts: Sequence[str], _threshold: float) -> list[int]:
        return list(range(len(texts)))

    monkeypatch.setattr(versions, "group_near_copies", find_none)
    entries = [entry(f"What is the net profit of Kesto in {year}?") for year in range(2000, 2020)]
    entries += [entry(f"{name * 4}?") for name in "abcdefghij"]
    found = plan(entries, options(0.3))
    pairs = [(one.question, other.question) for one in found.train for other in found.exam]
    assert all(similarity(normalise(one), normalise(other)) < 0.7 for one, other in pairs)


def test_a_group_on_both_sides_is_an_internal_error() -> None:
    one, other = entry("a"), entry("b")
    with pytest.raises(Internal):
        check_sides(Split([one], [other], {}), {one.id: 3, other.id: 3})


def test_an_exam_item_stays_one() -> None:
    assert entry_of(sft("Q?", kind="exam_item")).exam_only
    assert not entry_of(sft("Q?")).exam_only
