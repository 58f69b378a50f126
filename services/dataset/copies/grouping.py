"""Groups of near copies, and what of one set of texts is in another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from threading import Lock
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from services.dataset.copies.buckets import (
    FULL,
    WINDOW,
    Bands,
    Buckets,
    Rows,
    bands_together,
    buckets,
    least_equal,
)
from services.dataset.copies.by_numpy import roots_of, unite
from services.dataset.copies.native import loops
from services.dataset.copies.sketches import LANES, THREADS, Signatures, Sketches, from_signatures, sketch

Indices: TypeAlias = npt.NDArray[np.intp]
Marks: TypeAlias = npt.NDArray[np.uint8]
Part = TypeVar("Part")
Found = TypeVar("Found")
Texts: TypeAlias = Iterable[str] | Sketches | Signatures

ALL_PAIRS = 1 << 20
"""Pairs up to which `leaks` compares all."""


class LargeBuckets:
    """Buckets of more than `FULL` rows that a grouping came by: in others it compared all pairs."""

    def __init__(self, most: int) -> None:
        """Those of up to so many rows in all; where there are more, they are not kept."""
        self._left = most
        self._found: list[Buckets] = []
        self._lock = Lock()

    def note(self, found: Buckets) -> None:
        """Keep the large buckets of a band; several threads may do so."""
        large = found.last - found.first > FULL
        kept = only(found, large)
        with self._lock:
            self._left -= len(kept.order)
            if self._left < 0:
                self._found.clear()
            elif len(kept.order):
                self._found.append(kept)

    @property
    def found(self) -> list[Buckets] | None:
        """The buckets; nothing where there were too many to keep."""
        return None if self._left < 0 else self._found


def only(found: Buckets, wanted: npt.NDArray[np.bool_]) -> Buckets:
    """Some of the buckets of a band, given by their places."""
    before: npt.NDArray[np.intp] = np.cumsum(wanted) - wanted
    gone = found.first[wanted] - before[found.first[wanted]]
    first, last = found.first[wanted] - gone, found.last[wanted] - gone
    return Buckets(found.order[wanted], first.astype(np.int32), last.astype(np.int32))


def group_near_copies(texts: Texts, threshold: float, large: LargeBuckets | None = None) -> Indices:
    """A group for each text: texts at least `threshold` alike share one, and so do all their likes.

    A pair at the threshold is missed once in a million, or when more than `FULL` texts have most in common
    and each of the two has nearer neighbours among these (see `buckets`). The groups hang on the texts alone,
    whatever their order.

    Args:
        texts: texts, read once; or sketches of them; or their signatures only: then similarities are
            estimates.
        threshold: Jaccard similarity of character 3-grams of the normalised texts, above 0, to 1.
        large: takes note of the buckets in which pairs may be missed.

    Returns:
        The index of the first text of the group of each text.
    """
    check(threshold)
    held = sketches_of(texts)
    rows, twins = held.distinct
    parents = np.arange(len(held), dtype=np.int32)
    if threshold < 1 and len(rows) > 1:
        parents = forest(held, rows, threshold, large)
    # Rows and roots are the first of their kind: so is the root of any text.
    return roots_of(parents)[twins].astype(np.intp)


def forest(held: Sketches, rows: Rows, threshold: float, large: LargeBuckets | None) -> Rows:
    """What rows that are alike are joined in; every core looks through some of the bands."""

    def joined_in(parts: list[Bands]) -> Rows:
        parents = np.arange(len(held), dtype=np.int32)
        for found in buckets(held.signatures, rows, parts):
            loops.join(*arguments(held, threshold, found), FULL, WINDOW, parents)
            if large:
                large.note(found)
        return parents

    first, *others = in_parts(joined_in, bands_together(threshold))
    for other in others:
        unite(first, np.arange(len(first), dtype=np.int32), other)
    return first


def in_parts(call: Callable[[list[Part]], Found], parts: list[Part]) -> list[Found]:
    """Call something with as many shares of a list as there are cores, at the same time."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, (parts[first::THREADS] for first in range(THREADS))))


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


def leaked(
    held: Sketches, kept: Indices, others: Indices, threshold: float, large: LargeBuckets | None = None
) -> Indices:
    """The places in `others`, ascending, of rows at least `threshold` like one of the rows `kept`.

    Args:
        held: sketches of all rows.
        kept: rows that may not leak.
        others: rows that are looked through.
        threshold: as of `group_near_copies`.
        large: what a grouping of all rows by the same threshold has noted, where none of its groups has rows
            of both: then only those pairs are compared that it may have missed.
    """
    check(threshold)
    _, twins = held.distinct
    # What is neither kept nor looked through is passed over.
    is_kept = np.full(len(held), 2, np.uint8)
    is_kept[twins[others]] = 0
    is_kept[twins[kept]] = 1
    marked = np.zeros(len(held), np.uint8)
    mine, theirs = np.flatnonzero(is_kept == 1), np.flatnonzero(is_kept == 0)
    if threshold < 1 and mine.size and theirs.size:
        # By key, so that the order hangs on the texts alone.
        rows = np.concatenate([mine, theirs]).astype(np.int32)
        rows = rows[np.argsort(held.keys[rows])]
        known = large.found if large else None
        if mine.size * theirs.size <= ALL_PAIRS:
            ends = np.full(len(rows), len(rows), np.int32)
            one = Buckets(rows, np.zeros_like(ends), ends)
            least = 0 if held.grams.size else None
            loops.match(*arguments(held, threshold, one, least), len(rows), WINDOW, is_kept, marked)
        elif known is None:
            marked = matched(
                held,
                threshold,
                is_kept,
                lambda parts: buckets(held.signatures, rows, parts),
                bands_together(threshold),
            )
        else:
            marked = matched(held, threshold, is_kept, iter, known)
    return np.flatnonzero(((is_kept == 1) | (marked == 1))[twins[others]])


def matched(
    held: Sketches,
    threshold: float,
    is_kept: Marks,
    found_in: Callable[[list[Part]], Iterator[Buckets]],
    parts: list[Part],
) -> Marks:
    """What is like a kept row in the buckets that are found in parts; every core looks through some."""

    def marked_in(some: list[Part]) -> Marks:
        marked = np.zeros(len(held), np.uint8)
        for found in found_in(some):
            loops.match(*arguments(held, threshold, found), FULL, WINDOW, is_kept, marked)
        return marked

    found: Marks = np.bitwise_or.reduce(in_parts(marked_in, parts))
    return found


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
        least = least_equal(threshold) if held.grams.size else math.ceil(equal_share(threshold) * LANES)
    rows = (held.signatures, held.grams, held.starts, held.sizes, threshold, least)
    return (*rows, found.order, found.first, found.last)


def equal_share(similarity: float) -> float:
    """The share of equal MinHash values of so similar texts: one of 256 unlike values has the same byte."""
    return similarity + (1 - similarity) / 256


def check(threshold: float) -> None:
    """Demand a threshold that makes sense.

    Raises:
        ValueError: it is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold of {threshold} for near copies; give one above 0 and at most 1")
