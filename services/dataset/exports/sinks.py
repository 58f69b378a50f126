"""Files that rows are written into, batch by batch; the same rows give the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

Row = Mapping[str, Any]

LINE_BREAKS = tuple((char.encode(), f"\\u{ord(char):04x}".encode()) for char in "\x85\u2028\u2029")
"""Characters that JSON allows in a string, and that some readers of lines take for the end of one."""
GROUP = 1000
"""Least rows of a row group, but for the last."""
MEDIA_TYPES = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
ENDINGS = {"": "", "gzip": ".gz", "zstd": ".zst"}
COMPRESSED_TYPES = {"gzip": "application/gzip", "zstd": "application/zstd"}


class Sink(Protocol):
    """A file in the making."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""

    def close(self) -> None:
        """End the file."""


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> object:
        """Add bytes."""

    def close(self) -> None:
        """End it."""


def open_bytes(path: Path, compression: str) -> ByteSink:
    """Where the bytes of a file go, through a compressor that puts no time and no name into it."""
    if not compression:
        return path.open("wb")
    stream: ByteSink = pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), compression)
    return stream


def encoded(rows: Sequence[Row], between: bytes) -> bytes:
    """Rows as UTF-8 JSON, each in one line for every reader of lines."""
    text = between.join(map(orjson.dumps, rows))
    for char, escape in LINE_BREAKS:
        text = text.replace(char, escape)
    return text


class JsonLines:
    """A file of JSON Lines."""

    def __init__(self, stream: ByteSink) -> None:
        self._stream = stream

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        if rows:
            self._stream.write(encoded(rows, b"\n") + b"\n")

    def close(self) -> None:
        """End the file."""
        self._stream.close()


class JsonArray:
    """A file of one JSON array, a row a line."""

    def __init__(self, stream: ByteSink) -> None:
        self._stream = stream
        self._before = b"[\n"

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        if rows:
            self._stream.write(self._before + encoded(rows, b",\n"))
            self._before = b",\n"

    def close(self) -> None:
        """End the array and the file."""
        self._stream.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")
        self._stream.close()


class Csv:
    """A file of RFC 4180; what is no text and no number stands as JSON."""

    def __init__(self, stream: ByteSink, names: Sequence[str]) -> None:
        self._stream = stream
        self._names = names
        self._write([names])

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows."""
        self._write([[cell(row[name]) for name in self._names] for row in rows])

    def _write(self, rows: Sequence[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        # Lines end as the standard says; a lone "\r" in a text is then quoted, too.
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        self._stream.write(text.getvalue().encode())

    def close(self) -> None:
        """End the file."""
        self._stream.close()


def cell(value: object) -> str:
    """A value as a cell of a table."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


class Parquet:
    """A Parquet file with fixed settings; it holds no time and no name."""

    def __init__(self, path: Path, schema: pa.Schema, compression: str) -> None:
        self._schema = schema
        self._rows: list[Row] = []
        level = 3 if compression == "zstd" else None
        self._writer = pq.ParquetWriter(
            path, schema, version="2.6", compression=compression, compression_level=level
        )

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows, a row group as soon as there are enough."""
        self._rows += rows
        if len(self._rows) >= GROUP:
            self._flush()

    def close(self) -> None:
        """End the file."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        columns = [pa.array([row[one.name] for row in self._rows], one.type) for one in self._schema]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows = []


def open_sink(path: Path, file_type: str, compression: str, schema: pa.Schema) -> Sink:
    """A file at a path that rows can be written into."""
    if file_type == "parquet":
        return Parquet(path, schema, compression or "zstd")
    makers: Mapping[str, Callable[[ByteSink], Sink]] = {
        "json": JsonArray,
        "jsonl": JsonLines,
        "csv": lambda stream: Csv(stream, schema.names),
    }
    return makers[file_type](open_bytes(path, compression))


def ending(file_type: str, compression: str) -> str:
    """How the name of a file ends."""
    return f".{file_type}" + ("" if file_type == "parquet" else ENDINGS[compression])


def media_type(file_type: str, compression: str) -> str:
    """Media type of a file."""
    if compression and file_type != "parquet":
        return COMPRESSED_TYPES[compression]
    return MEDIA_TYPES[file_type]
