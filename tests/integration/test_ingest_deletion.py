"""Deleting documents and projects: all of it goes, and what failed in the middle can be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

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
    HANDBOOK,
    SMALL,
    announce,
    chunks_of,
    complete,
    failure,
    new_project,
    parse,
    send,
    text_of,
    upload,
)
from tests.integration.processes import eventually
from tests.integration.stores import HOST, Rooms, Stores
from tests.support.fault_files import zipped
from tests.support.parse_processes import forks
from tests.support.scans import scanned_pdf


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


@pytest.mark.full
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
        # It is gone, but for its objects.
        assert await chunks_of(client, project) == []
        get = pb.GetDocumentRequest(id=document.id)
        assert (await failure(client.documents.GetDocument(get))).reason == "DOCUMENT_NOT_FOUND"
        await stores.servers.s3.start()
        deleted = await client.documents.DeleteDocument(request)
        assert (deleted.deleted_chunks, deleted.deleted_objects) == (3, 2)
        assert (await failure(client.documents.DeleteDocument(request))).code == "NOT_FOUND"
    async with stores.storage() as storage:
        assert await storage.delete_prefix(f"documents/{project}/") == 0


@pytest.mark.full
async def test_what_a_killed_deletion_left_is_swept(stores: Stores, start_room: StartRoom) -> None:
    room = await start_room("ingest")
    async with stores.client() as client, stores.storage() as storage, stores.pool("ingest", 1) as pool:
        project = await new_project(client)
        data = zipped({"a.md": HANDBOOK, "b.md": HANDBOOK + "more\n"})
        document = await upload(client, project, "a.zip", data)
        kept = await upload(client, project, "kept.md", b"kept")
        await parse(client, project, **SMALL)
        await stores.servers.s3.stop()
        request = pb.DeleteDocumentRequest(id=document.id)
        assert (await failure(client.documents.DeleteDocument(request))).reason == "STORAGE_UNAVAILABLE"
        await room.kill()
        await stores.servers.s3.start()
        await pool.execute("UPDATE deletions SET create_time = create_time - interval '1 hour'")
        await start_room("ingest")

        async def swept() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 0 FROM deletions"))

        await eventually(swept)
        assert await text_of(client, kept.id) == "kept"
        assert (await failure(client.documents.DeleteDocument(request))).code == "NOT_FOUND"
        # The file and the text of the one that is kept.
        assert await storage.delete_prefix(f"documents/{project}/") == 2


async def test_a_deletion_that_cannot_be_ended_keeps_back_none_behind_it(
    stores: Stores, start_room: StartRoom
) -> None:
    project, bad, good = sorted(new_id() for _ in range(3))
    async with stores.pool("ingest", 1) as pool:
        await pool.execute("INSERT INTO projects (id, name) VALUES ($1, 'garden')", project)
        insert = (
            "INSERT INTO deletions (document_id, project_id, document_ids, file_keys, chunk_count, create_time) "
            "VALUES ($1, $2, '{}', $3, 0, now() - interval '1 hour')"
        )
        # No object has an empty key.
        await pool.execute(insert, bad, project, [""])
        await pool.execute(insert, good, project, ["documents/none"])
        room = await start_room("ingest")

        async def swept() -> bool:
            rows = await pool.fetch("SELECT document_id FROM deletions")
            return [row["document_id"] for row in rows] == [bad]

        await eventually(swept)
    assert "deletion_not_swept" in room.log()


WAITS = "datname = current_database() AND wait_event_type = 'Lock'"


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


async def test_a_project_whose_deletion_failed_is_gone_and_the_deletion_can_be_repeated(
    client: Client, rooms: Rooms
) -> None:
    project, request_id = await new_project(client), new_id()
    wanted = (await client.projects.GetProject(project_pb.GetProjectRequest(id=project))).project
    document = await upload(client, project, "a.md", b"text")
    started = await announce(client, project, "b.md", b"other text")
    await send(started.target.url, b"other text")
    request = project_pb.DeleteProjectRequest(id=project)
    assert (await failure(client.projects.DeleteProject(request))).reason == "SERVICE_UNREACHABLE"
    for call in (
        client.projects.GetProject(project_pb.GetProjectRequest(id=project)),
        client.projects.UpdateProject(
            project_pb.UpdateProjectRequest(project=wanted, update_mask=FieldMask(paths=["description"]))
        ),
        announce(client, project, "a.md", b"text"),
        announce(client, project, "c.md", b"text", request_id),
        client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project)),
        client.documents.ParseDocuments(
            pb.ParseDocumentsRequest(project_id=project, document_ids=[document.id], request_id=request_id)
        ),
    ):
        assert (await failure(call)).reason == "PROJECT_NOT_FOUND"
    assert (await failure(complete(client, started.upload_id))).reason == "UPLOAD_NOT_FOUND"
    named = project_pb.ListProjectsRequest(name=wanted.name)
    assert list((await client.projects.ListProjects(named)).projects) == []
    anew = await client.projects.CreateProject(project_pb.CreateProjectRequest(project=wanted))
    assert [one.id for one in (await client.projects.ListProjects(named)).projects] == [anew.project.id]
    async with other_rooms(rooms.stores):
        deleted = await delete_project(client, project)
    assert (deleted.deleted_rows["ingest.projects"], deleted.deleted_rows["ingest.documents"]) == (1, 1)
    assert (await failure(client.projects.DeleteProject(request))).reason == "PROJECT_NOT_FOUND"
    async with rooms.stores.storage() as storage:
        assert await storage.delete_prefix(f"documents/{project}/") == 0


async def test_a_deletion_waits_for_what_is_being_added_to_its_project(client: Client, rooms: Rooms) -> None:
    project = await new_project(client)
    started = await announce(client, project, "a.md", b"text")
    await send(started.target.url, b"text")
    async with rooms.stores.pool("ingest", 2) as pool:

        async def waiting() -> bool:
            # Whoever completes the upload holds the project, and waits for the upload that the test holds.
            return bool(await pool.fetchval("SELECT count(*) > 0 FROM pg_stat_activity WHERE " + WAITS))

        async def both_waiting() -> bool:
            return bool(await pool.fetchval("SELECT count(*) > 1 FROM pg_stat_activity WHERE " + WAITS))

        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM uploads WHERE id = $1 FOR UPDATE", started.upload_id)
            completing = asyncio.create_task(complete(client, started.upload_id))
            await eventually(waiting)
            request = project_pb.DeleteProjectRequest(id=project)
            deleting = asyncio.create_task(failure(client.projects.DeleteProject(request)))
            await eventually(both_waiting)
    assert (await completing).name == "a.md"
    assert (await deleting).reason == "SERVICE_UNREACHABLE"


@pytest.mark.full
async def test_a_parse_in_work_leaves_nothing_of_a_deleted_project(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    await start_room("generation")
    async with stores.client() as client, stores.storage() as storage, other_rooms(stores):
        project = await new_project(client)
        request_id = new_id()
        await upload(client, project, "long.pdf", scanned_pdf(*(f"Page {number}" for number in range(8))))
        request = pb.ParseDocumentsRequest(project_id=project, request_id=request_id)
        await client.documents.ParseDocuments(request)

        async def parsing() -> bool:
            return bool(forks(room.pid))

        await eventually(parsing)
        await delete_project(client, project)

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
        "ingest.sections": 3,
        "inference.exams": 1,
        "dataset.examples": 3,
    }
    assert deleted.deleted_objects == 2 + 2
    assert await chunks_of(client, project) == []
    assert len(await chunks_of(client, kept)) == 3
    assert (await failure(client.projects.DeleteProject(request))).reason == "PROJECT_NOT_FOUND"
    jobs = await client.jobs("ingest").ListJobs(job_service_pb2.ListJobsRequest(project_id=project))
    assert list(jobs.jobs) == []
