"""Does the items of `make_benchmark` jobs."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import structlog

from services.dataset.benchmarks.benchmarks import (
    Benchmark,
    BenchmarkCounts,
    BenchmarkFile,
    BenchmarkFiles,
)
from services.dataset.benchmarks.files import guard_of, write_questions, write_signatures
from services.dataset.benchmarks.items import Item, items_in
from services.dataset.benchmarks.store import BenchmarkStore
from services.dataset.imports.faults import Faults
from services.dataset.imports.sources import parts_in
from services.dataset.imports.uploads import downloaded
from services.dataset.versions.shards import PARQUET_TYPE
from services.runtime.db import transaction
from services.runtime.errors import InvalidArgument, SishuError
from services.runtime.ids import new_id
from services.runtime.jobs import Item as JobItem
from services.runtime.jobs import ItemClosed, Jobs
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder

MOST_ITEMS = 1_000_000
"""Questions of a benchmark: they are held in memory when they are looked for."""

log = structlog.get_logger()


class BenchmarkReading:
    """Reads the questions of a benchmark; in a thread.

    Args:
        wanted: the benchmark.
        path: its file.
        folder: where things may be unpacked, and what is made is written.
    """

    def __init__(self, wanted: Benchmark, path: Path, folder: Path) -> None:
        self._wanted = wanted
        self._path = path
        self._folder = folder
        self.faults = Faults(wanted.options.threshold)
        self._items: list[Item] = []

    @property
    def counts(self) -> BenchmarkCounts:
        """What became of the rows."""
        characters = sum(item.characters for item in self._items)
        reasons = dict(self.faults.reasons.most_common())
        return BenchmarkCounts(len(self._items), characters, self.faults.count, reasons)

    def read(self) -> None:
        """Read all rows.

        Raises:
            InvalidArgument: the file cannot be read, holds nothing, or too many of its rows are bad.
        """
        options = self._wanted.options
        parts = parts_in(self._path, self._wanted.upload.name, self._folder, options.choice)
        for one in items_in(parts, self._folder, options.question, options.choices, options.answer):
            if not isinstance(one, Item):
                self.faults.add(one)
                continue
            self._items.append(one)
            if len(self._items) > MOST_ITEMS:
                raise InvalidArgument(
                    "BENCHMARK_TOO_LARGE",
                    f"{self._wanted.upload.name}: a benchmark has at most {MOST_ITEMS} questions; divide it",
                )
        rows = len(self._items) + self.faults.count
        if not rows:
            name = self._wanted.upload.name
            raise InvalidArgument("FILE_EMPTY", f"{name}: the file holds no rows; send another")
        self.faults.check(rows)

    def write(self) -> tuple[Path, Path]:
        """Write questions and signatures into the folder."""
        questions, signatures = self._folder / "questions.parquet", self._folder / "signatures.parquet"
        write_questions(self._items, questions)
        write_signatures(guard_of(self._items).sketches, signatures)
        return questions, signatures


class BenchmarkWorker:
    """Does the items of `make_benchmark` jobs."""

    def __init__(self, jobs: Jobs, store: BenchmarkStore, storage: Storage) -> None:
        self._jobs = jobs
        self._store = store
        self._storage = storage

    async def make_benchmark(self, item: JobItem) -> None:
        """Read the questions of a file, upload them, and make the benchmark complete.

        Raises:
            InvalidArgument: the file cannot be read, or too many rows are bad.
            ItemClosed: the job was cancelled.
        """
        wanted = await self._store.get(item.resource_id)
        with work_folder("dataset") as name:
            await self._jobs.set_progress(item.job_id, "fetching")
            path = await downloaded(self._storage, wanted.upload, name)
            reading = BenchmarkReading(wanted, path, name)
            await self._jobs.set_progress(item.job_id, "reading questions")
            try:
                await asyncio.to_thread(reading.read)
            except InvalidArgument:
                await self._keep_faults(wanted, reading)
                raise
            questions, signatures = await asyncio.to_thread(reading.write)
            # Every try has keys of its own: a slow double of this worker can spoil nothing.
            prefix = f"{wanted.prefix}{new_id()}/"
            await self._finish(item, wanted, reading, prefix, questions, signatures)
        await self._storage.delete(wanted.upload.key)
        log.info("benchmark_made", benchmark_id=wanted.id, rows=reading.counts.rows, bad=reading.faults.count)

    async def _finish(
        self,
        item: JobItem,
        wanted: Benchmark,
        reading: BenchmarkReading,
        prefix: str,
        questions: Path,
        signatures: Path,
    ) -> None:
        try:
            files = BenchmarkFiles(await self._put(prefix, questions), await self._put(prefix, signatures))
            async with self._jobs.finish(item) as connection:
                await self._store.set_read(connection, wanted.id, reading.counts, reading.faults.kept, files)
        except (SishuError, ItemClosed, asyncio.CancelledError):
            with contextlib.suppress(SishuError):
                await self._storage.delete_prefix(prefix)
            raise

    async def _put(self, prefix: str, path: Path) -> BenchmarkFile:
        key = prefix + path.name
        info = await self._storage.put_file(key, path, PARQUET_TYPE)
        return BenchmarkFile(key, info.size, info.sha256)

    async def _keep_faults(self, wanted: Benchmark, reading: BenchmarkReading) -> None:
        """Keep the bad rows that ended the job, so that a person can mend them."""
        async with transaction(self._store.pool) as connection:
            await self._store.set_read(connection, wanted.id, reading.counts, reading.faults.kept, None)
