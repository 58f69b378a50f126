"""Deleting documents and projects: all of it goes, and what failed in the middle can be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import psutil
import pytest

from services.runtime.ids import new_id
from services.runtime.interceptors import Context
from services.runtime.metrics import RuntimeMetrics
from services.runtime.server import Server, Servicer
from sishu.client import Client
from sishu.common.v1 import job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataResponse as ProjectDataResponse
from sishu.common.v1.project_data_service_pb2_grpc import (
    ProjectDataServiceServicer,
    add_ProjectDataServiceServicer_to_server,
)
from sishu.errors import ApiError
from sishu.ingest.v1 import document_service_pb2 as pb
from sishu.ingest.v1 import project_service_pb2 as project_pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    ENDLESS,
    HANDBOOK,
    SMALL,
    announce,
    chunks_of,
    failure,
    new_project,
    parse,
    upload,
)
from tests.integration.processes import eventually
from tests.integration.stores import HOST, Rooms, Stores


@pytest.fixture
def client(rooms: Rooms) -> Client:
    return rooms.client


async def test_a_deleted_document_leaves_no_chunk_and_no_object_of_any_version(
    client: Client, rooms: Rooms
) -> None:
    project = await new_project(client)
    for text in (HANDBOOK, HANDBOOK + "more\n"):
        document = await upload(client, project, "a.md", text.encode())
        await parse(client, project, **SMALL)
    deleted = await client.documents.DeleteDocument(pb.DeleteDocumentRequest(id=document.id))
    assert (deleted.deleted_chunks, deleted.deleted_objects) == (4, 4)
    assert await chunks_of(client, project) == []
    assert (
        await failure(client.documents.GetDocument(pb.GetDocumentRequest(id=document.id)))
    ).code == "NOT_FOUND"
    async with rooms.stores.storage() as storage:
        assert await storage.delete_prefix(f"documents/{project}/") == 0
    assert (await upload(client, project, "a.md", HANDBOOK.encode())).version == 1


async def test_a_document_can_be_deleted_again_after_the_s3_server_was_gone(
    stores: Stores, start_room: StartRoom
) -> None:
    await start_room("ingest")
    async with stores.client() as client:
        project = await new_project(client)
        document = await upload(client, project, "a.md", HANDBOOK.encode())
        await parse(client, project, **SMALL)
        request = pb.DeleteDocumentRequest(id=document.id)
        await stores.servers.s3.stop()
        assert (await failure(client.documents.DeleteDocument(request))).reason == "STORAGE_UNAVAILABLE"
        assert len(await chunks_of(client, project)) == 3
        await stores.servers.s3.start()
        deleted = await client.documents.DeleteDocument(request)
        assert (deleted.deleted_chunks, deleted.deleted_objects) == (3, 2)
        assert (await failure(client.documents.DeleteDocument(request))).code == "NOT_FOUND"
    async with stores.storage() as storage:
        assert await storage.delete_prefix(f"documents/{project}/") == 0


OTHER_ROOMS = {
    "inference": ProjectDataResponse(deleted_rows={"inference.exams": 1}),
    "trainer": ProjectDataResponse(deleted_objects=2),
    "dataset": ProjectDataResponse(deleted_rows={"dataset.examples": 3}),
}


class OtherRoom(ProjectDataServiceServicer):
    """Stands for a room that these tests do not start, as far as deleting a project asks it."""

    def __init__(self, answer: ProjectDataResponse) -> None:
        self._answer = answer

    async def DeleteProjectData(self, request: Any, context: Context) -> ProjectDataResponse:
        return self._answer


@asynccontextmanager
async def other_rooms(stores: Stores) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for room, answer in OTHER_ROOMS.items():
            add = add_ProjectDataServiceServicer_to_server
            servicer = Servicer("sishu.common.v1.ProjectDataService", add, OtherRoom(answer))
            server = Server([servicer], "", RuntimeMetrics(room))
            await server.start(HOST, int(stores.addresses[room].rpartition(":")[2]))
            stack.push_async_callback(server.drain)
        yield


async def delete_project(client: Client, project: str) -> project_pb.DeleteProjectResponse:
    """Delete a project once the other rooms are reached: a channel takes a moment to try again."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await client.projects.DeleteProject(project_pb.DeleteProjectRequest(id=project))
            except ApiError as error:
                if error.reason != "SERVICE_UNREACHABLE":
                    raise
                await asyncio.sleep(0.1)


async def test_a_parse_in_work_leaves_nothing_of_a_deleted_project(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    await start_room("generation")
    async with stores.client() as client, stores.storage() as storage, other_rooms(stores):
        project = await new_project(client)
        request_id = new_id()
        await upload(client, project, "long.md", ENDLESS[: len(ENDLESS) // 50])
        request = pb.ParseDocumentsRequest(project_id=project, request_id=request_id)
        await client.documents.ParseDocuments(request)

        async def parsing() -> bool:
            return len(psutil.Process(room.pid).children(recursive=True)) == 2

        await eventually(parsing)
        await delete_project(client, project)
        assert await parsing()

        async def closed() -> bool:
            async with httpx.AsyncClient(trust_env=False) as http:
                return (
                    'outcome="closed"' in (await http.get(f"http://{HOST}:{room.metrics_port}/metrics")).text
                )

        await eventually(closed)
        assert await storage.delete_prefix(f"documents/{project}/") == 0
        assert (await failure(client.documents.ParseDocuments(request))).reason == "PROJECT_NOT_FOUND"


async def test_a_deleted_project_says_what_went_in_every_room(client: Client, rooms: Rooms) -> None:
    project, kept = await new_project(client), await new_project(client)
    for one in (project, kept):
        await upload(client, one, "a.md", HANDBOOK.encode())
        await parse(client, one, **SMALL)
    await announce(client, project, "never sent.md", b"x")
    request = project_pb.DeleteProjectRequest(id=project)
    assert (await failure(client.projects.DeleteProject(request))).reason == "SERVICE_UNREACHABLE"
    assert len(await chunks_of(client, project)) == 3
    async with other_rooms(rooms.stores):
        deleted = await delete_project(client, project)
    assert {table: count for table, count in deleted.deleted_rows.items() if count} == {
        "ingest.projects": 1,
        "ingest.documents": 1,
        "ingest.document_versions": 1,
        "ingest.uploads": 2,
        "ingest.chunks": 3,
        "inference.exams": 1,
        "dataset.examples": 3,
    }
    assert deleted.deleted_objects == 2 + 2
    assert await chunks_of(client, project) == []
    assert len(await chunks_of(client, kept)) == 3
    assert (await failure(client.projects.DeleteProject(request))).reason == "PROJECT_NOT_FOUND"
    jobs = await client.jobs("ingest").ListJobs(job_service_pb2.ListJobsRequest(project_id=project))
    assert list(jobs.jobs) == []
