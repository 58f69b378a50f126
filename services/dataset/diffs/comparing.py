"""Compares what two versions hold, by the columns of ids and digests of their shards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.versions.versions import SPLITS

CHANGES = ("added", "removed", "changed", "moved")
"""What became of an example: `changed` says other things, `moved` only went to another split."""
SCHEMA = pa.schema(
    {"example_id": pa.string(), "change": pa.string(), "base_split": pa.string(), "split": pa.string()}
)
GROUP = 1000
NAMES = np.array([*SPLITS, ""])
NONE = len(SPLITS)


@dataclass(frozen=True)
class Held:
    """What a version holds, by ids.

    Args:
        ids: UUIDs as text, ascending.
        digests: of the contents, as text.
        splits: the place of each one's split in `SPLITS`.
    """

    ids: npt.NDArray[np.bytes_]
    digests: npt.NDArray[np.bytes_]
    splits: npt.NDArray[np.int8]


def held_in(shards: Iterable[tuple[Path, str]]) -> Held:
    """What shards hold, each given with its split."""
    ids, digests, splits = [], [], []
    for path, split in shards:
        table = pq.read_table(path, columns=["id", "digest"], use_threads=False)
        ids.append(fixed(table.column("id"), 36))
        digests.append(fixed(table.column("digest"), 32))
        splits.append(np.full(table.num_rows, SPLITS.index(split), np.int8))
    every = np.concatenate([np.empty(0, "S36"), *ids])
    order = np.argsort(every)
    return Held(
        every[order],
        np.concatenate([np.empty(0, "S32"), *digests])[order],
        np.concatenate([np.empty(0, np.int8), *splits])[order],
    )


def fixed(column: pa.ChunkedArray, width: int) -> npt.NDArray[np.bytes_]:
    """A column of texts of one width, as bytes side by side."""
    parts = [
        np.frombuffer(chunk.cast(pa.binary()).cast(pa.binary(width)).buffers()[1], f"S{width}")[
            chunk.offset : chunk.offset + len(chunk)
        ]
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate([np.empty(0, f"S{width}"), *parts])


def compare(base: Held, version: Held) -> tuple[dict[str, int], pa.Table]:
    """What became of examples from a base to a version: counts by change, and rows by change and id."""
    both, ours, theirs = np.intersect1d(base.ids, version.ids, assume_unique=True, return_indices=True)
    changed = base.digests[ours] != version.digests[theirs]
    moved = ~changed & (base.splits[ours] != version.splits[theirs])
    added = np.setdiff1d(np.arange(len(version.ids)), theirs, assume_unique=True)
    removed = np.setdiff1d(np.arange(len(base.ids)), ours, assume_unique=True)
    none = np.int8(NONE)
    parts = {
        "added": (version.ids[added], np.full(len(added), none), version.splits[added]),
        "removed": (base.ids[removed], base.splits[removed], np.full(len(removed), none)),
        "changed": (both[changed], base.splits[ours][changed], version.splits[theirs][changed]),
        "moved": (both[moved], base.splits[ours][moved], version.splits[theirs][moved]),
    }
    rows = [rows_of(change, *parts[change]) for change in CHANGES]
    return {change: len(parts[change][0]) for change in CHANGES}, pa.concat_tables(rows)


def rows_of(
    change: str, ids: npt.NDArray[np.bytes_], before: npt.NDArray[np.int8], after: npt.NDArray[np.int8]
) -> pa.Table:
    """Rows of one change."""
    columns: Sequence[pa.Array] = [
        pa.array(ids.astype("U36"), pa.string()),
        pa.array([change] * len(ids), pa.string()),
        pa.array(NAMES[before], pa.string()),
        pa.array(NAMES[after], pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def write_changes(rows: pa.Table, path: Path) -> None:
    """Write changes with fixed settings."""
    pq.write_table(rows.combine_chunks(), path, row_group_size=GROUP, version="2.6", compression="zstd")
