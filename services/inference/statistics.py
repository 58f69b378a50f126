"""How sure a mean is: bootstrap intervals.

Percentile bootstrap (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13): draw n values
with replacement from the n values, take their mean, 2000 times; the 2.5 and 97.5 percentiles of these means
are the interval. Two arms are compared by the same procedure over their paired differences, because the same
question is as hard for both. The draws are seeded: the same values in the same order give the same interval.

Few values: below about 20 the interval is narrower than it should be. Values that are all equal have no
spread to draw from; they leave room for a share of others that n draws may have missed (the rule of three,
Hanley & Lippman-Hand 1983, at 97.5 % a side), which may lie at either end of the range. None says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95
SEED = 20160616
BLOCK = 1 << 20
"""Values drawn at once, which bounds the memory to some 16 MiB."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    count: int
    mean: float
    low: float
    high: float


def mean_interval(values: Sequence[float], least: float = 0.0, most: float = 1.0) -> Estimate:
    """Mean of values that lie between `least` and `most`, with its interval; 0 for no values."""
    if not values:
        return Estimate(0, 0.0, least, most)
    if min(values) == max(values):
        mean, missed = values[0], 1 - ((1 - LEVEL) / 2) ** (1 / len(values))
        return Estimate(len(values), mean, mean - missed * (mean - least), mean + missed * (most - mean))
    array = np.asarray(values, dtype=np.float64)
    low, high = np.quantile(bootstrap_means(array), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    mean = float(array.mean())
    # A mean may differ in its last bit from the same mean as a percentile.
    return Estimate(len(values), mean, min(float(low), mean), max(float(high), mean))


def paired_interval(before: Mapping[int, float], after: Mapping[int, float]) -> Estimate | None:
    """Mean of `after - before` over the keys that both have, with its interval; nothing without such keys."""
    differences = [after[key] - value for key, value in before.items() if key in after]
    return mean_interval(differences, -1.0, 1.0) if differences else None


def bootstrap_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of `DRAWS` samples with replacement; shape (DRAWS,)."""
    generator = np.random.default_rng(SEED)
    rows = max(1, BLOCK // len(values))
    blocks = [min(rows, DRAWS - start) for start in range(0, DRAWS, rows)]
    return np.concatenate(
        [values[generator.integers(len(values), size=(count, len(values)))].mean(axis=1) for count in blocks]
    )
