"""Have the texts of a search embedded by the generation room: each wording once, into a file of vectors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from services.dataset.deduplications.meanings import Indices, Meanings, Vectors
from services.dataset.embedding import AT_ONCE, MOST_CHARACTERS, TEXTS, EmbeddingCost, TextEmbedder
from services.runtime.at_once import each_of

WINDOW = 40 * TEXTS
"""Texts that are held at a time."""
Digests = npt.NDArray[np.uint64]


class TextFile:
    """Texts in a file, in the order in which they come.

    Args:
        path: of the file, which is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def add(self, text: str) -> None:
        """Write the beginning of a text."""
        self._file.write(orjson.dumps(text[:MOST_CHARACTERS]) + b"\n")

    def texts(self) -> Iterator[str]:
        """All texts that were written."""
        self._file.close()
        with self._path.open("rb") as lines:
            yield from map(orjson.loads, lines)


class ToFile:
    """Has the texts of a search embedded.

    Args:
        embedder: of texts.
    """

    def __init__(self, embedder: TextEmbedder) -> None:
        self._embedder = embedder

    async def embedded(
        self,
        texts: Iterator[str],
        digests: Digests,
        threshold: float,
        folder: Path,
        tell: Callable[[str], Awaitable[object]],
    ) -> tuple[Meanings | None, EmbeddingCost]:
        """Embeddings of texts, and what they cost; nothing where no text says anything.

        Args:
            texts: one for each row, in their order.
            digests: equal for rows that say the same; one text of these is embedded.
            threshold: least cosine of two that mean the same.
            folder: for the vectors.
            tell: is told how far it is.
        """
        _, firsts, places = np.unique(digests, return_index=True, return_inverse=True)
        cost, vectors, done = EmbeddingCost(), None, 0
        wanted = different(texts, firsts, places)
        while window := list(islice(wanted, WINDOW)):
            parts = [window[at : at + TEXTS] for at in range(0, len(window), TEXTS)]
            answers = await each_of(
                parts, lambda part: self._embedder.embed([text for _, text in part]), AT_ONCE
            )
            for part, answer in zip(parts, answers, strict=True):
                found = np.array([one.values for one in answer.embeddings], np.float16)
                if vectors is None:
                    vectors = made_file(folder / "vectors", (len(firsts), found.shape[1]))
                vectors[[place for place, _ in part]] = found
                cost = cost.with_answer(answer)
            done += len(window)
            await tell(f"{done} of at most {len(firsts)} texts embedded")
        return (None if vectors is None else Meanings(places, vectors, threshold)), cost


def different(texts: Iterator[str], firsts: Indices, places: Indices) -> Iterator[tuple[int, str]]:
    """The first text of each wording that says anything, with the place of its vector."""
    for row, text in enumerate(texts):
        place = int(places[row])
        if firsts[place] == row and text.strip():
            yield place, text


def made_file(path: Path, shape: tuple[int, int]) -> Vectors:
    """A file of vectors of nothing."""
    return np.memmap(path, np.float16, "w+", shape=shape)
