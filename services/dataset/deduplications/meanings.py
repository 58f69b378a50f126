"""What texts mean, as embeddings: which are alike, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.by_numpy import roots_of, unite
from services.dataset.copies.embeddings import near_by_embedding

Indices: TypeAlias = npt.NDArray[np.intp]
Likeness: TypeAlias = npt.NDArray[np.float32]
Vectors: TypeAlias = npt.NDArray[np.float16]

PAIRS = 8192
"""Pairs that are compared at a time."""


@dataclass(frozen=True)
class Meanings:
    """Embeddings of the texts of all rows.

    Args:
        places: for each row its place in `vectors`; rows that say exactly the same share one.
        vectors: (places, dimensions), a memory map where they are many.
        threshold: least cosine of two that mean the same, above 0, to 1.
    """

    places: Indices
    vectors: Vectors
    threshold: float

    def groups(self) -> Indices:
        """For each row the first one of its group: those that are alike share one, and so do their likes."""
        lengths = np.concatenate(
            [
                np.linalg.norm(self.vectors[at : at + PAIRS].astype(np.float32), axis=1)
                for at in range(0, len(self.vectors), PAIRS)
            ]
        )
        # A vector of nothing is like no other.
        told = np.flatnonzero((lengths > 0) & np.isfinite(lengths))
        groups = np.arange(len(self.vectors))
        if len(told):
            groups[told] = told[near_by_embedding(self.vectors[told], self.threshold)]  # type: ignore[arg-type]  # float16 will do
        firsts = np.full(len(self.vectors), len(self.places))
        np.minimum.at(firsts, groups[self.places], np.arange(len(self.places)))
        return firsts[groups[self.places]]

    def cosines(self, lefts: Indices, rights: Indices) -> Likeness:
        """The cosines of pairs of rows; 0 where one has a vector of nothing."""
        found = np.zeros(len(lefts), np.float32)
        for at in range(0, len(lefts), PAIRS):
            part = slice(at, at + PAIRS)
            ones = self.vectors[self.places[lefts[part]]].astype(np.float32)
            others = self.vectors[self.places[rights[part]]].astype(np.float32)
            lengths = np.linalg.norm(ones, axis=1) * np.linalg.norm(others, axis=1)
            products = (ones * others).sum(axis=1)
            np.divide(products, lengths, out=found[part], where=(lengths > 0) & np.isfinite(lengths))
        return np.minimum(found, 1)


def joined(groups: Indices, others: Indices) -> Indices:
    """Groups such that rows which share one of the given groups, of either kind, share one.

    Args:
        groups: for each row the first one of its group.
        others: likewise.
    """
    parents = groups.astype(np.int32)
    unite(parents, np.arange(len(parents), dtype=np.int32), others.astype(np.int32))
    return roots_of(parents).astype(np.intp)
