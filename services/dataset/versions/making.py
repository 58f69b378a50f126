"""Does the items of `make_dataset_version` jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from services.dataset.benchmarks.guards import Benchmarks
from services.dataset.leak_checks.finding import guarded_by
from services.dataset.versions import manifest
from services.dataset.versions.planning import Made
from services.dataset.versions.replaying import ReplaySource
from services.dataset.versions.store import VersionStore
from services.dataset.versions.uploading import ShardUploads
from services.dataset.versions.versions import DatasetVersion, VersionFile
from services.dataset.versions.writing import VersionWriter
from services.runtime.ids import new_id
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder
from sishu.client import Client

log = structlog.get_logger()


class VersionWorker:
    """Does the items of `make_dataset_version` jobs."""

    def __init__(
        self, jobs: Jobs, store: VersionStore, storage: Storage, benchmarks: Benchmarks, client: Client
    ) -> None:
        self._client = client
        self._benchmarks = benchmarks
        self._jobs = jobs
        self._store = store
        self._storage = storage
        # A version in the writing holds a connection and asks for others: some must always be left.
        self._writing = asyncio.Semaphore(max(1, store.pool.get_max_size() // 4))

    async def make_version(self, item: Item) -> None:
        """Split the kept examples, write and upload the files, and make the version complete.

        Raises:
            NotFound: a benchmark, or the version with general data, was deleted meanwhile.
            FailedPrecondition: no kept example is left, or leaks block the version.
        """
        version = await self._store.get(item.resource_id)
        with work_folder("dataset") as folder:
            async with ShardUploads(self._storage, f"{version.prefix}{new_id()}/") as uploads:
                made = await self._write(item, version, folder, uploads)
                await self._jobs.set_progress(item.job_id, "uploading")
                content, files = await self._finish(version, made, uploads)
            try:
                async with self._jobs.finish(item) as connection:
                    await self._store.set_made(connection, version.id, made, content, files)
            except ItemClosed:
                await uploads.discard()
                raise
        log.info("dataset_version_made", dataset_version_id=version.id, content_sha256=content)

    async def _write(self, item: Item, version: DatasetVersion, folder: Path, uploads: ShardUploads) -> Made:
        async with self._writing:
            guarded = [
                guarded_by(await self._benchmarks.guard(one, folder)) for one in version.options.benchmark_ids
            ]
            replay = await self._replay(version, folder)
            writer = VersionWriter(
                self._jobs, self._store, item, version, folder, self._client, guarded, replay
            )
            return await writer.write(uploads.add)

    async def _finish(
        self, version: DatasetVersion, made: Made, uploads: ShardUploads
    ) -> tuple[str, list[VersionFile]]:
        """The hash of the content, and all files when they are uploaded."""
        parent_sha256 = await self._store.content_of(version.parent_id)
        files = await uploads.files()
        content = manifest.manifest_of(version.options, made, files, parent_sha256)
        return content["content_sha256"], [*files, await uploads.put_manifest(content)]

    async def _replay(self, version: DatasetVersion, folder: Path) -> ReplaySource | None:
        """What the version with general data trains on, in a folder; nothing where none is named."""
        replay = version.options.replay
        if replay is None or not replay.dataset_version_id:
            return None
        found = await self._store.get(replay.dataset_version_id)
        found.check_ready()
        paths = []
        for file in found.files:
            if file.split == "train":
                paths.append(folder / f"replay-{file.file_name}")
                await self._storage.get_file(file.key, paths[-1])
        return ReplaySource(found, paths)
