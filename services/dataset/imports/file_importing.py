"""Does the items of `import_file` jobs: all of a file's rows in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from services.dataset.imports.faults import Faults
from services.dataset.imports.imports import Import, ImportCounts, ImportUpload
from services.dataset.imports.lines import Lines
from services.dataset.imports.profile import Profile
from services.dataset.imports.reading import read_parts
from services.dataset.imports.rows import Imported
from services.dataset.imports.sources import parts_in
from services.dataset.imports.store import ImportStore
from services.dataset.imports.uploads import downloaded
from services.dataset.tokenizers import Tokenizers
from services.runtime.db import Connection, transaction
from services.runtime.errors import InvalidArgument
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.storage import Storage

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BATCH = 2000
"""Rows that are stored at once."""
BATCH_BYTES = 32 << 20
TOLD_SECONDS = 1.0
OPEN = {"pending", "running"}

log = structlog.get_logger()


@dataclass
class Block:
    """Rows that wait to be stored: lines of two tables, and how many rows were read so far."""

    examples: bytes
    contents: bytes
    rows: int


class Reading:
    """Reads the rows of an import; in a thread, a block at a time.

    Args:
        wanted: the import.
        upload: what it imports.
        path: its file.
        folder: where things may be unpacked.
        tokenizer: counts tokens, if one does.
    """

    def __init__(
        self,
        wanted: Import,
        upload: ImportUpload,
        path: Path,
        folder: Path,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        self._wanted = wanted
        self._name = upload.name
        self._path = path
        self._folder = folder
        self.profile = Profile(tokenizer)
        self.faults = Faults(wanted.options.threshold)
        self.examples = 0

    @property
    def rows(self) -> int:
        """Rows that were read."""
        return self.examples + self.faults.count

    def blocks(self) -> Generator[Block]:
        """The rows in blocks.

        Raises:
            InvalidArgument: the file cannot be read, or too many rows are bad.
        """
        options = self._wanted.options
        parts = parts_in(self._path, self._name, self._folder, options.choice)
        lines, size = Lines(self._wanted.project_id, self._wanted.id), 0
        for one in read_parts(parts, self._folder, options.wanted, self.profile):
            if not isinstance(one, Imported):
                self.faults.add(one)
                continue
            self.examples += 1
            lines.add(one)
            size += len(one.content)
            if len(lines) >= BATCH or size >= BATCH_BYTES:
                yield Block(*lines.take(), self.rows)
                size = 0
        yield Block(*lines.take(), self.rows)
        if not self.rows:
            raise InvalidArgument("FILE_EMPTY", f"{self._name}: the file holds no rows; send another")
        self.faults.check(self.rows)

    def counts(self, duplicates: int = 0, *, kept: bool = True) -> ImportCounts:
        """What became of the rows."""
        number = self.examples - duplicates if kept else 0
        return ImportCounts(
            self.rows, number, duplicates, self.faults.count, dict(self.faults.reasons.most_common())
        )


class FileImportWorker:
    """Does the items of `import_file` jobs."""

    def __init__(self, jobs: Jobs, store: ImportStore, storage: Storage, tokenizers: Tokenizers) -> None:
        self._jobs = jobs
        self._store = store
        self._storage = storage
        self._tokenizers = tokenizers
        # An import holds a connection and asks for others: some must always be left.
        self._importing = asyncio.Semaphore(max(1, store.pool.get_max_size() // 4))

    async def import_file(self, item: Item) -> None:
        """Make an example of each good row; all in one transaction, or none.

        Raises:
            InvalidArgument: the file cannot be read, or too many rows are bad.
            ItemClosed: the job was cancelled.
        """
        wanted = await self._store.get(item.resource_id)
        upload = wanted.upload
        assert upload is not None  # noqa: S101  # what makes a job one of this kind
        tokenizer = await self._tokenizers.load(wanted.options.tokenizer)
        with tempfile.TemporaryDirectory(prefix="sishu-import-") as folder:
            await self._jobs.set_progress(item.job_id, "fetching")
            path = await downloaded(self._storage, upload, Path(folder))
            reading = Reading(wanted, upload, path, Path(folder), tokenizer)
            try:
                async with self._importing, self._jobs.finish(item, late=True) as connection:
                    await self._store_rows(item, wanted, reading, connection)
            except InvalidArgument:
                await self._keep_faults(wanted, reading)
                raise
        await self._storage.delete(upload.key)
        log.info("file_imported", import_id=wanted.id, rows=reading.rows, bad=reading.faults.count)

    async def _store_rows(self, item: Item, wanted: Import, reading: Reading, connection: Connection) -> None:
        await self._store.begin(connection, wanted.project_id)
        told = 0.0
        async for block in ahead(reading.blocks()):
            await self._store.copy(connection, block.examples, block.contents)
            if time.monotonic() - told > TOLD_SECONDS:
                await self._tell(item, f"{block.rows} rows read")
                told = time.monotonic()
        await self._tell(item, f"{reading.rows} rows read, looking for duplicates")
        duplicates = await self._store.reject_duplicates(connection, wanted.project_id, wanted.id)
        profile = await asyncio.to_thread(reading.profile.as_json)
        counts = reading.counts(duplicates)
        await self._store.set_counts(connection, wanted.id, counts, profile, reading.faults.kept)

    async def _tell(self, item: Item, words: str) -> None:
        """Say how far it is, and end where nobody wants it any more."""
        states = await self._jobs.states([item.job_id])
        if states.get(item.job_id) not in OPEN:
            raise ItemClosed
        await self._jobs.set_progress(item.job_id, words)

    async def _keep_faults(self, wanted: Import, reading: Reading) -> None:
        """Keep the bad rows that ended an import, so that a person can mend them."""
        counts = reading.counts(kept=False)
        async with transaction(self._store.pool) as connection:
            await self._store.set_counts(connection, wanted.id, counts, None, reading.faults.kept)


async def ahead(blocks: Generator[Block]) -> AsyncIterator[Block]:
    """Blocks, the next of which is made while one is stored."""
    making = asyncio.create_task(asyncio.to_thread(next, blocks, None))
    try:
        while (block := await making) is not None:
            making = asyncio.create_task(asyncio.to_thread(next, blocks, None))
            yield block
    finally:
        # The thread cannot be stopped; its folder must not go before it has ended.
        with contextlib.suppress(Exception):
            await asyncio.shield(making)
        with contextlib.suppress(ValueError):
            blocks.close()
