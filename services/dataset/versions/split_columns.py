"""What a split needs to know of entries, as columns of numbers: a million entries are some 40 MB."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Longs: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

UNKNOWN = -1
"""The code of an empty value."""
CLOSE = 4
"""Numbers lie close that are of a range of at most so many times their count."""


@dataclass(frozen=True)
class Columns:
    """Entries, a row each.

    Args:
        places: the place of each in a seeded order (`seeded_places`); the split hangs on it, not on the rows'
            order.
        groups: the number of its group of near copies; groups stay on one side.
        strata: what is held out in proportion: a code of its document, or of document and tag (`crossed`).
        facts: the same code for every form of a question about one fact; -1 when unknown.
        exam_only: whether it must never be trained on.
        units: numbers of what stays on one side where this is more than a group (`units_of`); groups by
            default.
    """

    places: Longs
    groups: Longs
    strata: Longs
    facts: Longs
    exam_only: Flags
    units: Longs | None = None

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def fact_codes(self) -> Longs:
        """Facts numbered from 0, unknown ones -1."""
        found, _ = numbered(self.facts)
        return found - int((self.facts == UNKNOWN).any())


def seeded_places(digests: Iterable[str], ids: Sequence[str], seed: int) -> Longs:
    """The place of each entry in an order that hangs on contents alone; ids tell equal contents apart.

    Args:
        digests: SHA-256 of the content of each entry, in hexadecimal digits.
        ids: id of each entry.
        seed: another seed gives another order.
    """
    prefix = f"{seed}:"
    keys = b"".join(hashlib.sha256((prefix + digest).encode()).digest() for digest in digests)
    firsts = np.frombuffer(keys, ">u8").reshape(-1, 4)[:, 0].astype(np.uint64)
    order = np.argsort(firsts, kind="stable")
    for tie in ties(firsts[order]):
        order[tie] = sorted(order[tie].tolist(), key=lambda row: (keys[row * 32 : row * 32 + 32], ids[row]))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places


def ties(numbers: npt.NDArray[np.uint64]) -> list[slice]:
    """Runs of equal numbers, where these ascend."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1, [len(numbers)]])
    starts = np.flatnonzero(np.diff(edges) > 1)
    return [slice(int(edges[start]), int(edges[start + 1])) for start in starts]


def codes(values: Iterable[str]) -> Longs:
    """The same number for the same value; -1 for an empty one."""
    numbers: dict[str, int] = {"": UNKNOWN}
    return np.fromiter((numbers.setdefault(value, len(numbers) - 1) for value in values), np.int64)


def numbered(values: Longs) -> tuple[Longs, int]:
    """The different ones of values are numbered from 0, ascending: the number of each value, and how many.

    Where the values lie as close as the numbers of rows do they are counted, and not sorted.
    """
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if high - low > CLOSE * len(values):
        names, found = np.unique(values, return_inverse=True)
        return found, len(names)
    is_there = marked(high - low + 1, values - low)
    numbers: Longs = np.cumsum(is_there)
    return numbers[values - low] - 1, int(numbers[-1])


def ascending(places: Longs) -> Longs:
    """The order of rows by their places, of which no two may be equal; by counting where these lie close."""
    low, high = int(places.min(initial=0)), int(places.max(initial=0))
    if high - low > CLOSE * len(places):
        return np.argsort(places)
    rows = np.full(high - low + 1, UNKNOWN, np.int64)
    rows[places - low] = np.arange(len(places))
    found: Longs = rows[rows != UNKNOWN]
    return found


def stably(numbers: Longs) -> Longs:
    """The order of small numbers; those of 16 bits are sorted by their digits."""
    is_short = int(numbers.min(initial=0)) >= 0 and int(numbers.max(initial=0)) < 1 << 16
    return np.argsort(numbers.astype(np.uint16) if is_short else numbers, kind="stable")


def marked(count: int, places: Longs) -> Flags:
    """Which of so many places are among some."""
    found = np.zeros(count, bool)
    found[places] = True
    return found


def without_doubles(numbers: Longs) -> Longs:
    """The different ones of numbers, ascending; `np.unique` hashes them, which takes forty times as long."""
    in_order = np.sort(numbers)
    found: Longs = in_order[np.diff(in_order, prepend=in_order[:1] - 1) != 0]
    return found


def among(numbers: Longs, others: Longs) -> Flags:
    """Which numbers are among others; any of 64 bits, unlike `np.isin` without hashing."""
    known = np.sort(others)
    places = np.searchsorted(known, numbers)
    found = places < len(known)
    found[found] = known[places[found]] == numbers[found]
    return found


def crossed(*columns: Longs) -> Longs:
    """One code for the codes of a row in several columns."""
    both = columns[0]
    for column in columns[1:]:
        left, _ = numbered(both)
        right, count = numbered(column)
        both = left * count + right
    return both


def units_of(groups: Longs, rows: Longs, values: Longs) -> Longs:
    """Join groups that share a value, as a chunk or a fact, directly or by others; a number for each entry.

    Args:
        groups: number of the group of near copies of each entry.
        rows: entries, each as often as it has values.
        values: code of the value of each of these; -1 joins nothing.
    """
    group, groups_count = numbered(groups)
    known = values != UNKNOWN
    value, values_count = numbered(values[known])
    return components(groups_count + values_count, group[rows[known]], groups_count + value)[group]


def components(count: int, lefts: Longs, rights: Longs) -> Longs:
    """The least node of the part of a graph that each of its nodes is in, by the ends of its edges."""
    roots = np.arange(count)
    while lefts.size:
        # Every root with a lower neighbour is hung below the lowest of them, then all paths become short.
        low, high = np.minimum(roots[lefts], roots[rights]), np.maximum(roots[lefts], roots[rights])
        apart = low != high
        lefts, rights = lefts[apart], rights[apart]
        np.minimum.at(roots, high[apart], low[apart])
        while not np.array_equal(roots, above := roots[roots]):
            roots = above
    return roots
