"""Copies in meaning: vectors of an embedding model whose cosine is at least a threshold.

Up to `EXACT` vectors all pairs are compared. More are split in two again and again, at the median of a random
direction, down to leaves of `LEAF` in which all pairs are compared; this is done in `TREES` ways (random
projection
trees: Dasgupta and Freund 2008). Leaves are of one size whatever the vectors, so the work is n log n.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.by_numpy import roots_of
from services.dataset.copies.grouping import Indices, check

Vectors: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.intp]

EXACT = 100_000
"""Vectors up to which all pairs are compared."""
BLOCK = 2048
"""Vectors that are compared with as many others at a time: 16 MB of cosines."""
LEAF = 512
TREES = 32
ROUNDING = 1e-6
"""By how much a cosine of float32 may be too low."""


class Units:
    """Vectors made as long as 1 where they are looked at; they are not copied.

    Args:
        vectors: (texts, dimensions).

    Raises:
        ValueError: a vector is 0 or not finite.
    """

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self.dimensions = vectors.shape[1]
        self._lengths = np.ones((len(vectors), 1), np.float32)
        for rows in self.blocks(np.arange(len(vectors))):
            lengths = np.linalg.norm(self[rows], axis=1)
            if (wrong := rows[~(np.isfinite(lengths) & (lengths > 0))]).size:
                raise ValueError(
                    f"vector {wrong[0]} is 0 or not finite; leave it out, or embed its text again"
                )
            self._lengths[rows, 0] = lengths

    def __len__(self) -> int:
        return len(self._vectors)

    def __getitem__(self, rows: Rows) -> Vectors:
        found: Vectors = self._vectors[rows].astype(np.float32) / self._lengths[rows]
        return found

    @staticmethod
    def blocks(rows: Rows) -> list[Rows]:
        """Rows in blocks that can be looked at together."""
        return np.split(rows, range(BLOCK, len(rows), BLOCK))


def near_by_embedding(vectors: Vectors, threshold: float) -> Indices:
    """A group for each vector: those of a cosine of at least `threshold` share one, and so do their likes.

    Args:
        vectors: (texts, dimensions) of float32 or float16, of any length but 0; a memory map will do. Beside
            them some 100 MB are held for a million.
        threshold: least cosine, above 0, to 1.

    Returns:
        The index of the first vector of the group of each.

    Raises:
        ValueError: the threshold makes no sense, or a vector is 0 or not finite.
    """
    check(threshold)
    units = Units(vectors)
    parents = np.arange(len(units), dtype=np.int32)
    firsts, twins = distinct_rows(units)
    for lefts, rights in exact_blocks(units, firsts) if len(firsts) <= EXACT else leaves(units, firsts):
        join(units, parents, lefts, rights, threshold - ROUNDING)
    return roots_of(parents)[firsts[twins]].astype(np.intp)


def distinct_rows(units: Units) -> tuple[Rows, Rows]:
    """The first row of each vector, ordered by the vectors alone, and for every row its place there."""
    keys = np.zeros(len(units), np.uint64)
    for rows in units.blocks(np.arange(len(units))):
        for column in units[rows].view(np.uint32).T:
            key = (keys[rows] ^ column) * np.uint64(0x9E3779B97F4A7C15)
            keys[rows] = key ^ key >> np.uint64(29)
    _, firsts, twins = np.unique(keys, return_index=True, return_inverse=True)
    return firsts, twins


def exact_blocks(units: Units, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Blocks of rows such that every pair is in one."""
    blocks = units.blocks(rows)
    for at, lefts in enumerate(blocks):
        for rights in blocks[at:]:
            yield lefts, rights


def leaves(units: Units, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Blocks of rows that are near each other, each with itself."""
    draw = np.random.Generator(np.random.PCG64(2026))
    levels = math.ceil(math.log2(max(1, len(rows) / LEAF)))
    for _ in range(TREES):
        directions = draw.standard_normal((units.dimensions, levels), dtype=np.float32)
        heights = np.concatenate([units[block] @ directions for block in units.blocks(rows)])
        for leaf in halved(np.arange(len(rows)), heights):
            yield rows[leaf], rows[leaf]


def halved(rows: Rows, heights: Vectors) -> Iterator[Rows]:
    """Leaves of a tree: rows are halved by the first of their heights, the halves by the next, and so on."""
    if not heights.shape[1]:
        yield rows
        return
    order = rows[np.argpartition(heights[rows, 0], len(rows) // 2)]
    for half in (order[: len(rows) // 2], order[len(rows) // 2 :]):
        yield from halved(half, heights[:, 1:])


def join(units: Units, parents: npt.NDArray[np.int32], lefts: Rows, rights: Rows, least: float) -> None:
    """Join the rows of two blocks that are alike."""
    near = units[lefts] @ units[rights].T >= least
    while near.any():
        # Of each row and column one pair; most others are then in one group, too.
        left_roots, right_roots = roots_at(parents, lefts), roots_at(parents, rights)
        near &= left_roots[:, None] != right_roots
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        ones = np.concatenate([rows, near[:, columns].argmax(axis=0)])
        others = np.concatenate([near[rows].argmax(axis=1), columns])
        low = np.minimum(left_roots[ones], right_roots[others])
        np.minimum.at(parents, np.maximum(left_roots[ones], right_roots[others]), low)


def roots_at(parents: npt.NDArray[np.int32], rows: Rows) -> npt.NDArray[np.int32]:
    """The lowest rows of the trees of some rows, which are hung right below them."""
    roots = parents[rows]
    while not np.array_equal(roots, above := parents[roots]):
        roots = above
    parents[rows] = roots
    return roots
