"""Locality-sensitive hashing: texts that are alike share a bucket in one band of MinHash values at least.

Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4. In buckets of up to `FULL` texts
all pairs are compared. Larger ones come of texts that have most in common, as those of a template: a text is
compared with its neighbours only, in an order by further values in which the most alike are neighbours (an
LSH forest: Bawa, Condie, Ganesan 2005). So the work is in proportion to the count of texts, but for the
sorting, whatever the texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.copies.sketches import LANES, Signatures

Rows: TypeAlias = npt.NDArray[np.int32]
Words: TypeAlias = npt.NDArray[np.uint64]

MISSED = 1e-6
"""Largest chance that a pair at the threshold shares no bucket."""
FULL = 64
"""Texts of a bucket of which all pairs are compared."""
WINDOW = 6
"""Neighbours on either side with which a text of a larger bucket is compared."""
DEEP = 16
"""Further values by which the texts of a larger bucket are ordered."""
AHEAD = 2
"""Bands that are made while another is worked on."""
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


def bands_for(threshold: float) -> tuple[int, int]:
    """Number and depth of bands: as deep as can be while a pair at the threshold is hardly missed."""
    shapes = ((LANES // depth, depth) for depth in range(LANES, 0, -1))
    return next((shape for shape in shapes if (1 - threshold ** shape[1]) ** shape[0] <= MISSED), (LANES, 1))


def least_equal(threshold: float) -> int:
    """How many MinHash values two texts share at least that are as alike as the threshold."""
    return max(0, int(np.ceil((threshold - SLACK) * LANES)))


def buckets(signatures: Signatures, rows: Rows, threshold: float) -> Iterator[Buckets]:
    """The buckets of each band; the next are made while some are worked on.

    Args:
        signatures: MinHash values of all rows.
        rows: the rows that count, in an order that hangs on the texts alone.
        threshold: how alike texts are that should share a bucket.
    """
    bands, depth = bands_for(threshold)
    with ThreadPoolExecutor(AHEAD) as pool:
        starts = iter(range(0, bands * depth, depth))
        waiting = [pool.submit(band, signatures, rows, start, depth) for start in islice(starts, AHEAD)]
        while waiting:
            found = waiting.pop(0).result()
            waiting += [pool.submit(band, signatures, rows, start, depth) for start in islice(starts, 1)]
            yield found


def band(signatures: Signatures, rows: Rows, start: int, depth: int) -> Buckets:
    """The buckets of one band, whose values start at a column."""
    keys = hashed(signatures, rows, start, depth)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    edges = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]])
    sizes = np.diff(edges)
    shared = sizes > 1
    order = order[np.repeat(shared, sizes)]
    sizes = sizes[shared]
    starts = np.cumsum(sizes) - sizes
    large = np.repeat(sizes > FULL, sizes)
    if large.any():
        numbers = np.repeat(np.arange(len(sizes)), sizes)[large]
        order[large] = deeply_ordered(signatures, rows, order[large], numbers, start + depth)
    first = np.repeat(starts, sizes).astype(np.int32)
    last = np.repeat(starts + sizes, sizes).astype(np.int32)
    return Buckets(rows[order], first, last)


def hashed(signatures: Signatures, rows: Rows, start: int, depth: int) -> Words:
    """A number for the values of each row in a band; a chance collision costs comparisons and no more."""
    values = signatures[rows, start : start + depth].astype(np.uint64)
    keys = np.zeros(len(rows), dtype=np.uint64)
    for column in values.T:
        # Knuth's 64-bit multiplier (MMIX).
        keys = keys * np.uint64(6364136223846793005) + column + np.uint64(1)
    return keys


def deeply_ordered(
    signatures: Signatures,
    rows: Rows,
    members: npt.NDArray[np.intp],
    numbers: npt.NDArray[np.intp],
    start: int,
) -> npt.NDArray[np.intp]:
    """Members of large buckets, bucket by bucket, by the values from a column on.

    Args:
        signatures: MinHash values of all rows.
        rows: the rows that count.
        members: places in `rows`, bucket by bucket.
        numbers: the number of the bucket of each.
        start: the first column behind the band.
    """
    columns = np.arange(start, start + DEEP) % LANES
    values = signatures[rows[members]][:, columns].astype(np.uint64)
    packed = [numbers]
    for at in range(0, DEEP, 4):
        one, two, three, four = values[:, at : at + 4].T
        packed.append(one << np.uint64(48) | two << np.uint64(32) | three << np.uint64(16) | four)
    return members[np.lexsort(packed[::-1])]
