"""Locality-sensitive hashing: texts that are alike share a bucket in one band of MinHash values at least.

Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4. In buckets of up to `FULL` texts
all pairs are compared. Larger ones come of texts that have most in common, as those of a template: a text is
compared with its neighbours only, in an order by further values in which the most alike are neighbours (an
LSH forest: Bawa, Condie, Ganesan 2005). So the work is in proportion to the count of texts, but for the
sorting, whatever the texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.native import loops
from services.dataset.copies.sketches import LANES, Signatures

Rows: TypeAlias = npt.NDArray[np.int32]
Words: TypeAlias = npt.NDArray[np.uint64]

MISSED = 1e-6
"""Largest chance that a pair at the threshold shares no bucket.

Below a threshold of 0.35 a band is one byte deep, and of more than some 10,000 texts all buckets are large:
then some in a hundred pairs at the threshold are missed, as neighbours alone are compared.
"""
FULL = 64
"""Texts of a bucket of which all pairs are compared."""
WINDOW = 6
"""Neighbours on either side with which a text of a larger bucket is compared."""
TOGETHER = 32
"""Values of a row that lie together in memory."""
SLACK = 5 * 0.5 / LANES**0.5
"""Five standard deviations of an estimate by MinHash values."""


@dataclass(frozen=True)
class Buckets:
    """Rows in an order in which those of a bucket are neighbours; rows that are alone in theirs are left out.

    Args:
        order: the row at each place.
        first: the first place of the bucket of each place.
        last: the place behind it.
    """

    order: Rows
    first: Rows
    last: Rows


@dataclass(frozen=True)
class Bands:
    """Some bands side by side: where the first starts, the columns of each, and how many there are."""

    start: int
    depth: int
    count: int


def bands_for(threshold: float) -> tuple[int, int]:
    """Number and depth of bands: as deep as can be while a pair at the threshold is hardly missed."""
    shapes = ((bands_of(threshold**depth), depth) for depth in range(LANES, 0, -1))
    return next((shape for shape in shapes if shape[0] * shape[1] <= LANES), (LANES, 1))


def bands_of(shared: float) -> int:
    """How many bands two texts need that share each by such a chance, so that they share one."""
    if shared >= 1:
        return 1
    return math.ceil(math.log(MISSED) / math.log1p(-shared)) if shared > MISSED / LANES else LANES + 1


def least_equal(threshold: float) -> int:
    """How many MinHash values two texts share at least that are as alike as the threshold."""
    return max(0, int(np.ceil((threshold - SLACK) * LANES)))


def bands_together(threshold: float) -> list[Bands]:
    """All bands, in parts whose values lie together in memory."""
    bands, depth = bands_for(threshold)
    together = max(1, TOGETHER // depth)
    return [Bands(start * depth, depth, min(together, bands - start)) for start in range(0, bands, together)]


def buckets(signatures: Signatures, rows: Rows, parts: Iterable[Bands]) -> Iterator[Buckets]:
    """The buckets of each of some bands.

    Args:
        signatures: MinHash values of all rows.
        rows: the rows that count, in an order that hangs on the texts alone.
        parts: the bands.
    """
    width = 4 * len(rows)
    for part in parts:
        keys = loops.keys(signatures, rows, part.start, part.depth, part.count)
        for number in range(part.count):
            start = part.start + number * part.depth
            yield band_of(signatures, rows, keys[number * width : (number + 1) * width], start, part.depth)


def band_of(signatures: Signatures, rows: Rows, keys: bytes, start: int, depth: int) -> Buckets:
    """The buckets of one band by the numbers of its rows."""
    columns = loops.band(signatures, rows, keys, start, depth, FULL)
    return Buckets(*(np.frombuffer(column, np.int32) for column in columns))


def band(signatures: Signatures, rows: Rows, start: int, depth: int) -> Buckets:
    """The buckets of one band, whose values start at a column."""
    return band_of(signatures, rows, loops.keys(signatures, rows, start, depth, 1), start, depth)


def hashed(signatures: Signatures, rows: Rows, start: int, depth: int) -> Words:
    """A number for the values of each row in a band; a chance collision costs comparisons and no more."""
    values = signatures[rows, start : start + depth].astype(np.uint64)
    keys = np.zeros(len(rows), dtype=np.uint64)
    for column in values.T:
        # Knuth's 64-bit multiplier (MMIX).
        keys = keys * np.uint64(6364136223846793005) + column + np.uint64(1)
    return keys
