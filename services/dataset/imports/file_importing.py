"""Does the items of `import_file` jobs: all of a file's rows in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
import structlog

from services.dataset.imports.blocks import Block, Reading, Task
from services.dataset.imports.disk import disk_errors
from services.dataset.imports.imports import Import, ImportUpload
from services.dataset.imports.reading_process import ReadingProcess
from services.dataset.imports.store import ImportStore
from services.dataset.imports.uploads import downloaded
from services.dataset.tokenizers import Tokenizers
from services.runtime.db import Connection, transaction
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder

PROCESS_BYTES = 8 << 20
"""A larger file is read by a process of its own: that takes half a second to start."""
TOLD_SECONDS = 1.0
OPEN = {"pending", "running"}

log = structlog.get_logger()


Reader: TypeAlias = Reading | ReadingProcess


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
        with work_folder("dataset") as folder:
            await self._jobs.set_progress(item.job_id, "fetching")
            path = await downloaded(self._storage, upload, folder)
            reader = await self._reader(wanted, upload, path, folder)
            try:
                with disk_errors(), database_errors():
                    async with self._importing, self._jobs.finish(item, late=True) as connection:
                        await self._store_rows(item, wanted, reader, connection)
            except InvalidArgument:
                await self._keep_faults(wanted, reader)
                raise
            finally:
                await asyncio.to_thread(reader.close)
        await self._storage.delete(upload.key)
        outcome = reader.outcome()
        log.info("file_imported", import_id=wanted.id, rows=outcome.rows, bad=outcome.bad)

    async def _reader(self, wanted: Import, upload: ImportUpload, path: Path, folder: Path) -> Reader:
        """What reads a file.

        Raises:
            InvalidArgument: the tokenizer cannot be had.
        """
        tokenizer = self._tokenizers.allowed(wanted.options.tokenizer)
        task = Task(wanted.project_id, wanted.id, wanted.options, upload.name, path, folder, tokenizer)
        if upload.size_bytes > PROCESS_BYTES:
            return ReadingProcess(task)
        return Reading(task, await self._tokenizers.load(wanted.options.tokenizer))

    async def _store_rows(self, item: Item, wanted: Import, reader: Reader, connection: Connection) -> None:
        await self._store.begin(connection, wanted.project_id)
        told = 0.0
        async for block in ahead(reader):
            await self._store.copy(connection, block.examples, block.contents)
            if time.monotonic() - told > TOLD_SECONDS:
                await self._tell(item, f"{block.rows} rows read")
                told = time.monotonic()
        outcome = await asyncio.to_thread(reader.outcome)
        await self._tell(item, f"{outcome.rows} rows read, looking for duplicates")
        duplicates = await self._store.reject_duplicates(connection, wanted.project_id, wanted.id)
        counts = outcome.counts(duplicates)
        await self._store.set_counts(connection, wanted.id, counts, outcome.profile, outcome.faults)

    async def _tell(self, item: Item, words: str) -> None:
        """Say how far it is, and end where nobody wants it any more."""
        states = await self._jobs.states([item.job_id])
        if states.get(item.job_id) not in OPEN:
            raise ItemClosed
        await self._jobs.set_progress(item.job_id, words)

    async def _keep_faults(self, wanted: Import, reader: Reader) -> None:
        """Keep the bad rows that ended an import, so that a person can mend them."""
        outcome = reader.outcome()
        async with transaction(self._store.pool) as connection:
            counts = outcome.counts(kept=False)
            await self._store.set_counts(connection, wanted.id, counts, None, outcome.faults)


async def ahead(reader: Reader) -> AsyncIterator[Block]:
    """Blocks, the next of which is made while one is stored."""
    blocks = reader.blocks()
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


@contextlib.contextmanager
def database_errors() -> Iterator[None]:
    """Say that the disk of Postgres is full.

    Raises:
        FailedPrecondition: it is.
    """
    try:
        yield
    except asyncpg.DiskFullError as error:
        raise FailedPrecondition(
            "DATABASE_FULL",
            "the disk of Postgres is full, and nothing was imported; free space there, and retry the job",
        ) from error
