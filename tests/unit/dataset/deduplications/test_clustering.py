"""Clusters of examples that say the same."""

from __future__ import annotations

import random

import numpy as np
import orjson
import pytest

from services.dataset.copies.likeness import similarities
from services.dataset.copies.sketches import sketch
from services.dataset.copies.texts import normalise, similarity
from services.dataset.deduplications import clustering
from services.dataset.deduplications.clustering import Found, find_duplicates
from services.dataset.deduplications.comparing import Comparison
from services.dataset.deduplications.deduplications import DUPLICATE_KINDS
from services.dataset.deduplications.meanings import Meanings, joined
from services.dataset.examples.content_texts import asked_text, said_text


def row(number: int, text: str, **fields: object) -> dict[str, object]:

    said = {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"a{number}"}]}
    return {
        "id": f"00000000-0000-0000-0000-{number:012x}",
        "kind": "sft",
        "state": "kept",
        "score": None,
        "revision_count": 0,
        "content": orjson.dumps(said).decode(),
        **fields,
    }


def found_in(*rows: dict[str, object], threshold: float = 0.8, by: str = "asked") -> Found:
    comparison = Comparison(by)
    held = comparison.sketched([rows], lambda count: None)
    return find_duplicates(held, comparison.columns(), threshold)


LONG = "How long is the warranty of the water pump that was sold in Kiel in the year before last"


def test_a_kept_example_is_kept_before_a_better_rejected_one_then_the_better_then_the_older() -> None:
    found = found_in(
        row(0, LONG, state="rejected", score=5.0),
        row(1, LONG, score=3.0),
        row(2, LONG, score=4.0),
        row(3, LONG, score=4.0),
    )
    assert set(found.keepers.tolist()) == {2}
    assert found.rows.tolist() == [0, 1, 3]
    assert not found.kinds.any()
    assert found.similarities.tolist() == [1.0, 1.0, 1.0]


def test_the_largest_cluster_comes_first_and_near_copies_are_told_from_exact_ones() -> None:
    other = "Wie schwer ist der Reiher, der am Ufer des Sees steht und wartet"
    found = found_in(
        row(0, other),
        row(1, other),
        row(2, LONG),
        row(3, LONG.upper() + "?"),
        row(4, LONG),
        row(5, "Alone, quite alone."),
    )
    assert found.numbers.tolist() == [1, 1, 2]
    assert found.keepers.tolist() == [2, 2, 0]
    kinds = [DUPLICATE_KINDS[kind] for kind in found.kinds]
    assert dict(zip(found.rows.tolist(), kinds, strict=True)) == {3: "near_copy", 4: "exact", 1: "exact"}
    expected = similarity(normalise(LONG), normalise(LONG.upper() + "?"))
    assert found.similarities.max() == 1
    assert found.similarities.min() == pytest.approx(expected)


def test_kinds_are_apart_and_a_threshold_of_one_finds_only_what_is_exactly_the_same() -> None:
    assert not len(found_in(row(0, LONG), row(1, LONG, kind="exam_item")).rows)
    found = found_in(row(0, LONG), row(1, LONG + "?"), row(2, LONG + " "), threshold=1.0)
    assert found.rows.tolist() == [2]
    # Equal sets of 3-grams are not the same text.
    assert not len(found_in(row(0, "abcabcabc"), row(1, "abcabcabcabc"), threshold=1.0).rows)


def test_what_is_like_a_copy_but_not_like_its_keeper_is_kept() -> None:
    chain = [LONG[at : at + 60] for at in range(0, 28, 4)]
    found = found_in(*(row(at, text) for at, text in enumerate(chain)), threshold=0.8)
    for at, keeper in zip(found.rows.tolist(), found.keepers.tolist(), strict=True):
        assert similarity(normalise(chain[at]), normalise(chain[keeper])) >= 0.8
    kept = set(range(len(chain))) - set(found.rows.tolist())
    assert kept > {0}
    assert set(found.keepers.tolist()) <= kept


def test_no_more_rounds_than_are_allowed_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = [LONG[at : at + 60] for at in range(0, 28, 4)]
    monkeypatch.setattr(clustering, "ROUNDS", 1)
    found = found_in(*(row(at, text) for at, text in enumerate(chain)), threshold=0.8)
    assert found.clusters == 1


def test_what_means_the_same_joins_a_cluster_and_a_vector_of_nothing_none() -> None:
    rows = [row(0, LONG), row(1, LONG + "?"), row(2, "Wie lange gilt die Garantie?"), row(3, "Sonst nichts.")]
    rows += [row(4, "Wie lange gilt die Garantie?", kind="exam_item"), row(5, "Ebenso."), row(6, "Auch so.")]
    comparison = Comparison("asked")
    held = comparison.sketched([rows], lambda count: None)
    vectors = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1], [0, 0], [0, 0]], np.float16)
    meanings = Meanings(np.array([0, 1, 2, 3, 2, 4, 5]), vectors, 0.97)
    found = find_duplicates(held, comparison.columns(), 0.8, meanings)
    assert found.rows.tolist() == [1, 2]
    assert found.keepers.tolist() == [0, 0]
    assert [DUPLICATE_KINDS[kind] for kind in found.kinds] == ["near_copy", "meaning_copy"]
    assert found.similarities[1] == pytest.approx(1 / 1.04**0.5, abs=1e-3)


def test_groups_that_share_a_row_are_joined() -> None:
    groups, others = np.array([0, 0, 2, 3, 3, 5]), np.array([0, 1, 1, 3, 4, 0])
    assert joined(groups, others).tolist() == [0, 0, 0, 3, 3, 0]


def test_nothing_and_one_example_have_no_duplicates() -> None:
    assert found_in().clusters == 0
    assert found_in(row(0, LONG)).clusters == 0


def test_similarities_are_those_of_the_texts_and_of_long_ones_nearly() -> None:
    draw = random.Random(1)  # noqa: S311  # made-up texts
    texts = [
        "".join(draw.choices("abcde ", k=draw.choice([1, 2, 5, 60, 300]))).strip() or "x" for _ in range(200)
    ]
    held = sketch(texts)
    lefts, rights = np.array(draw.choices(range(200), k=500)), np.array(draw.choices(range(200), k=500))
    expected = [
        similarity(normalise(texts[one]), normalise(texts[other]))
        for one, other in zip(lefts, rights, strict=True)
    ]
    assert similarities(held, lefts, rights) == pytest.approx(expected, abs=1e-5)
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 400)]
    long = "".join(draw.choices(letters, k=3000))
    near = long[:2700] + "".join(draw.choices(letters, k=300))
    both = similarities(sketch([long, near]), np.array([0]), np.array([1]))
    assert both[0] == pytest.approx(similarity(long, near), abs=0.1)


def test_texts_that_are_compared() -> None:
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
    ]
    preference = {
        "messages": turns[:2],
        "preference": {"chosen": {"content": "c"}, "rejected": {"content": "r"}},
    }
    assert asked_text("sft", {"messages": turns}) == "q"
    assert said_text({"messages": turns}) == "s\nq\na"
    assert asked_text("preference", preference) == "s\nq\nc\nr"
    assert asked_text("pretraining", {"messages": turns[2:]}) == "a"
