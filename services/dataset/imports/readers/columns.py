"""Parquet and Arrow: tables by columns, some rows at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.dataset.imports.readers.reading import Source
from services.dataset.imports.readers.splitting import too_long
from services.dataset.imports.readers.streams import damaged, seekable
from services.dataset.imports.rows import MOST_ROW_BYTES, BadRow, Rows

BATCH = 1000
BATCH_BYTES = 32 << 20
"""About what the texts of rows read at once may take."""
FILE_MAGIC = b"ARROW1"


def read_parquet(source: Source) -> Rows:
    """The rows of a Parquet file.

    Raises:
        InvalidArgument: the file is damaged.
    """
    with seekable(source.path, source.name, source.folder) as path:
        yield from numbered(parquet_batches(path), source.name)


def read_arrow(source: Source) -> Rows:
    """The rows of an Arrow file, in the format for files or for streams.

    Raises:
        InvalidArgument: the file is damaged.
    """
    with seekable(source.path, source.name, source.folder) as path:
        yield from numbered(arrow_batches(path), source.name)


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """A Parquet file in batches that fit the memory.

    Texts stay in dictionaries where the file has such: a long text that many rows share is there once.
    """
    with pq.ParquetFile(path) as file:
        texts = [
            file.schema_arrow.names[place]
            for place, kind in enumerate(file.schema_arrow.types)
            if pa.types.is_string(kind)
        ]
    with pq.ParquetFile(path, read_dictionary=texts, memory_map=True) as file:
        for group in range(file.num_row_groups):
            facts = file.metadata.row_group(group)
            each = max(1, facts.total_byte_size // max(1, facts.num_rows))
            size = max(1, min(BATCH, BATCH_BYTES // each))
            yield from file.iter_batches(size, row_groups=[group])


def arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """An Arrow file in batches."""
    with path.open("rb") as stream:
        is_file = stream.read(len(FILE_MAGIC)) == FILE_MAGIC
    with pa.memory_map(str(path)) as mapped:
        if is_file:
            file = pa.ipc.open_file(mapped)
            batches: Iterator[pa.RecordBatch] = (
                file.get_batch(place) for place in range(file.num_record_batches)
            )
        else:
            batches = iter(pa.ipc.open_stream(mapped))
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH):
                yield batch.slice(start, BATCH)


def numbered(batches: Iterator[pa.RecordBatch], name: str) -> Rows:
    """The rows of batches, with their numbers.

    Raises:
        InvalidArgument: the file is damaged.
    """
    number = 0
    try:
        for batch in batches:
            for row in rows_of(batch):
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, EOFError) as error:
        raise damaged(name, str(error)) from error


def rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | BadRow]:
    """The rows of a batch; column by column where all is well, else one by one."""
    names = batch.schema.names
    try:
        columns = [values_of(column) for column in batch.columns]
    except (UnicodeDecodeError, ValueError, pa.ArrowException):
        for place in range(batch.num_rows):
            yield single(batch, place)
        return
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def values_of(column: pa.Array) -> list[Any]:
    """The values of a column; equal texts of a dictionary are one object."""
    if not pa.types.is_dictionary(column.type):
        found: list[Any] = column.to_pylist()
        return found
    lengths = pc.max(pc.binary_length(column.dictionary)).as_py() if len(column.dictionary) else 0
    if (lengths or 0) > MOST_ROW_BYTES:
        raise ValueError("a text is too long")
    texts = column.dictionary.to_pylist()
    return [None if place is None else texts[place] for place in column.indices.to_pylist()]


def single(batch: pa.RecordBatch, place: int) -> dict[str, Any] | BadRow:
    """A row of a batch that holds something bad."""
    row = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        cell = column[place]
        if pa.types.is_dictionary(column.type) and cell.is_valid:
            cell = column.dictionary[cell.index.as_py()]
        try:
            if pa.types.is_string(cell.type) and cell.is_valid and len(cell.as_buffer()) > MOST_ROW_BYTES:
                return too_long()
            row[name] = cell.as_py()
        except (UnicodeDecodeError, ValueError, pa.ArrowException) as error:
            return BadRow(
                "TEXT_INVALID", f"the value is no text in UTF-8 ({error}); write the file anew", name
            )
    return row
