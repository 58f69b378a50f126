"""Does the items of `make_dataset_statistics` jobs, and reads what they have made."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import structlog

from services.dataset.statistics.covering import DOCUMENTS, covered, sum_of
from services.dataset.statistics.project import Project
from services.dataset.statistics.statistics import DatasetStatistics, Figures
from services.dataset.statistics.store import StatisticsStore
from services.dataset.statistics.studying import Study
from services.dataset.versions.store import VersionStore
from services.dataset.versions.versions import DatasetVersion
from services.runtime.errors import SishuError
from services.runtime.ids import new_id
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder
from sishu.client import Client

if TYPE_CHECKING:
    from tokenizers import Tokenizer

JSON = "application/json"
TOLD_EVERY = 20_000
"""Examples after which the job says how far it is."""
TELL_SECONDS = 60.0

LoadTokenizer = Callable[[str], Awaitable["Tokenizer | None"]]

log = structlog.get_logger()


class StatisticsWorker:
    """Does the items of `make_dataset_statistics` jobs."""

    def __init__(
        self,
        jobs: Jobs,
        store: StatisticsStore,
        versions: VersionStore,
        storage: Storage,
        client: Client,
        load_tokenizer: LoadTokenizer,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._versions = versions
        self._storage = storage
        self._client = client
        self._load_tokenizer = load_tokenizer
        # The sketches of one version may take a GB.
        self._studying = asyncio.Semaphore(1)

    async def make_statistics(self, item: Item) -> None:
        """Study a version, upload the figures, and make the statistics complete.

        Raises:
            NotFound: the version was deleted meanwhile.
            InvalidArgument: the tokenizer cannot be had.
            ApiError: a room that is asked for documents or tags does not answer.
        """
        statistics = await self._store.get(item.resource_id)
        version = await self._versions.get(statistics.version_id)
        async with self._studying:
            figures = await self._figures(item, statistics, version)
        # Every try has a key of its own; it goes with the version.
        key = f"{version.prefix}statistics/{statistics.id}/{new_id()}.json"
        await self._storage.put_bytes(key, orjson.dumps(figures.as_json()), JSON)
        try:
            async with self._jobs.finish(item) as connection:
                await self._store.set_made(connection, statistics.id, key)
        except ItemClosed:
            with contextlib.suppress(SishuError):
                await self._storage.delete(key)
            raise
        log.info("dataset_statistics_made", dataset_version_id=version.id)

    async def _figures(self, item: Item, statistics: DatasetStatistics, version: DatasetVersion) -> Figures:
        tokenizer = await self._load_tokenizer(statistics.options.tokenizer)
        study = Study(statistics.options, tokenizer, self._teller(item))
        with work_folder("dataset") as folder:
            shards = await self._fetched(version, folder)
            await asyncio.to_thread(study.read, shards)
        await self._jobs.set_progress(item.job_id, "comparing with the documents")
        project = Project(self._client, version.project_id)
        titles = await project.tag_titles() if study.tag_ids() else {}
        documents = covered(await project.documents(), study.documents)
        return Figures(
            split_counts=dict(study.split_counts),
            lengths=study.lengths(),
            facets=study.facets(titles),
            mean_score=study.mean_score(),
            documents=documents[:DOCUMENTS],
            more_documents=len(documents[DOCUMENTS:]),
            all_documents=sum_of(documents),
            copies=await asyncio.to_thread(study.copies),
            samples=study.samples(),
        )

    async def _fetched(self, version: DatasetVersion, folder: Path) -> list[tuple[str, Path]]:
        shards = []
        for number, file in enumerate(version.shards):
            path = folder / f"{number}.parquet"
            await self._storage.get_file(file.key, path)
            shards.append((file.split, path))
        return shards

    def _teller(self, item: Item) -> Callable[[int], None]:
        """Says in a thread how many examples were read."""
        loop, told = asyncio.get_running_loop(), 0

        def tell(count: int) -> None:
            nonlocal told
            if count >= told + TOLD_EVERY:
                told = count
                words = self._jobs.set_progress(item.job_id, f"{count} examples read")
                asyncio.run_coroutine_threadsafe(words, loop).result(TELL_SECONDS)

        return tell


async def with_figures(statistics: DatasetStatistics, storage: Storage) -> DatasetStatistics:
    """Statistics with what was computed, once it is there."""
    if not statistics.key:
        return statistics
    values = orjson.loads(await storage.get_bytes(statistics.key))
    return replace(statistics, figures=Figures.of(values))
