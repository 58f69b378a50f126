"""Does the items of jobs that search for duplicates, and of those that reject them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from services.dataset.copies.sketches import Sketches
from services.dataset.deduplications.clustering import Found, find_duplicates
from services.dataset.deduplications.comparing import Comparison
from services.dataset.deduplications.deduplications import Deduplication, DeduplicationCounts
from services.dataset.deduplications.embedding import TextFile, ToFile
from services.dataset.deduplications.store import ROWS, DeduplicationStore
from services.dataset.embedding import EmbeddingCost, TextEmbedder
from services.runtime.db import had_again
from services.runtime.jobs import Item, Jobs
from services.runtime.work_folders import work_folder
from sishu.client import Client

TOLD_EVERY = 20_000
"""Examples after which the job says how far it is."""
FETCH_SECONDS = 120.0

log = structlog.get_logger()


class DuplicateWorker:
    """Does the items of `find_duplicates` and `apply_deduplication` jobs."""

    def __init__(self, jobs: Jobs, store: DeduplicationStore, client: Client) -> None:
        self._jobs = jobs
        self._store = store
        self._client = client
        # One search holds up to some GB.
        self._searching = asyncio.Semaphore(1)

    async def find_duplicates(self, item: Item) -> None:
        """Compare the examples of a search, and store the clusters with the end of the job."""
        search = await self._store.get(item.resource_id)
        async with self._searching:
            with work_folder("dataset") as folder:
                comparison, found, cost = await self._search(item, search, folder)
        async with self._jobs.finish(item) as connection:
            await self._store.set_found(connection, search.id, comparison, found, cost)
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

    async def _search(
        self, item: Item, search: Deduplication, folder: Path
    ) -> tuple[Comparison, Found, DeduplicationCounts]:
        options, cost = search.options, EmbeddingCost()
        texts = TextFile(folder / "texts") if options.embedding_provider_id else None
        comparison = Comparison(options.compared_by, search.filter.text.lower(), texts.add if texts else None)
        held = await self._sketched(item, search, comparison)
        meanings = None
        if texts:
            meanings, cost = await ToFile(TextEmbedder(self._client, options.embedding_provider_id)).embedded(
                texts.texts(),
                comparison.columns().digests,
                options.meaning_similarity,
                folder,
                partial(self._jobs.set_progress, item.job_id),
            )
        await self._jobs.set_progress(item.job_id, f"comparing {len(held)} examples")
        found = await asyncio.to_thread(
            find_duplicates, held, comparison.columns(), options.threshold, meanings
        )
        return comparison, found, DeduplicationCounts(**cost.counts)

    async def _sketched(self, item: Item, search: Deduplication, comparison: Comparison) -> Sketches:
        """Let the examples of a search pass by."""
        loop = asyncio.get_running_loop()
        told = 0

        def tell(count: int) -> None:
            nonlocal told
            if count >= told + TOLD_EVERY:
                told = count
                words = self._jobs.set_progress(item.job_id, f"{count} examples read")
                asyncio.run_coroutine_threadsafe(words, loop).result(FETCH_SECONDS)

        async with self._store.compared(search) as cursor:
            return await asyncio.to_thread(comparison.sketched, batches(cursor, loop), tell)


def batches(cursor: Any, loop: asyncio.AbstractEventLoop) -> Iterator[Sequence[Any]]:
    """The rows of a cursor for a thread, some at a time; the next come while some are worked on."""

    def fetch() -> Future[Sequence[Any]]:
        return asyncio.run_coroutine_threadsafe(cursor.fetch(ROWS), loop)

    coming = fetch()
    while rows := coming.result(FETCH_SECONDS):
        coming = fetch()
        yield rows
