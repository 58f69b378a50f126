"""The rows of a version as Parquet shards, in the order of a seeded place, so that it is a fair draw.

A row's place is a number of 64 bits. Rows are first dealt to files by ranges of places, whatever their split.
Of one range after the other every split then takes its rows, sorted: a split is in the order of places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from services.dataset.versions.split_columns import ties

PARQUET_TYPE = "application/vnd.apache.parquet"
ROWS = 50_000
"""Most rows of a shard."""
GROUP = 1000
"""Rows of a row group."""
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
        "review_state": pa.string(),
        "digest": pa.string(),
    }
)
"""Columns of the shards; `content` and `lineage` are JSON (examples/content.py), `review_state` is as it was
when the version was made, `digest` is the first half of the SHA-256 of kind and content, in hexadecimal
digits."""
PLACE, ROW = "place", "row"
DEALT = SCHEMA.append(pa.field(PLACE, pa.uint64())).append(pa.field(ROW, pa.int64()))


@dataclass(frozen=True)
class Shard:
    """A file of a split with its number of rows."""

    path: Path
    split: str
    rows: int


@dataclass(frozen=True)
class Unwritten:
    """The rows of a shard, and where they go."""

    path: Path
    split: str
    rows: pa.Table

    def write(self) -> Shard:
        """Write them."""
        write_shard(self.path, self.rows)
        return Shard(self.path, self.split, self.rows.num_rows)


class Dealer:
    """Deals rows to files by their places.

    Args:
        folder: where the files are.
        rows: about how many rows there will be.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
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

    def close(self) -> None:
        """No more rows come."""
        for stream in self._streams.values():
            stream.close()

    def ranges(self) -> Iterator[pa.Table]:
        """All rows, a range of places at a time, in the order of these; each can be had once."""
        for number in range(self._count):
            path = self._dealt(number)
            if path.exists():
                with pa.memory_map(str(path)) as source:
                    yield pa.ipc.open_stream(source).read_all().combine_chunks()
                path.unlink()

    def seen(self) -> Iterator[pa.RecordBatch]:
        """All rows as they were dealt; `ranges` gives them all the same."""
        for number in range(self._count):
            path = self._dealt(number)
            if path.exists():
                with pa.memory_map(str(path)) as source:
                    yield from pa.ipc.open_stream(source)

    def _stream(self, number: int) -> pa.ipc.RecordBatchStreamWriter:
        if number not in self._streams:
            self._streams[number] = pa.ipc.new_stream(str(self._dealt(number)), DEALT)
        return self._streams[number]

    def _dealt(self, number: int) -> Path:
        return self._folder / f".{number:05d}.dealt"


class ShardCutter:
    """Makes shards of `ROWS` rows of those of one split, as they come; at least one."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder = folder
        self._split = split
        self._waiting: list[pa.Table] = []
        self._held = 0
        self._number = 0

    def add(self, rows: pa.Table) -> Iterator[Unwritten]:
        """Take rows; the shards that are full now, to be written."""
        self._waiting.append(rows)
        self._held += rows.num_rows
        while self._held >= ROWS:
            yield self._cut(ROWS)

    def finish(self) -> Iterator[Unwritten]:
        """The last shard."""
        if self._held or not self._number:
            yield self._cut(self._held)

    def _cut(self, count: int) -> Unwritten:
        waiting = pa.concat_tables([SCHEMA.empty_table(), *self._waiting])
        rows, rest = waiting.slice(0, count), waiting.slice(count)
        self._waiting, self._held = [rest], rest.num_rows
        path = self._folder / shard_name(self._split, self._number)
        self._number += 1
        return Unwritten(path, self._split, rows)


def of_side(rows: pa.Table, sides: npt.NDArray[np.int8], side: int) -> pa.Table:
    """The rows of a range that are on a side, in the order of their places, in the columns of a shard."""
    mine = np.flatnonzero(sides[rows.column(ROW).to_numpy()] == side)
    places = rows.column(PLACE).to_numpy()[mine]
    order = np.argsort(places)
    for tie in ties(places[order]):
        # Ids tell equal contents apart.
        same = mine[order[tie]]
        ids = rows.column("id").take(pa.array(same)).to_pylist()
        order[tie] = order[tie][sorted(range(len(ids)), key=ids.__getitem__)]
    found: Any = rows.select(SCHEMA.names).take(pa.array(mine[order]))
    return found


def write_shard(path: Path, rows: pa.Table) -> None:
    """Write a Parquet file with fixed settings: it holds no time and no name."""
    pq.write_table(
        rows.combine_chunks(),
        path,
        row_group_size=GROUP,
        version="2.6",
        compression="zstd",
        compression_level=1,
        use_dictionary=["kind", "document_id", "question_type", "language", "source", "review_state"],
        write_statistics=False,
    )


def shard_name(split: str, number: int) -> str:
    """Name of a shard of a split."""
    return f"{split}-{number:05d}.parquet"
