"""Delete a document with its objects, and a project everywhere: at last here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from services.ingest.deletion_store import DeletionStore
from services.ingest.documents import Deletion
from services.ingest.sweeping import sweep_often
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest

T = TypeVar("T")

DELETED_AT_ONCE = 16
SWEEP_SECONDS = 60.0
LEFT_AFTER_SECONDS = 600.0
"""A deletion that began so long ago is in nobody's hands any more."""
SWEPT_AT_ONCE = 100

log = structlog.get_logger()


@dataclass(frozen=True)
class Deleted:
    """How many of each went."""

    documents: int
    chunks: int
    objects: int


LATER_ROOMS = ("inference", "trainer", "dataset", "generation")
"""The rooms that hold what came out of documents, the last first."""


async def delete_project(
    project_id: str, store: DeletionStore, storage: Storage, client: Client
) -> tuple[dict[str, int], int]:
    """Delete rows and objects of a project; return the rows by table, and the number of objects.

    First the project is hidden, so that it grows no more. Rows go before objects, so that work in progress
    stores nothing any more that would stay. The project's own row goes last, so a call that failed in the
    middle can be repeated.

    Raises:
        NotFound: there is no such project.
        ApiError: a room could not delete its part; repeat the call.
    """
    await store.begin_project(project_id)
    request = DeleteProjectDataRequest(project_id=project_id)
    answers = [await client.project_data(room).DeleteProjectData(request) for room in LATER_ROOMS]
    rows = {table: count for answer in answers for table, count in answer.deleted_rows.items()}
    own = await store.delete_project_data(project_id)
    objects = sum(answer.deleted_objects for answer in answers)
    objects += await storage.delete_prefix(f"documents/{project_id}/")
    await store.delete_project(project_id)
    own_rows = {f"ingest.{table}": count for table, count in (own | {"projects": 1}).items()}
    return rows | own_rows, objects


async def delete_document(document_id: str, store: DeletionStore, storage: Storage) -> Deleted:
    """Delete the rows and objects of a document, and the documents that it holds.

    The rows go first, and leave a note of the objects: a call that failed in the middle can be repeated, and
    what nobody repeats is swept.

    Raises:
        NotFound: there is no such document.
        Unavailable: the S3 server could not delete the objects; repeat the call.
    """
    deletion = await store.begin_document(document_id)
    objects = await delete_objects(deletion, storage)
    await store.end(document_id)
    return Deleted(len(deletion.document_ids), deletion.chunk_count, objects)


async def delete_objects(deletion: Deletion, storage: Storage) -> int:
    """Delete the objects of documents that are gone; return how many."""
    await some_at_a_time([storage.delete(key) for key in deletion.file_keys])
    prefixes = [f"documents/{deletion.project_id}/{one}/" for one in deletion.document_ids]
    found = await some_at_a_time([storage.delete_prefix(prefix) for prefix in prefixes])
    return len(deletion.file_keys) + sum(found)


class DeletionSweeper:
    """Ends the deletions of documents that were left in the middle."""

    def __init__(self, store: DeletionStore, storage: Storage) -> None:
        self._store = store
        self._storage = storage

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep often until `stop` is set."""
        await sweep_often(self._sweep_some, SWEEP_SECONDS, stop)

    async def _sweep_some(self) -> bool:
        """End the first of the deletions that are left; whether there may be more."""
        left = await self._store.unfinished(LEFT_AFTER_SECONDS, SWEPT_AT_ONCE)
        for deletion in left:
            objects = await delete_objects(deletion, self._storage)
            await self._store.end(deletion.document_id)
            log.info("deletion_swept", document_id=deletion.document_id, objects=objects)
        return len(left) == SWEPT_AT_ONCE


async def some_at_a_time(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What calls return, in their order."""
    slots = asyncio.Semaphore(DELETED_AT_ONCE)

    async def one(call: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await call

    return await asyncio.gather(*map(one, calls))
