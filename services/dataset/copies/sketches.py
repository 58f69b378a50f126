"""What is held of a text in place of it: some of its 3-grams, and MinHash values of all of them.

Of up to `LIMIT` different 3-grams all are held, and similarities are exact but for a chance of one in a
million that two 3-grams share a number. Of a longer text the `LIMIT` lowest are held, which tell the
similarity with a standard deviation of 0.025 (a bottom-k sketch: Cohen and Kaplan 2007). A million questions
take about 0.8 GB, a million texts of any length at most 1.9 GB.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.native import loops
from services.dataset.copies.texts import TEXTS, batched, normalise

Signatures: TypeAlias = npt.NDArray[np.uint8]
Columns: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes]

LANES = 256
"""MinHash values of a text."""
LIMIT = 384
"""Most 3-grams that are held of a text."""
SIZES = (256, 4, 4, LANES, 8)
"""Bytes of a text in each column of what is found; of its 3-grams, about."""
THREADS = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
FACTORS, TERMS = np.random.Generator(np.random.PCG64(2026)).integers(0, 2**32, (2, LANES), dtype=np.uint32)
FACTORS |= np.uint32(1)


@dataclass(frozen=True)
class Sketches:
    """Sketches of texts, a row each.

    Args:
        signatures: a byte of each MinHash value, (texts, 256); the share of equal ones estimates the
            similarity of two texts with a standard deviation of 0.03 (b-bit minwise hashing: Li and König,
            2010).
        grams: the held 3-grams as numbers, text by text, ascending; empty when not wanted.
        starts: where those of each text start, and the end of all.
        sizes: how many different 3-grams each text has.
        keys: a number for the set of all 3-grams of a text: equal sets, equal keys.
    """

    signatures: Signatures
    grams: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int32]
    keys: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def distinct(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The first row of each set of 3-grams, ordered by the sets alone, and the first for every row."""
        _, firsts, which = np.unique(self.keys, return_index=True, return_inverse=True)
        rows = firsts.astype(np.int32)
        return rows, rows[which]


class Rooms:
    """Bytes that are added to; unlike those of a `bytearray`, large ones lie in large pages of memory.

    Rows that are compared are read from anywhere: of small pages the processor knows too few by heart.

    Args:
        expected: about how many bytes there will be.
    """

    def __init__(self, expected: int) -> None:
        self._room = np.empty(max(expected, 1 << 16), np.uint8)
        self._size = 0

    def extend(self, data: bytes) -> None:
        """Add bytes."""
        end = self._size + len(data)
        if end > len(self._room):
            room = np.empty(end + end // 4, np.uint8)
            room[: self._size] = self._room[: self._size]
            self._room = room
        self._room[self._size : end] = np.frombuffer(data, np.uint8)
        self._size = end

    def clear(self) -> None:
        """Forget all of them."""
        self._size = 0

    @property
    def found(self) -> npt.NDArray[np.uint8]:
        """All of them."""
        return self._room[: self._size]


class Sketcher:
    """Sketches texts that come in batches; some of these are worked on at a time.

    Args:
        only_signatures: whether the 3-grams are left out; similarities are then estimated by the signatures.
        expected: about how many texts there will be.
    """

    def __init__(self, *, only_signatures: bool = False, expected: int = 0) -> None:
        self._only_signatures = only_signatures
        self._columns = [Rooms(expected * size) for size in SIZES]
        self._pool = ThreadPoolExecutor(THREADS)
        self._waiting: deque[Future[Columns]] = deque()

    def add(self, texts: Sequence[str]) -> None:
        """Take the next texts, which are normalised, no more than can be held several times."""
        for start in range(0, len(texts), TEXTS):
            batch = tuple(texts[start : start + TEXTS])
            self._waiting.append(self._pool.submit(loops.sketch, batch, FACTORS, TERMS, LIMIT))
            if len(self._waiting) > THREADS:
                self._take()

    def finish(self) -> Sketches:
        """The sketches of all texts, in their order."""
        while self._waiting:
            self._take()
        self._pool.shutdown()
        grams, kept, sizes, values, keys = self._columns
        counts = kept.found.view(np.int32) * (not self._only_signatures)
        return Sketches(
            values.found.reshape(len(counts), LANES),
            grams.found.view(np.uint32),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
            sizes.found.view(np.int32),
            keys.found.view(np.uint64),
        )

    def _take(self) -> None:
        for column, part in zip(self._columns, self._waiting.popleft().result(), strict=True):
            column.extend(part)
        if self._only_signatures:
            self._columns[0].clear()


def sketch(texts: Iterable[str], *, only_signatures: bool = False) -> Sketches:
    """Sketches of texts, which are normalised and read once; they need not be in memory at once.

    Args:
        texts: the texts.
        only_signatures: whether the 3-grams are left out; similarities are then estimated by the signatures.
    """
    made = Sketcher(only_signatures=only_signatures)
    for batch in batched(map(normalise, texts)):
        made.add(batch)
    return made.finish()


def signatures(texts: Iterable[str]) -> Signatures:
    """MinHash values of texts, (texts, 256)."""
    return sketch(texts, only_signatures=True).signatures


def from_signatures(signatures: Signatures) -> Sketches:
    """Sketches without 3-grams, of signatures that were kept."""
    count = len(signatures)
    keys = np.zeros(count, np.uint64)
    for columns in np.ascontiguousarray(signatures, np.uint8).view(np.uint64).T:
        keys = (keys ^ columns) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    none = np.zeros(0, np.uint32)
    return Sketches(signatures, none, np.zeros(count + 1, np.int64), np.ones(count, np.int32), keys)


def batches(texts: Iterable[str]) -> Iterator[Columns]:
    """What is found of the texts, a batch at a time, in their order; some batches are worked on at a time."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = []
        for batch in batched(map(normalise, texts)):
            waiting.append(pool.submit(loops.sketch, batch, FACTORS, TERMS, LIMIT))
            if len(waiting) > THREADS:
                yield waiting.pop(0).result()
        for one in waiting:
            yield one.result()
