"""Does the items of `make_export` jobs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from services.dataset.exports.bundles import Made
from services.dataset.exports.exports import Export, ExportFile
from services.dataset.exports.plan import FilePlan, bundle_of, plan_files, wanted_kinds
from services.dataset.exports.shards import Shard, shard_at
from services.dataset.exports.store import ExportStore
from services.dataset.exports.survey import Survey, survey
from services.dataset.exports.writing import FileWriter
from services.dataset.versions.store import VersionStore
from services.dataset.versions.versions import DatasetVersion
from services.runtime.errors import ResourceExhausted, SishuError
from services.runtime.ids import new_id
from services.runtime.jobs import Item, Jobs
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder

TELL_SECONDS = 1.0
MEDIA_TYPES = {".json": "application/json", ".yaml": "application/yaml", ".md": "text/markdown"}
LINES = "application/jsonl"

log = structlog.get_logger()


class Stopped(Exception):
    """The item is no longer wanted; ends the thread that writes."""


@dataclass
class Progress:
    """How many examples a thread has looked at; `stopped` ends it."""

    looked_at: int = 0
    stopped: bool = False

    def advance(self, count: int) -> None:
        """Count more of them, in the thread."""
        if self.stopped:
            raise Stopped
        self.looked_at += count


class ExportWorker:
    """Does the items of `make_export` jobs."""

    def __init__(self, jobs: Jobs, store: ExportStore, versions: VersionStore, storage: Storage) -> None:
        self._jobs = jobs
        self._store = store
        self._versions = versions
        self._storage = storage

    async def make_export(self, item: Item) -> None:
        """Write and upload the files that are not there yet, and make the export complete.

        Raises:
            FailedPrecondition: no example finds a place.
            ResourceExhausted: the disk is full.
        """
        export = await self._store.get(item.resource_id)
        version = await self._versions.get(export.dataset_version_id)
        with work_folder("dataset") as folder, disk_errors():
            making = Making(self._jobs, self._store, self._storage, item, export, version, folder)
            await making.make()
        log.info("export_made", export_id=export.id, dataset_version_id=version.id)


class Making:
    """The making of one export by one worker."""

    def __init__(
        self,
        jobs: Jobs,
        store: ExportStore,
        storage: Storage,
        item: Item,
        export: Export,
        version: DatasetVersion,
        folder: Path,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._storage = storage
        self._item = item
        self._export = export
        self._version = version
        self._folder = folder
        # Every try has a prefix of its own: a slow double of this worker can spoil nothing.
        self._prefix = f"{export.prefix(version.prefix)}{new_id()}/"

    async def make(self) -> None:
        """Make what is missing."""
        options = self._export.options
        shards = await self._fetch()
        await self._tell("looking through the examples")
        bundle = bundle_of(options)
        found = await asyncio.to_thread(survey, shards, options, wanted_kinds(options, bundle))
        plans = plan_files(options, shards, found)
        there = {file.name: file for file in self._export.files}
        made: list[Made] = []
        for at, plan in enumerate(plans, 1):
            file = there.get(plan.name) or await self._file(plan, found, f"file {at} of {len(plans)}")
            if file:
                made.append(file.made)
        for name, text in bundle.papers(made, options).items():
            if name not in there:
                await self._paper(name, text)
        async with self._jobs.finish(self._item) as connection:
            await self._store.set_made(connection, self._export.id)

    async def _fetch(self) -> list[Shard]:
        """The shards of the splits that are wanted, from the bucket."""
        options = self._export.options
        wanted = [file for file in self._version.shards if options.wants_split(file.split)]
        shards = []
        for at, file in enumerate(wanted, 1):
            await self._tell(f"fetching part {at} of {len(wanted)} of the version")
            path = self._folder / f"{at:05d}.parquet"
            await self._storage.get_file(file.key, path)
            shards.append(await asyncio.to_thread(shard_at, file.split, path))
        return shards

    async def _file(self, plan: FilePlan, found: Survey, which: str) -> ExportFile | None:
        """Make a file and note it; nothing where it would have no rows."""
        path, left_out_path = self._folder / "file", self._folder / "left_out"
        writer = FileWriter(plan, self._export.options, found)
        rows = sum(shard.rows for shard in plan.shards)
        async with self._told(f"writing {plan.name} ({which})", rows) as progress:
            written = await asyncio.to_thread(writer.write, path, left_out_path, progress.advance)
        named = [await self._left_out(plan, left_out_path)] if written.left_out else []
        if not written.rows and not plan.may_be_empty:
            # There is no file to tell of whom it leaves out: the one that names them tells it.
            await self._note([replace(one, split=plan.split, left_out=written.left_out) for one in named])
            return None
        await self._tell(f"uploading {plan.name} ({which})")
        info = await self._storage.put_file(self._prefix + plan.name, path, plan.media_type)
        file = ExportFile(
            plan.name,
            self._prefix + plan.name,
            plan.media_type,
            info.size,
            info.sha256,
            plan.shape,
            plan.split,
            written.rows,
            written.examples,
            written.left_out,
        )
        await self._note([file, *named])
        await asyncio.to_thread(path.unlink)
        return file

    async def _left_out(self, plan: FilePlan, path: Path) -> ExportFile:
        """The file that names whom a file leaves out."""
        name = plan.left_out_name
        info = await self._storage.put_file(self._prefix + name, path, LINES)
        await asyncio.to_thread(path.unlink)
        return ExportFile(name, self._prefix + name, LINES, info.size, info.sha256)

    async def _paper(self, name: str, text: str) -> None:
        media_type = MEDIA_TYPES[Path(name).suffix]
        key = self._prefix + name
        info = await self._storage.put_bytes(key, text.encode(), media_type)
        await self._note([ExportFile(name, key, media_type, info.size, info.sha256)])

    async def _note(self, files: list[ExportFile]) -> None:
        """Note files as complete; where another worker was faster, its bytes are the same, and ours go."""
        if not await self._store.add_files(self._export.id, self._item.job_id, files):
            with contextlib.suppress(SishuError):
                for file in files:
                    await self._storage.delete(file.key)

    @asynccontextmanager
    async def _told(self, words: str, total: int) -> AsyncIterator[Progress]:
        """Tell how far a thread is, until it is through; it stops where this is cancelled."""
        progress = Progress()

        async def tell() -> None:
            while not progress.stopped:
                await self._tell(f"{words}: {progress.looked_at} of {total} examples")
                await asyncio.sleep(TELL_SECONDS)

        teller = asyncio.create_task(tell())
        try:
            yield progress
        finally:
            progress.stopped = True
            teller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await teller

    async def _tell(self, words: str) -> None:
        await self._jobs.set_progress(self._item.job_id, words)


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Say in plain words that the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise ResourceExhausted(
            "DISK_FULL",
            "the disk of the dataset room's worker is full; free space in its folder for temporary files: "
            "the job tries again by itself for a while, and goes on from what is complete; after that ask "
            "for the export again",
        ) from error
