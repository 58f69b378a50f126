"""The dataset room's queue consumer: imports the questions of a generation, and makes dataset versions."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from services.dataset import manifest
from services.dataset.convert import example_from_question, needs_passage
from services.dataset.exam_split import Split
from services.dataset.formats import (
    BATCH,
    JSON,
    MadeFile,
    SplitFiles,
    frozen,
    parquet_name,
    read_parquet,
    write_dataset_info,
)
from services.dataset.source_marks import SourceMarks
from services.dataset.store import Snapshot, Store
from services.dataset.versions import DatasetVersion, VersionFile, entry_of, plan
from services.runtime.at_once import each_of
from services.runtime.db import Connection
from services.runtime.errors import SishuError
from services.runtime.ids import new_id
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import question_pb2, question_service_pb2
from sishu.ingest.v1 import chunk_service_pb2

PAGE = 200
"""Questions asked for at once."""
ENDED = (question_pb2.QUESTION_STATE_ANSWERED, question_pb2.QUESTION_STATE_REJECTED)
"""States of questions of which nothing more comes."""
MEMBERS = 200
"""Examples of a version that are stored at once."""

log = structlog.get_logger()


class ImportWorker:
    """Does the items of `import_examples` jobs."""

    def __init__(self, jobs: Jobs, store: Store, client: Client, marks: SourceMarks) -> None:
        self._jobs = jobs
        self._store = store
        self._client = client
        self._marks = marks

    async def import_examples(self, item: Item) -> None:
        """Make an example of every answered or rejected question of a generation that has none yet."""
        read = added = 0
        request = question_service_pb2.ListQuestionsRequest(
            project_id=item.project_id, generation_id=item.resource_id, page_size=PAGE
        )
        while True:
            page = await self._client.questions.ListQuestions(request)
            added += await self._import_page(item, page.questions)
            await self._marks.take_over(item.project_id, page.questions)
            read += len(page.questions)
            await self._jobs.set_progress(item.job_id, f"{read} questions read, {added} examples made")
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        async with self._jobs.finish(item):
            pass
        log.info("examples_imported", generation_id=item.resource_id, questions=read, examples=added)

    async def _import_page(self, item: Item, questions: Sequence[question_pb2.Question]) -> int:
        ended = [question for question in questions if question.state in ENDED]
        passages = await self._passages({one.chunk_ids[0] for one in ended if needs_passage(one)})
        examples = [
            example_from_question(one, passages.get(one.chunk_ids[0]) if needs_passage(one) else None)
            for one in ended
        ]
        origin = (item.job_id, item.project_id, item.resource_id)
        return await self._store.import_examples(*origin, examples) if examples else 0

    async def _passages(self, chunk_ids: Iterable[str]) -> dict[str, str]:
        """What chunks say, by their ids; those that are gone are left out."""
        found: dict[str, str] = {}

        async def read(chunk_id: str) -> None:
            try:
                answer = await self._client.chunks.GetChunk(chunk_service_pb2.GetChunkRequest(id=chunk_id))
            except ApiError as error:
                if error.reason != "CHUNK_NOT_FOUND":
                    raise
            else:
                found[chunk_id] = answer.chunk.text.strip()

        await each_of(chunk_ids, read)
        return found


class MarkWorker:
    """Does the items of `mark_sources` jobs."""

    def __init__(self, jobs: Jobs, marks: SourceMarks) -> None:
        self._jobs = jobs
        self._marks = marks

    async def mark_sources(self, item: Item) -> None:
        """Mark the examples of a project; one that begins again goes on with what is not marked yet."""

        async def tell(words: str) -> None:
            await self._jobs.set_progress(item.job_id, words)

        await self._marks.mark(item.project_id, item.job_id, tell)
        async with self._jobs.finish(item):
            pass


class VersionWorker:
    """Does the items of `make_dataset_version` jobs."""

    def __init__(self, jobs: Jobs, store: Store, storage: Storage) -> None:
        self._jobs = jobs
        self._store = store
        self._storage = storage
        # A version in the writing holds a connection and asks for others: some must always be left.
        self._writing = asyncio.Semaphore(max(1, store.pool.get_max_size() // 4))

    async def make_version(self, item: Item) -> None:
        """Split the kept examples, write and upload the files, and make the version complete.

        Raises:
            FailedPrecondition: no kept example is left.
        """
        version = await self._store.get_version(item.resource_id)
        with tempfile.TemporaryDirectory(prefix="sishu-dataset-") as folder:
            async with self._writing:
                split, made = await self._write(item, version, Path(folder))
            await self._jobs.set_progress(item.job_id, "uploading")
            # Every try has a prefix of its own: a slow double of this worker can spoil nothing.
            prefix = f"{version.prefix}{new_id()}/"
            content, files = await self._upload(version, split, Path(folder), prefix, made)
            try:
                async with self._jobs.finish(item) as connection:
                    await self._store.set_made(connection, version.id, split, content, files)
                    for side in split.sides:
                        await self._add_members(connection, version.id, side, Path(folder))
            except ItemClosed:
                await self._discard(prefix)
                raise
        log.info("dataset_version_made", dataset_version_id=version.id, content_sha256=content)

    async def _write(self, item: Item, version: DatasetVersion, folder: Path) -> tuple[Split, list[MadeFile]]:
        options = version.options
        async with self._store.snapshot() as snapshot:
            await self._jobs.set_progress(item.job_id, "reading examples")
            entries, history = [], False
            async for example in snapshot.kept_examples(version.project_id, options.generation_ids):
                entries.append(entry_of(example))
                history |= example.kind == "conversation"
            await self._jobs.set_progress(item.job_id, f"splitting {len(entries)} examples")
            split = await asyncio.to_thread(plan, entries, options)
            made = []
            for side, chosen in split.sides.items():
                files = SplitFiles(folder, side, options.system_prompt, history)
                await self._write_side(item, snapshot, side, [entry.id for entry in chosen], files)
                made += [*files.files, write_dataset_info(folder, side, history)]
        return split, made

    async def _write_side(
        self, item: Item, snapshot: Snapshot, side: str, ids: Sequence[str], files: SplitFiles
    ) -> None:
        with contextlib.closing(files):
            for start in range(0, len(ids), BATCH):
                examples = await snapshot.examples(ids[start : start + BATCH])
                await asyncio.to_thread(files.write, examples)
                await self._jobs.set_progress(item.job_id, f"writing {start + len(examples)} rows of {side}")

    async def _add_members(self, connection: Connection, version_id: str, side: str, folder: Path) -> None:
        rows, start = read_parquet(folder / parquet_name(side)), 0
        while batch := await asyncio.to_thread(lambda: list(itertools.islice(rows, MEMBERS))):
            members = {row["id"]: frozen(row) for row in batch}
            await self._store.add_members(connection, version_id, side, start, members)
            start += len(batch)

    async def _upload(
        self, version: DatasetVersion, split: Split, folder: Path, prefix: str, made: Sequence[MadeFile]
    ) -> tuple[str, list[VersionFile]]:
        parent_sha256 = await self._store.content_of(version.parent_id)
        try:
            files = [await self._put_file(folder, prefix, file) for file in made]
            content = manifest.manifest_of(version.options, split, files, parent_sha256)
            files.append(await self._put_manifest(prefix, content))
        except (SishuError, asyncio.CancelledError):
            await self._discard(prefix)
            raise
        return content["content_sha256"], files

    async def _put_file(self, folder: Path, prefix: str, file: MadeFile) -> VersionFile:
        key = prefix + file.name
        info = await self._storage.put_file(key, folder / file.name, file.media_type)
        return VersionFile(file.name, file.format, file.split, key, info.size, info.sha256)

    async def _put_manifest(self, prefix: str, content: Mapping[str, Any]) -> VersionFile:
        key = prefix + manifest.NAME
        info = await self._storage.put_bytes(key, manifest.manifest_bytes(content), JSON)
        return VersionFile(manifest.NAME, "", "", key, info.size, info.sha256)

    async def _discard(self, prefix: str) -> None:
        """Delete what this try uploaded; what stays goes with the version or the project."""
        with contextlib.suppress(SishuError):
            await self._storage.delete_prefix(prefix)
