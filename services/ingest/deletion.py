"""Delete a document with its objects, and a project everywhere: at last here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from services.ingest.deletion_store import DeletionStore
from services.ingest.documents import Deletion
from services.runtime.faults import as_sishu_error
from services.runtime.storage import Storage
from services.runtime.sweeping import sweep_often

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


@dataclass(frozen=True)
class DeletedData:
    """What went of a project: rows by table, and how many objects."""

    rows: Mapping[str, int]
    objects: int


class LaterRooms(Protocol):
    """The rooms that hold what came out of documents."""

    async def delete_project(self, project_id: str) -> DeletedData:
        """Delete all that they hold of a project; can be repeated."""
        ...


async def delete_project(
    project_id: str, store: DeletionStore, storage: Storage, later: LaterRooms
) -> DeletedData:
    """Delete rows and objects of a project, in the later rooms before this one.

    First the project is hidden, so that it grows no more. Rows go before objects, so that work in progress
    stores nothing any more that would stay. The project's own row goes last, so a call that failed in the
    middle can be repeated.

    Raises:
        NotFound: there is no such project.
        ApiError: a room could not delete its part; repeat the call.
    """
    await store.begin_project(project_id)
    deleted = await later.delete_project(project_id)
    own = await store.delete_project_data(project_id)
    objects = await storage.delete_prefix(f"documents/{project_id}/")
    await store.delete_project(project_id)
    rows = {f"ingest.{table}": count for table, count in (own | {"projects": 1}).items()}
    return DeletedData({**deleted.rows, **rows}, deleted.objects + objects)


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
        self._after: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep often until `stop` is set."""
        await sweep_often("deletions", self._sweep_some, SWEEP_SECONDS, stop)

    async def _sweep_some(self) -> bool:
        """Try to end some of the deletions that are left, by id; whether there may be more behind them."""
        left = await self._store.unfinished(LEFT_AFTER_SECONDS, self._after, SWEPT_AT_ONCE)
        for deletion in left:
            await self._end(deletion)
        more = len(left) == SWEPT_AT_ONCE
        self._after = left[-1].document_id if more else None
        return more

    async def _end(self, deletion: Deletion) -> None:
        """End a deletion; one that fails is tried at the next sweep, and keeps back none behind it."""
        try:
            objects = await delete_objects(deletion, self._storage)
            await self._store.end(deletion.document_id)
        except Exception as error:
            message = as_sishu_error(error).message
            log.warning("deletion_not_swept", document_id=deletion.document_id, error=message)
            return
        log.info("deletion_swept", document_id=deletion.document_id, objects=objects)


async def some_at_a_time(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What calls return, in their order."""
    slots = asyncio.Semaphore(DELETED_AT_ONCE)

    async def one(call: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await call

    return await asyncio.gather(*map(one, calls))
