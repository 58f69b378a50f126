"""The hot loops without a compiler: what `loops.pyi` says, with the same results, some ten times as slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint32]
Values: TypeAlias = npt.NDArray[np.uint8]
Marks: TypeAlias = npt.NDArray[np.uint8]
Flags: TypeAlias = npt.NDArray[np.bool_]

NO_LETTER = 0x1FFFFF
LANES = 256
FIRST = 64
"""Values that are compared first (`c/pairs.c`)."""
DEEP = 16
"""Further values by which the rows of a large bucket are ordered."""
PAIRS = 8192
"""Pairs that are compared at a time."""


def sketch(
    texts: Sequence[str], factors: Words, terms: Words, limit: int
) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """What `loops.sketch` finds."""
    if not texts:
        return b"", b"", b"", b"", b""
    owners, grams = different_grams(texts)
    sizes = np.bincount(owners, minlength=len(texts)).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    values = np.empty((len(texts), len(factors)), np.uint8)
    for lane, (factor, term) in enumerate(zip(factors, terms, strict=True)):
        lowest = np.minimum.reduceat(grams * factor + term, starts)
        values[:, lane] = lowest * np.uint32(0x9E3779B1) >> np.uint32(24)
    kept = np.minimum(sizes, limit).astype(np.int32)
    held = np.arange(len(grams)) - starts[owners] < limit
    keys = keys_of(grams, starts, sizes)
    return grams[held].tobytes(), kept.tobytes(), sizes.tobytes(), values.tobytes(), keys.tobytes()


def different_grams(texts: Sequence[str]) -> tuple[Longs, Words]:
    """The text of each 3-gram, and all as numbers, ascending and without doubles in each text."""
    padded = [text if len(text) > 2 else text + "\0" * (3 - len(text)) for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in padded])
    ends = np.cumsum(lengths)
    for at, text in enumerate(texts):
        if len(text) < 3:
            letters[ends[at] - 3 + len(text) : ends[at]] = NO_LETTER
    inside = np.ones(len(letters), bool)
    inside[ends - 1] = inside[ends - 2] = False
    first = np.flatnonzero(inside)
    packed = letters[first] | letters[first + 1] << np.uint64(21) | letters[first + 2] << np.uint64(42)
    owners = np.repeat(np.arange(len(texts)), lengths - 2).astype(np.uint64)
    both = np.unique(owners << np.uint64(32) | mixed(packed) >> np.uint64(32))
    return (both >> np.uint64(32)).astype(np.int64), both.astype(np.uint32)


def mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64: every bit hangs on every other."""
    numbers = (numbers ^ numbers >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ numbers >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return numbers ^ numbers >> np.uint64(31)


def keys_of(grams: Words, starts: Longs, sizes: Ints) -> npt.NDArray[np.uint64]:
    """A number for each set of 3-grams."""
    keys = sizes.astype(np.uint64)
    by_size = np.argsort(-sizes, kind="stable")
    bounds = np.searchsorted(-sizes[by_size], -np.arange(sizes.max()), side="left")
    for step, bound in enumerate(bounds):
        rows = by_size[:bound]
        key = (keys[rows] ^ grams[starts[rows] + step]) * np.uint64(0x9E3779B97F4A7C15)
        keys[rows] = key ^ key >> np.uint64(29)
    return mixed(keys)


def keys(values: Values, rows: Ints, start: int, depth: int, bands: int) -> bytes:
    """What `loops.keys` finds."""
    return b"".join(band_key(values, rows, start + band * depth, depth) for band in range(bands))


def band_key(values: Values, rows: Ints, start: int, depth: int) -> bytes:
    """A number for the values of each row in a band."""
    found = np.zeros(len(rows), np.uint64)
    for column in values[rows, start : start + depth].T:
        found = (found ^ column) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(32)
    return found.astype(np.uint32).tobytes()


def band(
    values: Values, rows: Ints, numbers: bytes, start: int, depth: int, full: int
) -> tuple[bytes, bytes, bytes]:
    """What `loops.band` finds."""
    found = np.frombuffer(numbers, np.uint32)
    order = np.argsort(found, kind="stable")
    found = found[order]
    edges = np.concatenate([[0], np.flatnonzero(found[1:] != found[:-1]) + 1, [len(found)]])
    sizes = np.diff(edges)
    shared = sizes > 1
    order = order[np.repeat(shared, sizes)]
    sizes = sizes[shared]
    starts = np.cumsum(sizes) - sizes
    large = np.repeat(sizes > full, sizes)
    if large.any():
        owners = np.repeat(np.arange(len(sizes)), sizes)[large]
        order[large] = deeply_ordered(values, rows, order[large], owners, start + depth)
    first = np.repeat(starts, sizes).astype(np.int32)
    last = np.repeat(starts + sizes, sizes).astype(np.int32)
    return rows[order].astype(np.int32).tobytes(), first.tobytes(), last.tobytes()


def deeply_ordered(values: Values, rows: Ints, members: Longs, owners: Longs, start: int) -> Longs:
    """Members of large buckets (places in `rows`), bucket by bucket, by the values from a column on."""
    columns = np.arange(start, start + DEEP) % LANES
    deep = values[rows[members]][:, columns]
    packed = [owners]
    for at in range(0, DEEP, 8):
        packed.append(np.ascontiguousarray(deep[:, at : at + 8]).view(">u8")[:, 0])
    return members[np.lexsort(packed[::-1])]


def join(
    values: Values,
    grams: Words,
    starts: Longs,
    sizes: Ints,
    threshold: float,
    least_equal: int,
    order: Ints,
    first: Ints,
    last: Ints,
    full: int,
    window: int,
    parents: Ints,
) -> None:
    """What `loops.join` does."""
    for lefts, rights in neighbours(first, last, full, window):
        ones, others = order[lefts], order[rights]
        roots = roots_of(parents)
        apart = roots[ones] != roots[others]
        ones, others = ones[apart], others[apart]
        near = alike(values, grams, starts, sizes, threshold, least_equal, ones, others)
        unite(parents, ones[near], others[near])
    parents[:] = roots_of(parents)


def match(
    values: Values,
    grams: Words,
    starts: Longs,
    sizes: Ints,
    threshold: float,
    least_equal: int,
    order: Ints,
    first: Ints,
    last: Ints,
    full: int,
    window: int,
    kept: Marks,
    marked: Marks,
) -> None:
    """What `loops.match` does."""
    held = np.flatnonzero(kept[order] == 1)
    places = np.flatnonzero((kept[order] == 0) & (marked[order] == 0))
    before = np.searchsorted(held, places)
    lows, highs = np.searchsorted(held, first[places]), np.searchsorted(held, last[places])
    large = last[places] - first[places] > full
    lows = np.where(large, np.maximum(lows, before - window), lows)
    highs = np.where(large, np.minimum(highs, before + window), highs)
    for step in range(int((highs - lows).max(initial=0))):
        some = np.flatnonzero((lows + step < highs) & (marked[order[places]] == 0))
        for block in np.array_split(some, range(PAIRS, some.size, PAIRS)):
            ones, others = order[places[block]], order[held[lows[block] + step]]
            near = alike(values, grams, starts, sizes, threshold, least_equal, ones, others)
            marked[ones[near]] = 1


def neighbours(first: Ints, last: Ints, full: int, window: int) -> Iterator[tuple[Longs, Longs]]:
    """All pairs of places that are to be compared, in blocks."""
    places = np.arange(len(first))
    ends = np.where(last - first > full, np.minimum(last, places + 1 + window), last)
    step = 1
    while (places := places[places + step < ends[places]]).size:
        for block in np.array_split(places, range(PAIRS, places.size, PAIRS)):
            yield block, block + step
        step += 1


def alike(
    values: Values,
    grams: Words,
    starts: Longs,
    sizes: Ints,
    threshold: float,
    least_equal: int,
    ones: Ints,
    others: Ints,
) -> Flags:
    """Which pairs of rows are at least `threshold` alike."""
    low, high = np.minimum(sizes[ones], sizes[others]), np.maximum(sizes[ones], sizes[others])
    near: Flags = low / high >= threshold
    if grams.size:
        first = (values[ones[near], :FIRST] == values[others[near], :FIRST]).sum(axis=1)
        near[near] = first >= int(least_equal / 4) - 10
    near[near] = (values[ones[near]] == values[others[near]]).sum(axis=1) >= least_equal
    if grams.size:
        near[near] = similarities(grams, starts, sizes, ones[near], others[near]) >= threshold
    return near


def similarities(
    grams: Words, starts: Longs, sizes: Ints, ones: Ints, others: Ints
) -> npt.NDArray[np.float64]:
    """Jaccard similarity of pairs of rows, up to the last 3-gram that is held of both."""
    pairs, numbers = zip(*(pairs_and_grams(grams, starts, rows) for rows in (ones, others)), strict=True)
    limits = np.minimum(*(highest(grams, starts, sizes, rows) for rows in (ones, others)))
    pair, number = np.concatenate(pairs), np.concatenate(numbers)
    below = number <= limits[pair]
    both = np.sort(pair[below].astype(np.uint64) << np.uint64(32) | number[below])
    twice = both[:-1][both[:-1] == both[1:]] >> np.uint64(32)
    common = np.bincount(twice.astype(np.int64), minlength=len(ones))
    total = np.bincount((both >> np.uint64(32)).astype(np.int64), minlength=len(ones))
    return np.asarray(common / (total - common))


def pairs_and_grams(grams: Words, starts: Longs, rows: Ints) -> tuple[Longs, Words]:
    """All 3-grams of some rows, and for each which of these rows it is of."""
    counts = starts[rows + 1] - starts[rows]
    pair = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
    return pair, grams[starts[rows][pair] + offsets]


def highest(grams: Words, starts: Longs, sizes: Ints, rows: Ints) -> Words:
    """The 3-gram of each row above which some are not held."""
    ends = starts[rows + 1]
    return np.where(ends - starts[rows] < sizes[rows], grams[ends - 1], np.uint32(0xFFFFFFFF))


def roots_of(parents: Ints) -> Ints:
    """The lowest row of the tree of every row."""
    while not np.array_equal(parents, above := parents[parents]):
        parents = above
    return parents


def unite(parents: Ints, ones: npt.NDArray[np.int32], others: npt.NDArray[np.int32]) -> None:
    """Join trees by pairs of their members; each root becomes the lowest row of its tree."""
    while ones.size:
        roots = roots_of(parents)
        lefts, rights = roots[ones], roots[others]
        apart = lefts != rights
        ones, others = ones[apart], others[apart]
        low, high = np.minimum(lefts, rights)[apart], np.maximum(lefts, rights)[apart]
        parents[:] = roots
        np.minimum.at(parents, high, low)
