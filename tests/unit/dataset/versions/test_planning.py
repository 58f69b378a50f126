from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dataset.copies.sketches import sketch
from services.dataset.copies.texts import normalise, similarity
from services.dataset.versions import planning
from services.dataset.versions.balancing import length_buckets, length_names, over_weights
from services.dataset.versions.entries import Coder, Entries, Pairs, listed, pairs_of
from services.dataset.versions.options import Cap, DatasetOptions, Replay
from services.dataset.versions.planning import (
    EXAM,
    OUT,
    TRAIN,
    VALIDATION,
    Planner,
    check_sides,
    coverage,
    source_counts,
)
from services.runtime.errors import FailedPrecondition, Internal
from tests.unit.dataset.makers import columns_of, entry, planned
from tests.unit.dataset.one_by_one import Entry

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


def on(found: list[Entry], sides: npt.NDArray[np.int8], side: int) -> list[Entry]:
    by_id = sorted(found, key=lambda one: one.id)
    return [one for one, its_side in zip(by_id, sides, strict=True) if its_side == side]


def is_apart(found: list[Entry], sides: npt.NDArray[np.int8], threshold: float) -> bool:
    pairs = [
        (one.question, other.question) for one in on(found, sides, TRAIN) for other in on(found, sides, EXAM)
    ]
    return all(similarity(normalise(one), normalise(other)) < threshold for one, other in pairs)


@settings(max_examples=30, deadline=None)
@given(entry_sets, st.sampled_from([0.1, 0.3, 0.9]), st.sampled_from([0.5, 0.7, 0.9]), st.integers(0, 3))
def test_near_copies_are_never_on_both_sides(
    entries: list[Entry], share: float, threshold: float, seed: int
) -> None:
    found = planned(entries, options(share, threshold, seed))
    assert is_apart(entries, found.sides, threshold)
    assert sum(found.split_counts.values()) + sum(found.dropped.values()) == len(entries)


@settings(max_examples=15, deadline=None)
@given(entry_sets, st.randoms())
def test_the_same_examples_options_and_seed_give_the_same_plan(
    entries: list[Entry], chance: random.Random
) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)
    one, other = planned(shuffled, options(seed=9)), planned(entries, options(seed=9))
    assert np.array_equal(one.sides, other.sides)
    assert (one.dropped, one.facts_in_train) == (other.dropped, other.facts_in_train)


def test_a_version_of_nothing_is_refused() -> None:
    with pytest.raises(FailedPrecondition) as error:
        planned([], options())
    assert error.value.reason == "NO_EXAMPLES"


def test_a_plan_stands_even_if_lsh_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "group_near_copies", lambda sketches, *_: np.arange(len(sketches)))
    entries = [entry(f"What is the net profit of Kesto in {year}?") for year in range(2000, 2020)]
    entries += [entry(f"{name * 4}?") for name in "abcdefghij"]
    found = planned(entries, options(0.3))
    assert is_apart(entries, found.sides, 0.7)
    assert found.dropped["NEAR_COPY"] > 0


def test_a_group_on_two_sides_is_an_internal_error() -> None:
    with pytest.raises(Internal):
        check_sides(np.array([3, 3]), np.array([TRAIN, EXAM], np.int8))
    with pytest.raises(Internal):
        check_sides(np.array([3, 3]), np.array([VALIDATION, EXAM], np.int8))


def test_of_a_wording_the_newest_stays() -> None:
    entries = [replace(entry("Who is it?"), id=f"0{at}") for at in range(3)]
    entries.append(replace(entry("WHO  is it?"), id="03"))
    found = planned([*entries, replace(entry("Quite another thing"), id="04")], options(0))
    assert found.sides.tolist() == [OUT, OUT, OUT, TRAIN, TRAIN]
    assert found.dropped == {"DUPLICATE": 3}


def test_what_only_trains_follows_its_near_copies() -> None:
    item = replace(entry("What is the net profit of Kesto?"), exam_only=True)
    like = replace(entry("What is the net profit of Kesto??"), train_only=True)
    other = replace(entry("Herons fish at dawn, and in silence."), train_only=True)
    found = planned([item, like, other], options(0.9))
    assert on([item, like, other], found.sides, EXAM) == [item]
    assert on([item, like, other], found.sides, TRAIN) == [other]
    assert found.dropped == {"NEAR_COPY": 1}


