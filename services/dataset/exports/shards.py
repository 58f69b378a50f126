"""The Parquet shards of a dataset version, read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BATCH = 250
"""Rows read at once; few enough to stay in the cache of the processor."""
KEY = ("id", "kind", "content")
NOTHING: Mapping[str, Any] = {}

Stored = tuple[str, str, bytes, Mapping[str, Any]]
"""A row: id, kind, content as JSON, and the columns that were asked for besides."""


@dataclass(frozen=True)
class Shard:
    """A file of rows of a split; `rows` is how many."""

    split: str
    path: Path
    rows: int


def shard_at(split: str, path: Path) -> Shard:
    """A shard that lies at a path."""
    with pq.ParquetFile(path) as file:
        return Shard(split, path, file.metadata.num_rows)


def read_columns(shard: Shard, names: Sequence[str], batch: int = BATCH) -> Iterator[pa.RecordBatch]:
    """Some columns of a shard, a batch at a time in memory."""
    # The threads of a pool would hold batches ahead, and a room has few processors.
    with pq.ParquetFile(shard.path, pre_buffer=False) as file:
        yield from file.iter_batches(batch, columns=list(names), use_threads=False)


def read_rows(shard: Shard, needs: Sequence[str]) -> Iterator[list[Stored]]:
    """The rows of a shard in batches.

    `split` is no column of the file; who needs it gets it.
    """
    stored = [name for name in needs if name != "split"]
    split = {"split": shard.split} if "split" in needs else {}
    for batch in read_columns(shard, [*KEY, *stored]):
        ids, kinds = batch["id"].to_pylist(), batch["kind"].to_pylist()
        contents = batch["content"].cast(pa.binary()).to_pylist()
        if not needs:
            yield list(zip(ids, kinds, contents, repeat(NOTHING, len(ids)), strict=True))
            continue
        columns = batch.select(stored).to_pylist() if stored else [{}] * len(ids)
        told = [{**row, **split} for row in columns]
        yield list(zip(ids, kinds, contents, told, strict=True))
