"""Objects that no row names yet: whatever dies, none stays for ever."""

from __future__ import annotations

import asyncio

import pytest

from services.ingest.object_notes import ObjectNotes
from services.ingest.objects import FreshObjects
from services.runtime.errors import NotFound, Unavailable
from sishu.ingest.v1 import document_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import announce, complete, failure, new_project, parse, send, upload
from tests.integration.processes import eventually
from tests.integration.stores import Stores

WAITING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_what_a_killed_worker_stored_is_swept(stores: Stores, start_room: StartRoom) -> None:
    room = await start_room("ingest")
    async with stores.client() as client, stores.storage() as storage, stores.pool("ingest", 2) as pool:
        project = await new_project(client)
        document = await upload(client, project, "a.md", b"text")

        async def waiting() -> bool:
            return bool(await pool.fetchval(WAITING))

        async with pool.acquire() as connection, connection.transaction():
            # All is stored, and the rows cannot be written.
            await connection.execute("SELECT FROM documents WHERE id = $1 FOR UPDATE", document.id)
            await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))
            await eventually(waiting)
            await room.kill()
        await storage.put_bytes("documents/young/file", b"x")
        await pool.execute("UPDATE fresh_objects SET create_time = create_time - interval '6 hours'")
        await pool.execute("INSERT INTO fresh_objects (prefix) VALUES ('documents/young/')")
        await start_room("ingest", env={"SISHU_INGEST_CONCURRENCY": 0})

        async def swept() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 1 FROM fresh_objects"))

        await eventually(swept)
        assert await pool.fetchval("SELECT prefix FROM fresh_objects") == "documents/young/"
        # The uploaded file alone is left.
        assert await storage.delete_prefix(f"documents/{project}/") == 1
        assert await storage.get_bytes("documents/young/file") == b"x"


@pytest.mark.full
async def test_a_copy_of_an_upload_that_a_killed_room_left_is_swept(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    async with stores.client() as client, stores.storage() as storage, stores.pool("ingest", 2) as pool:
        project = await new_project(client)
        one = await announce(client, project, "a.md", b"text")
        await send(one.target.url, b"text")

        async def waiting() -> bool:
            return bool(await pool.fetchval(WAITING))

        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM uploads WHERE id = $1 FOR UPDATE", one.upload_id)
            completed = asyncio.create_task(failure(complete(client, one.upload_id)))
            await eventually(waiting)
            await room.kill()
        await completed
        await pool.execute("UPDATE fresh_objects SET create_time = create_time - interval '6 hours'")
        await start_room("ingest", env={"SISHU_INGEST_CONCURRENCY": 0})

        async def swept() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 0 FROM fresh_objects"))

        await eventually(swept)
        # What was sent is left, for another call.
        assert await storage.delete_prefix(f"documents/{project}/") == 1


async def test_no_note_is_left_of_what_a_row_names(stores: Stores, start_room: StartRoom) -> None:
    await start_room("ingest")
    async with stores.client() as client, stores.pool("ingest", 1) as pool:
        project = await new_project(client)
        await upload(client, project, "a.md", b"text")
        await parse(client, project)
        assert await pool.fetchval("SELECT count(*) FROM fresh_objects") == 0


async def test_what_was_swept_is_never_taken(stores: Stores) -> None:
    async with stores.storage() as storage, stores.pool("ingest", 1) as pool:
        notes = ObjectNotes(pool)
        with pytest.raises(Unavailable) as raised:
            async with FreshObjects(notes, storage).under("documents/p/x/") as fresh:
                await storage.put_bytes("documents/p/x/file", b"x")
                assert await notes.sweep(0, 10) == ["documents/p/x/"]
                async with pool.acquire() as connection, connection.transaction():
                    await fresh.take(connection)
        assert raised.value.reason == "OBJECTS_SWEPT"
        with pytest.raises(NotFound):
            await storage.get_bytes("documents/p/x/file")
        assert await pool.fetchval("SELECT count(*) FROM fresh_objects") == 0