def made(count: int, facets: dict[str, list[list[str]]], kinds: list[int] | None = None) -> Entries:
    """Entries with these values of facets, whose questions are all different."""
    entries = columns_of([replace(entry(f"{at:>040}"), id=f"{at:06}") for at in range(count)])
    pairs, names = dict(entries.pairs), dict(entries.names)
    values = dict(entries.values)
    for facet, lists in facets.items():
        coder = Coder()
        found = [(row, coder.code(name)) for row, each in enumerate(lists) for name in each]
        both = np.array(found, np.int64).reshape(-1, 2)
        if facet in {"source", "question_type", "document"}:
            values[facet] = both[:, 1]
        else:
            pairs[facet] = Pairs(both[:, 0], both[:, 1])
        names[facet] = list(coder.numbers)
    changed = np.array(kinds, np.int8) if kinds else entries.kinds
    return replace(entries, pairs=pairs, names=names, values=values, kinds=changed)


def plan_of(entries: Entries, wanted: DatasetOptions) -> planning.Plan:
    texts = [hashlib.sha256(bytes([at % 256, at // 256])).hexdigest() for at in range(len(entries))]
    return Planner(entries, sketch(texts), wanted).plan()


def test_caps_hold_and_leave_no_more_out_than_they_must() -> None:
    lists = [[f"t{at % 3}", "rare"][: 1 + (at % 50 == 0)] for at in range(300)]
    entries = made(300, {"tag": lists})
    found = plan_of(entries, DatasetOptions(exam_share=0, balance=[Cap("tag", 40)]))
    kept = Counter(tag for at in np.flatnonzero(found.sides == TRAIN) for tag in lists[at])
    assert (kept["t0"], kept["t1"], kept["t2"]) == (40, 40, 40)
    assert found.dropped == {"BALANCE": 180}
    other = plan_of(
        replace(entries, places=entries.places[::-1]), DatasetOptions(exam_share=0, balance=[Cap("tag", 40)])
    )
    assert not np.array_equal(other.sides, found.sides)


def test_caps_of_facets_with_one_value_hold_and_spare_exam_items() -> None:
    lists = [[f"type{at % 2}"] for at in range(100)]
    kinds = [4 if at < 20 else 0 for at in range(100)]
    entries = made(100, {"question_type": lists}, kinds)
    found = plan_of(entries, DatasetOptions(exam_share=0, balance=[Cap("question_type", 5)]))
    assert (found.split_counts, found.dropped) == ({"train": 10, "exam": 20}, {"BALANCE": 70})


def test_lengths_are_counted_in_buckets() -> None:
    names = length_names()
    found = [names[at] for at in length_buckets(np.array([0, 49, 50, 199, 10_000, 99_999]))]
    assert found == ["0", "0", "50", "100", "10000", "10000"]


def test_replay_has_its_share_of_train_and_is_never_examined() -> None:
    entries = made(1000, {"label": [["general"] if at % 2 else [] for at in range(1000)]})
    found = plan_of(entries, DatasetOptions(exam_count=100, replay=Replay(0.1, label="general")))
    replayed = np.arange(1000) % 2 == 1
    assert found.count(EXAM) == 100
    assert not (replayed & (found.sides == EXAM)).any()
    assert int((~replayed & (found.sides == TRAIN)).sum()) == 400
    assert int((replayed & (found.sides == TRAIN)).sum()) == round(400 / 9)
    assert found.dropped == {"REPLAY": 500 - round(400 / 9)}


def test_sources_are_in_train_in_proportion_and_as_many_as_there_can_be() -> None:
    lists = [["a"] if at < 300 else ["b"] if at < 400 else ["c"] for at in range(500)]
    entries = made(500, {"source": lists})
    found = plan_of(entries, DatasetOptions(exam_share=0, source_weights={"a": 1.0, "b": 2.0}))
    assert source_counts(entries, found.sides) == {
        "a": {"train": 50},
        "b": {"train": 100},
        "c": {"train": 100},
    }
    assert found.dropped == {"SOURCE_WEIGHT": 250}
    nothing = over_weights(entries.values["source"], ["a", "b", "c"], np.arange(500), {"z": 1.0})
    assert not len(nothing)


def test_validation_and_counts_are_exact() -> None:
    found = plan_of(made(200, {}), DatasetOptions(exam_count=17, validation_count=23))
    assert found.split_counts == {"train": 160, "validation": 23, "exam": 17}


@pytest.mark.parametrize(
    ("options", "split", "found"),
    [
        (DatasetOptions(exam_count=1000), "exam", "127"),
        (DatasetOptions(exam_count=1000, max_exam_items=200), "exam", "127"),
        (DatasetOptions(exam_count=28, validation_count=100), "validation", "99"),
        (DatasetOptions(exam_count=129, replay=Replay(0.5, label="general")), "exam", "63"),
    ],
)
def test_a_count_for_which_there_is_not_enough_is_refused(
    options: DatasetOptions, split: str, found: str
) -> None:
    entries = made(128, {"label": [["general"] if at % 2 else [] for at in range(128)]})
    with pytest.raises(FailedPrecondition, match=f"of the 128 that fit only {found} can") as raised:
        plan_of(entries, options)
    assert raised.value.reason == "EXAMPLES_TOO_FEW"
    assert (raised.value.metadata["split"], raised.value.metadata["found"]) == (split, found)


def test_a_count_over_the_most_exam_items_means_these() -> None:
    assert plan_of(made(128, {}), DatasetOptions(exam_count=100, max_exam_items=50)).count(EXAM) == 50


@pytest.mark.parametrize("group_by", ["fact", "chunk"])
def test_facts_and_chunks_stay_on_one_side(group_by: str) -> None:
    entries = made(300, {"chunk": [[f"c{at // 3}"] for at in range(300)]})
    entries = replace(entries, facts=np.arange(300) // 3)
    wanted = DatasetOptions(exam_count=30, validation_count=30, group_by=group_by)
    found = plan_of(entries, wanted)
    assert (found.count(EXAM), found.count(VALIDATION)) == (30, 30)
    sides = [set(found.sides[at : at + 3].tolist()) for at in range(0, 300, 3)]
    assert all(len(each) == 1 for each in sides)


def test_coverage_counts_different_values_by_side() -> None:
    entries = replace(made(4, {"document": [["d"], ["d"], ["e"], ["f"]]}), facts=np.array([1, 2, 2, -1]))
    found = coverage(entries, np.array([TRAIN, EXAM, TRAIN, OUT], np.int8))
    assert found["document"] == {"total": 3, "train": 2, "validation": 0, "exam": 1}
    assert found["fact"] == {"total": 2, "train": 2, "validation": 0, "exam": 1}
    assert found["tag"] == {"total": 0, "train": 0, "validation": 0, "exam": 0}


def test_lists_in_columns_are_numbered_row_by_row() -> None:
    import pyarrow as pa

    texts = ["[]", '["b","a"]', '["a"]', "[]", '["b","a"]']
    coder = Coder()
    lists, indices = listed(pa.array(texts))
    pairs = pairs_of(lists, indices, coder, 10)
    assert pairs.rows.tolist() == [11, 11, 12, 14, 14]
    names = list(coder.numbers)
    assert [names[code] for code in pairs.codes.tolist()] == ["b", "a", "a", "b", "a"]


@pytest.mark.parametrize(
    ("options", "reason", "named"),
    [
        (DatasetOptions(source_weights={"a": 1.0, "handy": 2.0}), "SOURCE_MISSING", "handy"),
        (DatasetOptions(replay=Replay(0.1, label="genral")), "REPLAY_MISSING", "label genral"),
        (DatasetOptions(replay=Replay(0.1, import_id="i")), "REPLAY_MISSING", "import i"),
    ],
)
def test_what_no_example_has_is_not_passed_over(options: DatasetOptions, reason: str, named: str) -> None:
    entries = made(4, {"source": [["a"]] * 4})
    with pytest.raises(FailedPrecondition, match=named) as raised:
        plan_of(entries, options)
    assert raised.value.reason == reason
