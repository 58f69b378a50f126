"""Which examples are left out by chance, so that no value of a facet, and no source, is too frequent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from services.dataset.versions.entries import Entries, Pairs
from services.dataset.versions.options import Cap
from services.dataset.versions.split_columns import Flags, Longs

LENGTHS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Characters at which a bucket of lengths begins, the first at 0."""


def length_buckets(characters: Longs) -> Longs:
    """The bucket of each length."""
    return np.searchsorted(np.array(LENGTHS), characters, side="right").astype(np.int64)


def length_names() -> list[str]:
    """Names of the buckets: where they begin."""
    return ["0", *map(str, LENGTHS)]


def over_caps(entries: Entries, alive: Flags, caps: Sequence[Cap]) -> Flags:
    """Which living rows are too many for one of the caps; the seeded order says which ones stay.

    What must never be trained on is neither counted nor left out.
    """
    ranks = entries.ranks
    out = np.zeros(len(entries), bool)
    for cap in caps:
        free = alive & ~out & ~entries.exam_only
        pairs = entries.all_values(cap.facet)
        counted = free[pairs.rows]
        held = Pairs(pairs.rows[counted], pairs.codes[counted])
        out[over_cap(held, ranks, cap.most)] = True
    return out


def over_cap(pairs: Pairs, ranks: Longs, most: int) -> Longs:
    """Rows that are too many for one of their values.

    A row that is left out for one value is not counted for its others.
    """
    several = len(pairs.rows) != len(np.unique(pairs.rows))
    order = (
        np.lexsort((pairs.codes, ranks[pairs.rows]))
        if several
        else np.lexsort((ranks[pairs.rows], pairs.codes))
    )
    rows, codes = pairs.rows[order], pairs.codes[order]
    if not several:
        sizes = np.unique(codes, return_counts=True)[1]
        within = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return rows[within >= most]
    edges = np.flatnonzero(np.diff(rows, prepend=-1, append=-1))
    counts = [0] * (int(codes.max(initial=-1)) + 1)
    numbers, out = codes.tolist(), []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        mine = numbers[start:end]
        if any(counts[code] >= most for code in mine):
            out.append(int(rows[start]))
            continue
        for code in mine:
            counts[code] += 1
    return np.array(out, np.int64)


def over_weights(sources: Longs, names: list[str], rows: Longs, weights: Mapping[str, float]) -> Longs:
    """Of rows in seeded order those that are too many for the proportion of their sources.

    As many stay as there can be without repeating one; rows of sources without a weight all stay.
    """
    codes = {names.index(name): weight for name, weight in weights.items() if name in names}
    counts = {code: int((sources[rows] == code).sum()) for code in codes}
    scale = min(
        (counts[code] / weight for code, weight in codes.items() if weight and counts[code]), default=0.0
    )
    out = [rows[sources[rows] == code][round(scale * weight) :] for code, weight in codes.items()]
    return np.concatenate([*out, np.empty(0, np.int64)]).astype(np.int64)


def over_share(replayed: Longs, others: int, share: float) -> Longs:
    """Of replayed rows in seeded order those over their share of all that is trained on."""
    return replayed[round(others * share / (1 - share)) :]
