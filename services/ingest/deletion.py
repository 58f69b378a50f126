"""Delete a document with its objects, and a project everywhere: at last here."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from services.ingest.store import Store
from services.runtime.db import transaction
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest

T = TypeVar("T")

DELETED_AT_ONCE = 16


@dataclass(frozen=True)
class Deleted:
    """How many of each went."""

    documents: int
    chunks: int
    objects: int


LATER_ROOMS = ("inference", "trainer", "dataset", "generation")
"""The rooms that hold what came out of documents, the last first."""


async def delete_project(
    project_id: str, store: Store, storage: Storage, client: Client
) -> tuple[dict[str, int], int]:
    """Delete rows and objects of a project; return the rows by table, and the number of objects.

    First the project is hidden, so that it grows no more. Rows go before objects, so that work in progress
    stores nothing any more that would stay. The project's own row goes last, so a call that failed in the
    middle can be repeated.

    Raises:
        NotFound: there is no such project.
        ApiError: a room could not delete its part; repeat the call.
    """
    await store.begin_deletion(project_id)
    request = DeleteProjectDataRequest(project_id=project_id)
    answers = [await client.project_data(room).DeleteProjectData(request) for room in LATER_ROOMS]
    rows = {table: count for answer in answers for table, count in answer.deleted_rows.items()}
    own = await store.delete_project_data(project_id)
    objects = sum(answer.deleted_objects for answer in answers)
    objects += await storage.delete_prefix(f"documents/{project_id}/")
    await store.delete_project(project_id)
    own_rows = {f"ingest.{table}": count for table, count in (own | {"projects": 1}).items()}
    return rows | own_rows, objects


async def delete_document(document_id: str, store: Store, storage: Storage) -> Deleted:
    """Delete the rows and objects of a document, and the documents that it holds.

    The rows commit last, so a call that failed in the middle can be repeated.

    Raises:
        NotFound: there is no such document.
        Unavailable: the S3 server could not delete the objects; repeat the call.
    """
    document = await store.get_document(document_id)
    async with transaction(store.pool) as connection:
        document_ids = await store.documents_under(connection, document.id)
        chunks, file_keys = await store.delete_documents(connection, document_ids)
        await some_at_a_time([storage.delete(key) for key in file_keys])
        prefixes = [f"documents/{document.project_id}/{one}/" for one in document_ids]
        found = await some_at_a_time([storage.delete_prefix(prefix) for prefix in prefixes])
    return Deleted(len(document_ids), chunks, len(file_keys) + sum(count or 0 for count in found))


async def some_at_a_time(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What calls return, in their order."""
    slots = asyncio.Semaphore(DELETED_AT_ONCE)

    async def one(call: Coroutine[Any, Any, T]) -> T:
        async with slots:
            return await call

    return await asyncio.gather(*map(one, calls))
