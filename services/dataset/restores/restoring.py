"""Does the items of `restore_dataset_version` jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from services.dataset.restores.restores import Member, batches_of, ids_in, not_among
from services.dataset.restores.store import RestoreStore
from services.dataset.versions.store import VersionStore
from services.dataset.versions.versions import DatasetVersion, VersionFile
from services.runtime.db import had_again
from services.runtime.jobs import Item, Jobs
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder

log = structlog.get_logger()


class RestoreWorker:
    """Does the items of `restore_dataset_version` jobs."""

    def __init__(self, jobs: Jobs, store: RestoreStore, versions: VersionStore, storage: Storage) -> None:
        self._jobs = jobs
        self._store = store
        self._versions = versions
        self._storage = storage

    async def restore(self, item: Item) -> None:
        """Go on with a restore from where it has got to; each step is stored with its place.

        Raises:
            NotFound: the version was deleted meanwhile.
        """
        begun = await self._store.get(item.resource_id)
        version = await self._versions.get(begun["dataset_version_id"])
        await self._put_back(item, version, begun["place"])
        if begun["delete_added"] and begun["last"]:
            await self._delete_added(item, version)
        async with self._jobs.finish(item):
            pass
        log.info("dataset_version_restored", dataset_version_id=version.id, change_id=item.resource_id)

    async def _put_back(self, item: Item, version: DatasetVersion, done: int) -> None:
        start = 0
        for shard in version.shards:
            place, start = max(start, done), start + shard.rows
            if place >= start:
                continue
            async with self._fetched([shard]) as (path,):
                skipped = place - (start - shard.rows)
                batches = batches_of(path, version.options.system_prompt, skipped)
                while batch := await asyncio.to_thread(following, batches):
                    await self._step(item, place, batch)
                    place += len(batch)

    async def _step(self, item: Item, place: int, batch: Sequence[Member]) -> None:
        await had_again(lambda: self._store.put_back(item.resource_id, item.project_id, place, batch))
        await self._tell(item)

    async def _delete_added(self, item: Item, version: DatasetVersion) -> None:
        async with self._fetched(version.shards) as paths:
            held = await asyncio.to_thread(ids_in, paths)
        while await had_again(
            lambda: self._store.delete_added(
                item.resource_id, item.project_id, version.create_time, lambda ids: not_among(ids, held)
            )
        ):
            await self._tell(item)

    @asynccontextmanager
    async def _fetched(self, shards: Sequence[VersionFile]) -> AsyncIterator[list[Path]]:
        with work_folder("dataset") as folder:
            paths = [folder / f"{number}.parquet" for number in range(len(shards))]
            for shard, path in zip(shards, paths, strict=True):
                await self._storage.get_file(shard.key, path)
            yield paths

    async def _tell(self, item: Item) -> None:
        now = await self._store.get(item.resource_id)
        progress = f"{now['changed']} examples restored, {now['skipped']} as they were"
        await self._jobs.set_progress(item.job_id, progress)


def following(batches: Iterator[list[Member]]) -> list[Member]:
    """The next batch; an empty one at the end."""
    return next(batches, [])
