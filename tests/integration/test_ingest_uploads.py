"""Uploads: announced, sent, checked, and forgotten."""

from __future__ import annotations

import asyncio

import pytest

from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.ingest.v1 import document_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    announce,
    complete,
    content_of,
    documents_of,
    failure,
    new_project,
    parse,
    send,
    upload,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, Stores


async def test_the_same_bytes_under_the_same_name_need_not_be_sent_again(client: Client) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", b"text")
    again = await announce(client, project, "a.md", b"text")
    assert (again.document.id, again.upload_id) == (document.id, "")
    assert not again.HasField("target")


async def test_an_upload_with_one_request_id_is_one_upload(client: Client) -> None:
    project, request_id = await new_project(client), new_id()
    first = await announce(client, project, "a.md", b"text", request_id)
    again = await announce(client, project, "no document.exe", b"other", request_id)
    assert again.upload_id == first.upload_id
    await send(again.target.url, b"text")
    document = await complete(client, first.upload_id)
    done = await announce(client, project, "a.md", b"other", request_id)
    assert (done.document, done.upload_id, done.HasField("target")) == (document, "", False)
    await client.documents.DeleteDocument(pb.DeleteDocumentRequest(id=document.id))
    anew = await announce(client, project, "a.md", b"text", request_id)
    assert anew.upload_id not in {"", first.upload_id}


async def test_what_is_sent_after_the_check_changes_no_document(client: Client) -> None:
    project = await new_project(client)
    one = await announce(client, project, "a.md", b"text")
    await send(one.target.url, b"text")
    document = await complete(client, one.upload_id)
    await send(one.target.url, b"evil")
    assert await complete(client, one.upload_id) == document
    await parse(client, project)
    assert await content_of(client, document.id) == ("text", "text")


async def test_the_same_bytes_sent_twice_are_one_version(client: Client, rooms: Rooms) -> None:
    project = await new_project(client)
    uploads = [await announce(client, project, "a.md", b"text") for _ in range(4)]
    for one in uploads:
        await send(one.target.url, b"text")
    first = await complete(client, uploads[0].upload_id)
    await parse(client, project)
    others = await asyncio.gather(*(complete(client, one.upload_id) for one in uploads[1:]))
    assert {(one.id, one.version, one.state) for one in others} == {
        (first.id, 1, document_pb2.DOCUMENT_STATE_PARSED)
    }
    async with rooms.stores.storage() as storage:
        # One file and one text: all other copies of the bytes are gone.
        assert await storage.delete_prefix(f"documents/{project}/") == 2


async def test_an_upload_is_checked_before_it_becomes_a_document(client: Client) -> None:
    project = await new_project(client)
    target = await announce(client, project, "a.md", b"right")
    missing = await failure(complete(client, target.upload_id))
    assert (missing.code, missing.reason) == ("FAILED_PRECONDITION", "UPLOAD_MISSING")
    for wrong in (b"wrong", b"right and more", b""):
        await send(target.target.url, wrong)
        mismatch = await failure(complete(client, target.upload_id))
        assert (mismatch.code, mismatch.reason, mismatch.field) == (
            "INVALID_ARGUMENT",
            "UPLOAD_MISMATCH",
            "upload_id",
        )
    assert (await failure(complete(client, target.upload_id))).reason == "UPLOAD_MISSING"
    assert await documents_of(client, project) == {}
    await send(target.target.url, b"right")
    documents = await asyncio.gather(*(complete(client, target.upload_id) for _ in range(5)))
    assert {(document.id, document.version) for document in documents} == {(documents[0].id, 1)}
    assert (await failure(complete(client, new_id()))).reason == "UPLOAD_NOT_FOUND"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("../../etc/passwd.md", b"x", "DOCUMENT_NAME_INVALID"),
        ("/a.md", b"x", "DOCUMENT_NAME_INVALID"),
        ("a\nb.md", b"x", "DOCUMENT_NAME_INVALID"),
        ("a.exe", b"x", "FORMAT_UNSUPPORTED"),
        ("README", b"x", "FORMAT_UNSUPPORTED"),
        ("", b"x", "FIELD_INVALID"),
    ],
)
async def test_a_file_of_no_use_is_refused_before_it_is_sent(
    client: Client, name: str, data: bytes, reason: str
) -> None:
    project = await new_project(client)
    error = await failure(announce(client, project, name, data))
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", reason)
    assert error.field == "name"


async def test_a_project_that_is_not_there_takes_no_file(client: Client) -> None:
    assert (await failure(announce(client, new_id(), "a.md", b"x"))).reason == "PROJECT_NOT_FOUND"


async def test_old_uploads_are_forgotten_with_what_was_sent(stores: Stores, start_room: StartRoom) -> None:
    await start_room("ingest", env={"SISHU_INGEST_UPLOAD_SECONDS": 1})
    async with stores.client() as client, stores.storage() as storage, stores.pool("ingest", 1) as pool:
        project, request_id = await new_project(client), new_id()
        document = await upload(client, project, "kept.md", b"kept")
        one = await announce(client, project, "a.md", b"text", request_id)
        await send(one.target.url, b"text")
        key = await pool.fetchval("SELECT file_key FROM uploads WHERE id = $1", one.upload_id)
        # A link lives for an hour.
        await pool.execute("UPDATE uploads SET create_time = create_time - interval '1 hour'")

        async def forgotten() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 0 FROM uploads"))

        await eventually(forgotten)
        assert (await failure(complete(client, one.upload_id))).reason == "UPLOAD_NOT_FOUND"
        with pytest.raises(NotFound):
            await storage.get_bytes(key)
        assert await content_of(client, document.id) == ("kept", None)
        assert (await announce(client, project, "a.md", b"text", request_id)).upload_id != one.upload_id


async def test_all_old_uploads_are_forgotten_at_once_and_none_while_a_link_to_it_lives(
    stores: Stores, start_room: StartRoom
) -> None:
    async with stores.pool("ingest", 1) as pool:
        project = new_id()
        await pool.execute("INSERT INTO projects (id, name) VALUES ($1, 'project')", project)
        # With a day to live, the next sweep is an hour away.
        await pool.execute(
            "INSERT INTO uploads (id, project_id, name, media_type, size_bytes, sha256, file_key, create_time) "
            "SELECT gen_random_uuid(), $1, 'a.md', 'text/markdown', 1, '', 'documents/' || number, "
            "now() - interval '24 hours' - interval '59 minutes' * CASE number WHEN 0 THEN 1 ELSE 2 END "
            "FROM generate_series(0, 1001) AS number",
            project,
        )
        await start_room("ingest")

        async def forgotten() -> bool:
            return bool(await pool.fetchval("SELECT count(*) < 2 FROM uploads"))

        await eventually(forgotten)
        assert await pool.fetchval("SELECT file_key FROM uploads") == "documents/0"
