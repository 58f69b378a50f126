"""Finds the question that a text means the same as, in whatever words, by embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]
Embed: TypeAlias = Callable[[Sequence[str]], Vectors]
"""Gives a vector for each text, of zeros for one that says nothing; a call may take minutes."""

SIMILARITY = 0.95
"""Cosine of embeddings from which two questions mean the same, unless said otherwise."""
BLOCK = 2048
"""Texts, and questions, that are compared at a time: 16 MB of cosines."""
LOOKED_AT = 64
"""Questions of those near a text that are offered, the nearest first."""
ROUNDING = 1e-3
"""By how much a cosine of half precision may be too low."""


class MeaningItems:
    """Questions by what they mean.

    Args:
        items: the questions; of each a vector is held.
        embed: has texts embedded.
        least: least cosine of two that mean the same, above 0, to 1.
    """

    def __init__(self, items: Sequence[str], embed: Embed, least: float) -> None:
        self._embed = embed
        self._least = least
        self._items = as_long(embed(items)) if items else np.zeros((0, 1), np.float32)

    def near(self, texts: Sequence[str]) -> Iterator[tuple[int, list[tuple[int, float]]]]:
        """Texts that are near to questions, ascending, each with these questions and their cosines."""
        if not texts or not len(self._items):
            return
        units = as_long(self._embed(texts))
        if units.shape[1] != self._items.shape[1]:
            # Either side says nothing at all.
            return
        for start in range(0, len(units), BLOCK):
            yield from self._near(units[start : start + BLOCK], start)

    def _near(self, units: Vectors, first: int) -> Iterator[tuple[int, list[tuple[int, float]]]]:
        found: dict[int, list[tuple[int, float]]] = {}
        for start in range(0, len(self._items), BLOCK):
            cosines = units @ self._items[start : start + BLOCK].T
            rows, items = np.nonzero(cosines >= self._least - ROUNDING)
            alike = np.minimum(cosines[rows, items], 1)
            for row, item, cosine in zip(rows.tolist(), items.tolist(), alike.tolist(), strict=True):
                found.setdefault(row, []).append((item + start, cosine))
        for row in sorted(found):
            yield first + row, sorted(found[row], key=lambda one: (-one[1], one[0]))[:LOOKED_AT]


def as_long(vectors: Vectors) -> Vectors:
    """Vectors of length 1; those of nothing, and what is not finite, stay or become zeros."""
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    told = (lengths > 0) & np.isfinite(lengths)
    found: Vectors = (np.where(told, vectors, 0) / np.where(told, lengths, 1)).astype(np.float32)
    return found
