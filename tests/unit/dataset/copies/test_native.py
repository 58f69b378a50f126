from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dataset.copies import by_numpy
from services.dataset.copies.buckets import band
from services.dataset.copies.native import compiled
from services.dataset.copies.sketches import FACTORS, LANES, LIMIT, TERMS, sketch
from services.dataset.copies.texts import grams
from tests.integration.stores import ROOT

WORDS = ["what", "is", "the", "profit", "of", "Kesto", "2023", "净利润", "多少", "🙂", "a", "\0", "\ud800"]
texts = st.lists(
    st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)), max_size=12
)
native = pytest.mark.skipif(compiled is None, reason="no C compiler")


@native
@settings(max_examples=150, deadline=None)
@given(texts, st.sampled_from([1, 3, 20, 384]))
@example(["", "a", "ab", "abc", "\0", "a\0", "ab\0", "aaaaaaaa", "🙂" * 400], 384)
def test_sketches_are_the_same_without_a_compiler(some: list[str], limit: int) -> None:
    expected = by_numpy.sketch(tuple(some), FACTORS, TERMS, limit)
    assert compiled.sketch(tuple(some), FACTORS, TERMS, limit) == expected


@settings(max_examples=100, deadline=None)
@given(texts)
def test_a_sketch_counts_the_different_grams(some: list[str]) -> None:
    _, kept, sizes, _, keys = by_numpy.sketch(tuple(some), FACTORS, TERMS, 20)
    sets = [frozenset(grams(text)) for text in some]
    assert np.frombuffer(sizes, np.int32).tolist() == [len(one) for one in sets]
    assert np.frombuffer(kept, np.int32).tolist() == [min(20, len(one)) for one in sets]
    assert len(set(np.frombuffer(keys, np.uint64).tolist())) == len(set(sets))


def crowd(seed: int, words: int, limit: int) -> list[str]:
    """Texts of few words, so that many are alike."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    known = ["".join(draw.choices("abcdefgh", k=4)) for _ in range(words)]
    return [" ".join(draw.choices(known, k=draw.randint(limit // 2, limit))) for _ in range(400)]


@native
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("only_signatures", [False, True])
@pytest.mark.parametrize(("words", "most"), [(12, 8), (300, 300)])
@pytest.mark.parametrize("full", [2, 400])
def test_rows_are_joined_and_matched_the_same_without_a_compiler(
    threshold: float, only_signatures: bool, words: int, most: int, full: int
) -> None:
    held = sketch(crowd(7, words, most), only_signatures=only_signatures)
    assert only_signatures or (held.sizes.max() > LIMIT) == (most == 300)
    rows = np.arange(len(held), dtype=np.int32)
    kept = (rows % 3 == 0).astype(np.uint8)
    for at in range(3):
        found = band(held.signatures, rows, at * 2, 2)
        keys = compiled.keys(held.signatures, rows[::-1].copy(), at * 2, 2, 3)
        assert keys == by_numpy.keys(held.signatures, rows[::-1], at * 2, 2, 3)
        asked = (held.signatures, rows[::-1].copy(), keys[: len(rows) * 4], at * 2, 2, full)
        assert compiled.band(*asked) == by_numpy.band(*asked)
        assert len(found.order) > 100 or most == 300
        given_ = (
            *(held.signatures, held.grams, held.starts, held.sizes, threshold, int(LANES * threshold * 0.8)),
            *(found.order, found.first, found.last, full, 5),
        )
        parents, others = rows.copy(), rows.copy()
        compiled.join(*given_, parents)
        by_numpy.join(*given_, others)
        assert by_numpy.roots_of(parents).tolist() == others.tolist()
        marked, also = np.zeros((2, len(rows)), np.uint8)
        compiled.match(*given_, kept, marked)
        by_numpy.match(*given_, kept, also)
        assert marked.tolist() == also.tolist()
        assert not marked[kept == 1].any()


PROGRAM = """
import sys
if sys.argv[1] == "plain":
    sys.modules["services.dataset.copies.loops"] = None  # what may not be imported
import random
from services.dataset.copies.grouping import group_near_copies, leaks
from services.dataset.copies.native import compiled
assert (compiled is None) == (sys.argv[1] == "plain")
draw = random.Random(1)
words = ["".join(draw.choices("abcdefgh文字", k=4)) for _ in range(40)]
texts = [" ".join(draw.choices(words, k=9)) for _ in range(2100)]
texts += [text + " abc" for text in texts[:200]]
groups = group_near_copies(texts, 0.7).tolist()
print(len(set(groups)), groups, leaks(texts[:1000], texts[1000:], 0.7).tolist())
"""


@native
def test_groups_and_leaks_are_the_same_where_nothing_is_compiled() -> None:
    native, plain = (
        subprocess.run(
            [sys.executable, "-c", PROGRAM, how], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for how in ("native", "plain")
    )
    assert native == plain
    assert 1 < int(native.split()[0]) <= 2100


@native
@pytest.mark.parametrize("wrong", ["values", "first", "parents", "grams"])
def test_columns_of_wrong_lengths_are_refused(wrong: str) -> None:
    held = sketch(["one", "another"])
    places = np.zeros(2, np.int32)
    columns = {
        "values": held.signatures,
        "grams": held.grams,
        "starts": held.starts,
        "sizes": held.sizes,
        "threshold": 0.5,
        "least": 0,
        "order": places,
        "first": places,
        "last": places,
        "full": 5,
        "window": 5,
        "parents": np.arange(2, dtype=np.int32),
    }
    columns["starts" if wrong == "grams" else wrong] = np.zeros(7, np.int32)
    with pytest.raises(ValueError, match="columns of different lengths"):
        compiled.join(*columns.values())
    with pytest.raises(TypeError):
        compiled.sketch((1,), FACTORS, TERMS, 1)
    with pytest.raises(ValueError, match="for each lane"):
        compiled.sketch(("a",), FACTORS[1:], TERMS, 1)
