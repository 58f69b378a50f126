"""How alike pairs of texts are, by what is held of them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.sketches import Sketches

Indices: TypeAlias = npt.NDArray[np.intp]
Likeness: TypeAlias = npt.NDArray[np.float32]

PAIRS = 8192
"""Pairs that are looked at together."""


def similarities(held: Sketches, lefts: Indices, rights: Indices) -> Likeness:
    """Jaccard similarity of the 3-grams of pairs of texts.

    Exact where all 3-grams of both are held; of longer texts an estimate by the lowest (see `sketches`).

    Args:
        held: sketches with their 3-grams.
        lefts: row of the one text of each pair.
        rights: row of the other.
    """
    found = np.empty(len(lefts), np.float32)
    for start in range(0, len(lefts), PAIRS):
        part = slice(start, start + PAIRS)
        found[part] = similarities_of(held, lefts[part], rights[part])
    return found


def similarities_of(held: Sketches, lefts: Indices, rights: Indices) -> Likeness:
    """As `similarities`, of some pairs."""
    # Of a long text only the lowest 3-grams are held: what is above the last of them is not compared.
    bounds = np.minimum(last_held(held, lefts), last_held(held, rights))
    ones, others = grams_of(held, lefts, bounds), grams_of(held, rights, bounds)
    both = np.concatenate([ones, others])
    both.sort()
    shared = np.bincount(
        (both[1:][both[1:] == both[:-1]] >> np.uint64(32)).astype(np.intp), minlength=len(lefts)
    )
    # The union is never empty: a text has one 3-gram at least, and the lowest of both is below any bound.
    return (shared / (len_of(ones, len(lefts)) + len_of(others, len(lefts)) - shared)).astype(np.float32)


def last_held(held: Sketches, rows: Indices) -> npt.NDArray[np.uint64]:
    """The highest number that tells of a text whether it has the 3-gram."""
    whole = np.diff(held.starts)[rows] == held.sizes[rows]
    last = held.grams[held.starts[rows + 1] - 1].astype(np.uint64)
    return np.where(whole, np.uint64(2**32 - 1), last)


def grams_of(held: Sketches, rows: Indices, bounds: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The 3-grams of some rows up to their bounds, each below the number of its row among these."""
    starts = held.starts[rows]
    counts = held.starts[rows + 1] - starts
    owners = np.repeat(np.arange(len(rows)), counts)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts) + starts[owners]
    grams = held.grams[places].astype(np.uint64)
    low = grams <= bounds[owners]
    numbered: npt.NDArray[np.uint64] = owners[low].astype(np.uint64) << np.uint64(32) | grams[low]
    return numbered


def len_of(grams: npt.NDArray[np.uint64], rows: int) -> npt.NDArray[np.intp]:
    """How many 3-grams each row has among these."""
    return np.bincount((grams >> np.uint64(32)).astype(np.intp), minlength=rows)
