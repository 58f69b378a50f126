"""Clusters of examples that say the same: the keeper of each, and how alike the others are to it.

Near copies of near copies need not be like each other. So the groups that the search gives are taken apart:
the best example of a group is kept for all that are like it, then the best of the rest, and so on.
Where meaning is compared, groups are joined that share a text which means the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.grouping import group_near_copies
from services.dataset.copies.likeness import Likeness, similarities
from services.dataset.copies.sketches import Sketches
from services.dataset.deduplications.deduplications import DUPLICATE_KINDS
from services.dataset.deduplications.meanings import Meanings, joined

Indices: TypeAlias = npt.NDArray[np.intp]
Kinds: TypeAlias = npt.NDArray[np.int8]

EXACT, NEAR_COPY, MEANING_COPY = range(len(DUPLICATE_KINDS))
UNLIKE = -1
ROUNDS = 64
"""Keepers that are looked for in a group of near copies; what is like none of them is left alone."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class Compared:
    """What is held of the examples that are compared beside their sketches, a row each, the oldest first.

    Args:
        digests: a number for the whole text: equal for those that say exactly the same.
        kinds: a number for the kind.
        ranks: the best one is kept.
    """

    digests: npt.NDArray[np.uint64]
    kinds: npt.NDArray[np.int8]
    ranks: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """Duplicates, cluster by cluster, the largest first.

    Args:
        rows: the row of each duplicate.
        keepers: the row that is kept in its place.
        numbers: the number of its cluster, from 1.
        similarities: how like the keeper it is.
        kinds: in which way, the place in `DUPLICATE_KINDS`.
    """

    rows: Indices
    keepers: Indices
    numbers: Indices
    similarities: Likeness
    kinds: npt.NDArray[np.int8]

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return int(self.numbers[-1]) if len(self.numbers) else 0


def find_duplicates(
    held: Sketches, compared: Compared, threshold: float, meanings: Meanings | None = None
) -> Found:
    """Find the duplicates among texts; pure work for a thread.

    Args:
        held: sketches of the texts.
        compared: what else counts of them.
        threshold: how alike near copies are; 1 finds only those that say exactly the same.
        meanings: what the texts mean; nothing where that is not compared.
    """
    keepers, likeness, kinds = kept_for(held, compared, threshold, meanings)
    rows = np.flatnonzero(keepers != np.arange(len(keepers)))
    sizes = np.bincount(keepers[rows], minlength=len(keepers))
    # The largest cluster first; of equals the one whose keeper is oldest.
    rows = rows[np.lexsort([rows, keepers[rows], -sizes[keepers[rows]]])]
    own = keepers[rows]
    numbers = np.cumsum(np.concatenate([[True], own[1:] != own[:-1]])) if len(own) else own
    return Found(rows, own, numbers, likeness[rows], kinds[rows])


def kept_for(
    held: Sketches, compared: Compared, threshold: float, meanings: Meanings | None
) -> tuple[Indices, Likeness, Kinds]:
    """For every row the one that is kept in its place, itself where it is kept, and how alike they are."""
    keepers, likeness = np.arange(len(held)), np.ones(len(held), np.float32)
    kinds = np.zeros(len(held), np.int8)
    left, groups = candidates(held, compared, threshold, meanings)
    for _ in range(ROUNDS):
        if not len(left):
            break
        best = best_of_groups(left, groups, compared.ranks)
        alike, how = compared_with(held, compared, threshold, meanings, left, best)
        near = how != UNLIKE
        keepers[left[near]], likeness[left[near]], kinds[left[near]] = best[near], alike[near], how[near]
        left, groups = shared(left[~near], groups[~near])
    return keepers, likeness, kinds


def compared_with(
    held: Sketches,
    compared: Compared,
    threshold: float,
    meanings: Meanings | None,
    lefts: Indices,
    rights: Indices,
) -> tuple[Likeness, Kinds]:
    """How alike pairs of rows are, and in which way: they say the same, nearly the same, or mean it."""
    alike = np.ones(len(lefts), np.float32)
    kinds = np.where(compared.digests[lefts] == compared.digests[rights], EXACT, UNLIKE).astype(np.int8)
    if threshold < 1:
        rest = np.flatnonzero(kinds == UNLIKE)
        alike[rest] = similarities(held, lefts[rest], rights[rest])
        kinds[rest[alike[rest] >= threshold - ROUNDING]] = NEAR_COPY
    if meanings:
        rest = np.flatnonzero(kinds == UNLIKE)
        alike[rest] = meanings.cosines(lefts[rest], rights[rest])
        kinds[rest[alike[rest] >= meanings.threshold - ROUNDING]] = MEANING_COPY
    return alike, kinds


def candidates(
    held: Sketches, compared: Compared, threshold: float, meanings: Meanings | None
) -> tuple[Indices, Indices]:
    """Rows that share a group with another of their kind, group by group, and the group of each."""
    if not len(held):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    groups = group_near_copies(held, threshold)
    if meanings:
        groups = joined(groups, meanings.groups())
    numbered = groups.astype(np.int64) * 128 + compared.kinds
    order = np.argsort(numbered, kind="stable")
    return shared(order, numbered[order])


def shared(rows: Indices, groups: Indices) -> tuple[Indices, Indices]:
    """Rows without those that are alone in their group; groups are ascending."""
    if not len(rows):
        return rows, groups
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    sizes = np.diff(np.append(starts, len(groups)))
    wanted = np.repeat(sizes > 1, sizes)
    return rows[wanted], groups[wanted]


def best_of_groups(rows: Indices, groups: Indices, ranks: npt.NDArray[np.float64]) -> Indices:
    """For every row the best of its group, of equals the oldest; groups are ascending."""
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    order = np.lexsort([rows, -ranks[rows], groups])
    best: Indices = np.repeat(rows[order[starts]], np.diff(np.append(starts, len(rows))))
    return best
