"""What a dataset version holds, read from its shards in the bucket: a few row groups for a page."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq

from services.dataset.examples.content import content_of, lineage_of
from services.dataset.examples.examples import said
from services.dataset.examples.store import texts_size
from services.dataset.versions.versions import DatasetVersion, DatasetVersionExample, VersionFile
from services.runtime.pages import Page, PageRequest, fitting, next_token
from services.runtime.storage import Storage

COLUMNS = ["id", "kind", "content", "lineage"]
READ_SECONDS = 60.0
"""How long a thread waits for a part of an object."""
LARGEST_READ = 2**21
"""Bytes of text after which no more rows are read for a page: some more than it shows."""


class ObjectFile(io.RawIOBase):
    """An object as a file that a thread reads in parts, through the loop that the storage belongs to."""

    def __init__(self, storage: Storage, loop: asyncio.AbstractEventLoop, key: str, size: int) -> None:
        self._storage = storage
        self._loop = loop
        self._key = key
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Begin the next read elsewhere."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        end = self._size if size is None or size < 0 else min(self._size, self._place + size)
        part = self._storage.get_range(self._key, self._place, end - self._place)
        data = asyncio.run_coroutine_threadsafe(part, self._loop).result(READ_SECONDS)
        self._place += len(data)
        return data


async def list_members(
    storage: Storage, page: PageRequest, version: DatasetVersion, split: str | None
) -> Page[DatasetVersionExample]:
    """What a version holds, or one split of it, by split and position.

    Raises:
        Unavailable: the bucket cannot be reached.
    """
    shards = [file for file in version.shards if split in (None, file.split)]
    skipped = int(page.after[0]) if page.after else 0
    opened = Opener(storage, asyncio.get_running_loop())
    found = await asyncio.to_thread(read_members, opened, shards, skipped, page.limit)
    shown = found[: fitting(found[: page.size], size_of)]
    if len(shown) == len(found):
        return Page(shown, "")
    return Page(shown, next_token(page, skipped + len(shown)))


class Opener:
    """Opens the shards of a version in a thread."""

    def __init__(self, storage: Storage, loop: asyncio.AbstractEventLoop) -> None:
        self._storage = storage
        self._loop = loop

    def open(self, shard: VersionFile) -> pq.ParquetFile:
        """A shard, to be closed."""
        return pq.ParquetFile(ObjectFile(self._storage, self._loop, shard.key, shard.size_bytes))


def read_members(
    opener: Opener, shards: Sequence[VersionFile], skipped: int, limit: int
) -> list[DatasetVersionExample]:
    """The next rows of some shards after those that are skipped."""
    found: list[DatasetVersionExample] = []
    starts: dict[str, int] = {}
    size = 0
    for shard in shards:
        start = starts.get(shard.split, 0)
        starts[shard.split] = start + shard.rows
        if skipped >= shard.rows:
            skipped -= shard.rows
            continue
        for number, row in rows_from(opener, shard, skipped):
            found.append(member_of(row, shard.split, start + number))
            size += size_of(found[-1])
            if len(found) == limit or size > LARGEST_READ:
                return found
        skipped = 0
    return found


def rows_from(opener: Opener, shard: VersionFile, skipped: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a shard after some, by their place in it; a row group in memory."""
    with opener.open(shard) as file:
        place = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if place + rows > skipped:
                table = file.read_row_group(group, columns=COLUMNS).slice(max(0, skipped - place))
                start = max(place, skipped)
                yield from enumerate(table.to_pylist(), start)
            place += rows


def member_of(row: dict[str, Any], split: str, position: int) -> DatasetVersionExample:
    """A row of a shard."""
    content = content_of(row["content"])
    return DatasetVersionExample(
        example_id=row["id"],
        split=split,
        position=position,
        kind=row["kind"],
        lineage=lineage_of(row["lineage"]),
        **content,
    )


def size_of(member: DatasetVersionExample) -> int:
    """About how many bytes it takes in an answer."""
    return texts_size(said(member.messages, member.preference), member.quotes)
