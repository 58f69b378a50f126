"""Does the items of jobs that search for duplicates, and of those that reject them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import structlog

from services.dataset.deduplications.clustering import Found, find_duplicates
from services.dataset.deduplications.comparing import Comparison
from services.dataset.deduplications.deduplications import Deduplication
from services.dataset.deduplications.store import ROWS, DeduplicationStore
from services.runtime.db import had_again
from services.runtime.jobs import Item, Jobs

TOLD_EVERY = 20_000
"""Examples after which the job says how far it is."""
FETCH_SECONDS = 120.0

log = structlog.get_logger()


class DuplicateWorker:
    """Does the items of `find_duplicates` and `apply_deduplication` jobs."""

    def __init__(self, jobs: Jobs, store: DeduplicationStore) -> None:
        self._jobs = jobs
        self._store = store
        # One search holds up to some GB.
        self._searching = asyncio.Semaphore(1)

    async def find_duplicates(self, item: Item) -> None:
        """Compare the examples of a search, and store the clusters with the end of the job."""
        search = await self._store.get(item.resource_id)
        async with self._searching:
            comparison, found = await self._search(item, search)
        async with self._jobs.finish(item) as connection:
            await self._store.set_found(connection, search.id, comparison, found)
        log.info("duplicates_found", deduplication_id=search.id, duplicates=len(found.rows))

    async def apply_deduplication(self, item: Item) -> None:
        """Go on with rejecting from where it has got to; each step is stored with its place."""
        while await had_again(lambda: self._store.apply_some(item.resource_id, item.job_id)):
            search = await self._store.get(item.resource_id)
            progress = f"{search.rejected} examples rejected, {search.skipped} left as they are"
            await self._jobs.set_progress(item.job_id, progress)
        async with self._jobs.finish(item):
            pass
        log.info("deduplication_applied", deduplication_id=item.resource_id)

    async def _search(self, item: Item, search: Deduplication) -> tuple[Comparison, Found]:
        comparison = Comparison(search.options.compared_by, search.filter.text.lower())
        loop = asyncio.get_running_loop()
        told = 0

        def tell(count: int) -> None:
            nonlocal told
            if count >= told + TOLD_EVERY:
                told = count
                words = self._jobs.set_progress(item.job_id, f"{count} examples read")
                asyncio.run_coroutine_threadsafe(words, loop).result(FETCH_SECONDS)

        async with self._store.compared(search) as cursor:
            held = await asyncio.to_thread(comparison.sketched, batches(cursor, loop), tell)
        await self._jobs.set_progress(item.job_id, f"comparing {len(held)} examples")
        threshold = search.options.threshold
        return comparison, await asyncio.to_thread(find_duplicates, held, comparison.columns(), threshold)


def batches(cursor: Any, loop: asyncio.AbstractEventLoop) -> Iterator[Sequence[Any]]:
    """The rows of a cursor for a thread, some at a time; the next come while some are worked on."""

    def fetch() -> Future[Sequence[Any]]:
        return asyncio.run_coroutine_threadsafe(cursor.fetch(ROWS), loop)

    coming = fetch()
    while rows := coming.result(FETCH_SECONDS):
        coming = fetch()
        yield rows
