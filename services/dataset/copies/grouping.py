"""Groups of near copies, and what of one set of texts is in another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.buckets import FULL, WINDOW, Buckets, Rows, buckets, least_equal
from services.dataset.copies.by_numpy import roots_of
from services.dataset.copies.native import loops
from services.dataset.copies.sketches import LANES, Signatures, Sketches, from_signatures, sketch

Indices: TypeAlias = npt.NDArray[np.intp]
Texts: TypeAlias = Iterable[str] | Sketches | Signatures

ALL_PAIRS = 1 << 20
"""Pairs up to which `leaks` compares all."""


def group_near_copies(texts: Texts, threshold: float) -> Indices:
    """A group for each text: texts at least `threshold` alike share one, and so do all their likes.

    A pair at the threshold is missed once in a million, or when more than `FULL` texts have most in common
    and each of the two has nearer neighbours among these (see `buckets`). The groups hang on the texts alone,
    whatever their order.

    Args:
        texts: texts, read once; or sketches of them; or their signatures only: then similarities are
            estimates.
        threshold: Jaccard similarity of character 3-grams of the normalised texts, above 0, to 1.

    Returns:
        The index of the first text of the group of each text.
    """
    check(threshold)
    held = sketches_of(texts)
    rows, twins = distinct(held.keys)
    parents = np.arange(len(held), dtype=np.int32)
    if threshold < 1 and len(rows) > 1:
        for found in buckets(held.signatures, rows, threshold):
            loops.join(*arguments(held, threshold, found), FULL, WINDOW, parents)
    # Rows and roots are the first of their kind: so is the root of any text.
    return roots_of(parents)[twins].astype(np.intp)


def clusters(groups: Indices) -> list[Indices]:
    """The members of each group of several, ascending; the groups by their first members."""
    _, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    several = np.flatnonzero(sizes[which] > 1)
    members = several[np.argsort(which[several], kind="stable")]
    ends = np.cumsum(sizes[sizes > 1])
    return np.split(members, ends[:-1]) if members.size else []


def leaks(kept: Iterable[str], others: Iterable[str], threshold: float) -> Indices:
    """Which of `others` are at least `threshold` like one of `kept`; their indices, ascending.

    All pairs are compared up to `ALL_PAIRS`; of more, those are missed that `group_near_copies` would miss.
    Texts are read once. Who has sketches of all texts uses `leaked`.
    """
    count = 0

    def counted() -> Iterator[str]:
        nonlocal count
        for text in kept:
            count += 1
            yield text

    held = sketch(chain(counted(), others))
    rows = np.arange(len(held))
    return leaked(held, rows[:count], rows[count:], threshold)


def leaked(held: Sketches, kept: Indices, others: Indices, threshold: float) -> Indices:
    """The places in `others`, ascending, of rows at least `threshold` like one of the rows `kept`."""
    check(threshold)
    _, twins = distinct(held.keys)
    is_kept, marked = np.zeros((2, len(held)), np.uint8)
    is_kept[twins[kept]] = 1
    mine, theirs = np.flatnonzero(is_kept), np.setdiff1d(twins[others], twins[kept])
    if threshold < 1 and mine.size and theirs.size:
        # By key, so that the order hangs on the texts alone.
        rows = np.concatenate([mine, theirs]).astype(np.int32)
        rows = rows[np.argsort(held.keys[rows])]
        if mine.size * theirs.size <= ALL_PAIRS:
            ends = np.full(len(rows), len(rows), np.int32)
            one = Buckets(rows, np.zeros_like(ends), ends)
            least = 0 if held.grams.size else None
            loops.match(*arguments(held, threshold, one, least), len(rows), WINDOW, is_kept, marked)
        else:
            for found in buckets(held.signatures, rows, threshold):
                loops.match(*arguments(held, threshold, found), FULL, WINDOW, is_kept, marked)
    return np.flatnonzero((is_kept | marked)[twins[others]])


def distinct(keys: npt.NDArray[np.uint64]) -> tuple[Rows, Rows]:
    """The first row of each set of 3-grams, ordered by the sets alone, and the first for every row."""
    _, firsts, which = np.unique(keys, return_index=True, return_inverse=True)
    rows = firsts.astype(np.int32)
    return rows, rows[which]


def sketches_of(texts: Texts) -> Sketches:
    """Sketches of what is given."""
    if isinstance(texts, Sketches):
        return texts
    return from_signatures(texts) if isinstance(texts, np.ndarray) else sketch(texts)


def arguments(
    held: Sketches, threshold: float, found: Buckets, least: int | None = None
) -> tuple[object, ...]:
    """What the loops are told; rows that are alike have `least` equal MinHash values."""
    if least is None:
        least = least_equal(threshold) if held.grams.size else math.ceil(threshold * LANES)
    rows = (held.signatures, held.grams, held.starts, held.sizes, threshold, least)
    return (*rows, found.order, found.first, found.last)


def check(threshold: float) -> None:
    """Demand a threshold that makes sense.

    Raises:
        ValueError: it is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold of {threshold} for near copies; give one above 0 and at most 1")
