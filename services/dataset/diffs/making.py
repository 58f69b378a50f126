"""Does the items of `make_dataset_diff` jobs."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from services.dataset.diffs.comparing import Held, compare, held_in, write_changes
from services.dataset.diffs.diffs import ChangesFile
from services.dataset.diffs.store import DiffStore
from services.dataset.versions.shards import PARQUET_TYPE
from services.dataset.versions.store import VersionStore
from services.dataset.versions.versions import DatasetVersion
from services.runtime.errors import SishuError
from services.runtime.ids import new_id
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder


class DiffWorker:
    """Does the items of `make_dataset_diff` jobs."""

    def __init__(self, jobs: Jobs, store: DiffStore, versions: VersionStore, storage: Storage) -> None:
        self._jobs = jobs
        self._store = store
        self._versions = versions
        self._storage = storage

    async def make_diff(self, item: Item) -> None:
        """Compare two versions, upload the changes, and make the diff complete.

        Raises:
            NotFound: a version was deleted meanwhile.
        """
        diff = await self._store.get(item.resource_id)
        base, version = await self._versions.get(diff.base_id), await self._versions.get(diff.version_id)
        with work_folder("dataset") as folder:
            held = [await self._held(one, folder) for one in (base, version)]
            counts, rows = await asyncio.to_thread(compare, *held)
            path = folder / "changes.parquet"
            await asyncio.to_thread(write_changes, rows, path)
            # Every try has a key of its own; it goes with the version.
            key = f"{version.prefix}diffs/{diff.id}/{new_id()}.parquet"
            info = await self._storage.put_file(key, path, PARQUET_TYPE)
        try:
            async with self._jobs.finish(item) as connection:
                await self._store.set_made(connection, diff.id, counts, ChangesFile(key, info.size))
        except ItemClosed:
            with contextlib.suppress(SishuError):
                await self._storage.delete(key)
            raise

    async def _held(self, version: DatasetVersion, folder: Path) -> Held:
        shards = []
        for number, file in enumerate(version.shards):
            path = folder / f"{version.id}-{number}.parquet"
            await self._storage.get_file(file.key, path)
            shards.append((path, file.split))
        return await asyncio.to_thread(held_in, shards)
