"""The rows of a version as Parquet shards, dealt by a seeded place, so that their order is a fair draw.

A row's place is a number of 64 bits. A shard holds a range of places and is sorted by them, so that the
shards of a split, one after the other, are the split in the order of the places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from services.dataset.examples.content import content_json, lineage_json
from services.dataset.examples.examples import Example, Lineage

ROWS = 50_000
"""About how many rows a shard holds."""
GROUP = 1000
"""Rows of a row group."""
PLACES = 2**64
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "kind": pa.string(),
        "content": pa.string(),
        "lineage": pa.string(),
        "score": pa.float64(),
        "labels": pa.list_(pa.string()),
        "tag_ids": pa.list_(pa.string()),
        "document_id": pa.string(),
        "question_type": pa.string(),
        "language": pa.string(),
        "source": pa.string(),
    }
)
"""Columns of the shards; `content` and `lineage` are JSON (examples/content.py)."""
PLACE = "place"
DEALT = SCHEMA.append(pa.field(PLACE, pa.uint64()))

Places = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Shard:
    """A file of a split with its number of rows."""

    path: Path
    rows: int


def place_of(digest: str, seed: int) -> int:
    """The seeded place of what has this SHA-256, whatever its id."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{digest}".encode()).digest()[:8], "big")


class Dealer:
    """Deals the rows of a split to shards.

    Args:
        folder: where they are made.
        split: `train`, `validation` or `exam`.
        rows: how many there will be.
    """

    def __init__(self, folder: Path, split: str, rows: int) -> None:
        self._folder = folder
        self._split = split
        self._count = max(1, -(-rows // ROWS))
        self._streams: dict[int, pa.ipc.RecordBatchStreamWriter] = {}

    def add(self, table: pa.Table) -> None:
        """Deal rows: columns of `DEALT`."""
        places = table.column(PLACE).to_numpy()
        numbers = (places >> np.uint64(32)) * np.uint64(self._count) >> np.uint64(32)
        if self._count == 1:
            self._stream(0).write_table(table)
            return
        order = np.argsort(numbers, kind="stable")
        found, starts = np.unique(numbers[order], return_index=True)
        dealt = table.take(pa.array(order))
        for number, start, end in zip(found, starts, [*starts[1:], len(order)], strict=True):
            self._stream(int(number)).write_table(dealt.slice(start, end - start))

    def finish(self) -> Iterator[tuple[Shard, pa.Table]]:
        """Write the shards, one after the other; each with its rows."""
        for stream in self._streams.values():
            stream.close()
        for number in range(self._count):
            yield self._finish(number)

    def _finish(self, number: int) -> tuple[Shard, pa.Table]:
        dealt = self._dealt(number)
        if dealt.exists():
            with pa.memory_map(str(dealt)) as source:
                table = pa.ipc.open_stream(source).read_all()
                rows = table.sort_by([(PLACE, "ascending"), ("id", "ascending")]).select(SCHEMA.names)
            dealt.unlink()
        else:
            rows = SCHEMA.empty_table()
        path = self._folder / shard_name(self._split, number)
        write_shard(path, rows)
        return Shard(path, rows.num_rows), rows

    def _stream(self, number: int) -> pa.ipc.RecordBatchStreamWriter:
        if number not in self._streams:
            self._streams[number] = pa.ipc.new_stream(str(self._dealt(number)), DEALT)
        return self._streams[number]

    def _dealt(self, number: int) -> Path:
        return self._folder / f".{shard_name(self._split, number)}.dealt"


def write_shard(path: Path, rows: pa.Table) -> None:
    """Write a Parquet file with fixed settings: it holds no time and no name."""
    pq.write_table(rows, path, row_group_size=GROUP, version="2.6", compression="zstd", compression_level=3)


def table_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Rows as a table."""
    columns = {name: [row[name] for row in rows] for name in schema.names}
    return pa.Table.from_pydict(columns, schema=schema)


def row_of(example: Example) -> dict[str, Any]:
    """What a shard holds of an example."""
    return {
        "id": example.id,
        "kind": example.kind,
        "content": content_json(example),
        "lineage": lineage_json(example.lineage),
        "score": example.score,
        "labels": example.labels,
        "tag_ids": example.tag_ids,
        "document_id": example.document_id,
        "question_type": example.lineage.question_type,
        "language": example.language,
        "source": source_of(example.lineage),
    }


def source_of(lineage: Lineage) -> str:
    """Where an example comes from: an import, a generation, or the hand of a person."""
    if lineage.import_id:
        return f"import:{lineage.import_id}"
    return f"generation:{lineage.generation_id}" if lineage.generation_id else "hand"


def shard_name(split: str, number: int) -> str:
    """Name of a shard of a split."""
    return f"{split}-{number:05d}.parquet"
