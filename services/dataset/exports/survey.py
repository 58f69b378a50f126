"""What shards hold, and which of their rows the filter and the limits by tag and label let through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from services.dataset.exports.filtering import Mask, fitting
from services.dataset.exports.options import ExportOptions
from services.dataset.exports.shards import Shard, read_columns

SURVEYED = 20_000
"""Rows looked at at once: two or three short columns."""


@dataclass(frozen=True)
class Survey:
    """What the shards of a version hold.

    Args:
        kinds: how many examples of which kind, by split; only those that fit the filter.
        masks: which rows of a split stay, in the order of its shards; where all do, the split is left out.
    """

    kinds: Mapping[str, Mapping[str, int]]
    masks: Mapping[str, Mask]

    def wanted(self, split: str, options: ExportOptions) -> set[str]:
        """Kinds of a split that are there and wanted."""
        return {kind for kind in self.kinds.get(split, {}) if options.wants_kind(kind)}


def survey(shards: Sequence[Shard], options: ExportOptions, carried: Iterable[str]) -> Survey:
    """Look through shards; pure work for a thread.

    Args:
        shards: all of the version that are exported.
        options: those of the export.
        carried: kinds of examples that find a place in the export; only they count for the limits.
    """
    splits = list(dict.fromkeys(shard.split for shard in shards))
    of_split = {split: [shard for shard in shards if shard.split == split] for split in splits}
    fit = {split: fitting(mine, options.filter) for split, mine in of_split.items() if options.filter.said}
    kinds = {split: kinds_of(mine, fit.get(split)) for split, mine in of_split.items()}
    if not options.capped:
        return Survey(kinds, fit)
    counted = frozenset(kind for kind in carried if options.wants_kind(kind))
    masks = {split: mask_of(mine, options, counted, fit.get(split)) for split, mine in of_split.items()}
    return Survey(kinds, masks)


def kinds_of(shards: Sequence[Shard], fit: Mask | None = None) -> dict[str, int]:
    """How many examples of which kind shards hold, or those of their rows that fit."""
    found: Counter[str] = Counter()
    start = 0
    for shard in shards:
        for batch in read_columns(shard, ["kind"], SURVEYED):
            end = start + batch.num_rows
            kinds = batch["kind"] if fit is None else batch["kind"].filter(pa.array(fit[start:end]))
            found.update({one["values"]: one["counts"] for one in kinds.value_counts().to_pylist()})
            start = end
    return dict(sorted(found.items()))


def mask_of(
    shards: Sequence[Shard], options: ExportOptions, counted: frozenset[str], fit: Mask | None = None
) -> Mask:
    """Which rows of a split stay: of those that fit, in an order that the seed gives, each within all limits.

    A row that bears no tag and no label stays.
    """
    marks, stays = marks_of(shards, options, counted)
    if fit is not None:
        stays &= fit
    left: dict[int, int] = {}
    for at in np.random.default_rng(options.seed).permutation(len(marks)):
        mine = marks[at]
        if not stays[at] or not mine:
            continue
        limits = [left.setdefault(mark, limit_of(mark, options)) for mark in mine]
        if min(limits) <= 0:
            stays[at] = False
            continue
        for mark in mine:
            left[mark] -= 1
    return stays


def marks_of(
    shards: Sequence[Shard], options: ExportOptions, counted: frozenset[str]
) -> tuple[list[tuple[int, ...]], Mask]:
    """Tags and labels of every row as numbers, tags even and labels odd; and which rows are counted."""
    names = [
        name for name, most in (("tag_ids", options.max_per_tag), ("labels", options.max_per_label)) if most
    ]
    numbers: dict[tuple[str, str], int] = {}
    # Rows of equal marks share one tuple, so that a million rows cost a million references.
    shared: dict[tuple[int, ...], tuple[int, ...]] = {}
    marks: list[tuple[int, ...]] = []
    stays: list[bool] = []
    for shard in shards:
        for batch in read_columns(shard, ["kind", *names], SURVEYED):
            stays += [kind in counted for kind in batch["kind"].to_pylist()]
            columns = [[(name, row or ()) for row in batch[name].to_pylist()] for name in names]
            for row in zip(*columns, strict=True):
                mine = tuple(
                    sorted({number(numbers, name, value) for name, values in row for value in values})
                )
                marks.append(shared.setdefault(mine, mine))
    return marks, np.array(stays, dtype=np.bool_)


def number(numbers: dict[tuple[str, str], int], name: str, value: str) -> int:
    """The number of a tag or label."""
    found = numbers.setdefault((name, value), len(numbers))
    return found * 2 + (name == "labels")


def limit_of(mark: int, options: ExportOptions) -> int:
    """How many examples may bear a mark."""
    return options.max_per_label if mark % 2 else options.max_per_tag
