"""Does the items of `find_leaks` jobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import structlog

from services.dataset.benchmarks.guards import Benchmarks
from services.dataset.deduplications.finding import FETCH_SECONDS, TOLD_EVERY, batches
from services.dataset.examples.content_texts import says
from services.dataset.leak_checks.finding import EXAM, Guarded, LeakSearch, Looked, exam_guard, guarded_by
from services.dataset.leak_checks.leak_checks import LeakCheck, LeaksFile
from services.dataset.leak_checks.meanings import comparing_meanings
from services.dataset.leak_checks.store import LeakCheckStore
from services.dataset.versions.shards import PARQUET_TYPE
from services.dataset.versions.store import VersionStore
from services.dataset.versions.versions import DatasetVersion
from services.runtime.errors import SishuError
from services.runtime.ids import new_id
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder
from sishu.client import Client

ROWS = 1000

log = structlog.get_logger()


class LeakWorker:
    """Does the items of `find_leaks` jobs."""

    def __init__(
        self,
        jobs: Jobs,
        store: LeakCheckStore,
        benchmarks: Benchmarks,
        versions: VersionStore,
        storage: Storage,
        client: Client,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._store = store
        self._benchmarks = benchmarks
        self._versions = versions
        self._storage = storage
        # A check holds its benchmarks in memory.
        self._searching = asyncio.Semaphore(1)

    async def find_leaks(self, item: Item) -> None:
        """Compare the examples of a check, upload what leaks, and make the check complete.

        Raises:
            NotFound: a benchmark or the version was deleted meanwhile.
        """
        check = await self._store.get(item.resource_id)
        async with self._searching:
            with work_folder("dataset") as name:
                await self._find(item, check, name)

    async def _find(self, item: Item, check: LeakCheck, folder: Path) -> None:
        version = await self._version(check)
        shards = await self._fetched(version, folder) if version else []
        await self._jobs.set_progress(item.job_id, "reading questions")
        guarded = await self._guarded(check, shards, folder)
        search = LeakSearch(guarded, folder)
        options, tell = check.wanted.options, self._teller(item)
        async with comparing_meanings(
            self._client, options.embedding_provider_id, options.meaning_similarity, guarded
        ) as spent:
            if version:
                path = await asyncio.to_thread(search.run, rows_of(shards), tell)
            else:
                async with self._looked_at(check) as rows:
                    path = await asyncio.to_thread(search.run, rows, tell)
        counts = replace(search.counts, **spent().counts)
        # Every try has a key of its own.
        key = f"{check.prefix}{new_id()}.parquet"
        info = await self._storage.put_file(key, path, PARQUET_TYPE)
        try:
            async with self._jobs.finish(item) as connection:
                file = LeaksFile(key, info.size)
                await self._store.set_found(connection, check.id, counts, search.sources, file)
        except ItemClosed:
            with contextlib.suppress(SishuError):
                await self._storage.delete(key)
            raise
        log.info("leaks_found", leak_check_id=check.id, leaking_examples=counts.leaking_examples)

    async def _version(self, check: LeakCheck) -> DatasetVersion | None:
        if not check.wanted.version_id:
            return None
        version = await self._versions.get(check.wanted.version_id)
        version.check_ready()
        return version

    async def _fetched(self, version: DatasetVersion, folder: Path) -> list[tuple[Path, str]]:
        """The shards of a version in a folder, each with its split."""
        shards = []
        for number, file in enumerate(version.shards):
            path = folder / f"shard-{number}.parquet"
            await self._storage.get_file(file.key, path)
            shards.append((path, file.split))
        return shards

    async def _guarded(
        self, check: LeakCheck, shards: Sequence[tuple[Path, str]], folder: Path
    ) -> list[Guarded]:
        options = check.wanted.options
        found = []
        for benchmark_id in check.wanted.benchmark_ids:
            loaded = await self._benchmarks.guard(benchmark_id, folder, options.threshold, options.words)
            found.append(guarded_by(loaded))
        if check.wanted.against_exam:
            found.append(await self._exam(check, shards))
        return found

    async def _exam(self, check: LeakCheck, shards: Sequence[tuple[Path, str]]) -> Guarded:
        """The exam examples of the version, or of the project."""
        if check.wanted.version_id:
            looked = await asyncio.to_thread(list, rows_of(shards, exam=True))
        else:
            rows = await self._store.exam_rows(check.project_id)
            looked = [Looked(str(row["id"]), row["kind"], row["content"]) for row in rows]
        options = check.wanted.options
        return await asyncio.to_thread(exam_guard, looked, options.threshold, options.words)

    @asynccontextmanager
    async def _looked_at(self, check: LeakCheck) -> AsyncIterator[Iterator[Looked]]:
        loop = asyncio.get_running_loop()
        wanted = check.wanted.filter.text.lower()
        async with self._store.looked_at(check) as cursor:
            rows = (row for batch in batches(cursor, loop) for row in batch)
            yield (
                Looked(str(row["id"]), row["kind"], row["content"])
                for row in rows
                if not wanted or says(orjson.loads(row["content"]), wanted)
            )

    def _teller(self, item: Item) -> Callable[[int], None]:
        """Tells from a thread how far a check is, now and then."""
        loop, told = asyncio.get_running_loop(), 0

        def tell(count: int) -> None:
            nonlocal told
            if count >= told + TOLD_EVERY:
                told = count
                words = self._jobs.set_progress(item.job_id, f"{count} examples looked at")
                asyncio.run_coroutine_threadsafe(words, loop).result(FETCH_SECONDS)

        return tell


def rows_of(shards: Sequence[tuple[Path, str]], *, exam: bool = False) -> Iterator[Looked]:
    """The examples in shards: those of the exam, or all others."""
    for path, split in shards:
        if (split == EXAM) == exam:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(ROWS, columns=["id", "kind", "content"]):
                    for row in batch.to_pylist():
                        yield Looked(row["id"], row["kind"], row["content"], split)
