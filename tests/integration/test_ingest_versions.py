"""Versions of documents: what stays the same from one to the next, and what a newer one ends."""

from __future__ import annotations

import pytest

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import document_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    HANDBOOK,
    SMALL,
    announce,
    chunk_now,
    chunks_of,
    complete,
    content_of,
    document_now,
    end_of,
    failure,
    new_project,
    parse,
    send,
    split_again,
    upload,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, Stores
from tests.support.parse_processes import forks
from tests.support.scans import scanned_pdf


async def test_a_changed_file_is_the_next_version_and_unchanged_chunks_keep_their_ids(client: Client) -> None:
    project = await new_project(client)
    first = await upload(client, project, "a.md", HANDBOOK.encode())
    await parse(client, project, **SMALL)
    old = await chunks_of(client, project)
    changed = HANDBOOK.replace("30", "3000")
    second = await upload(client, project, "a.md", changed.encode())
    assert (second.id, second.version, second.state) == (first.id, 2, document_pb2.DOCUMENT_STATE_UPLOADED)
    assert (second.text_sha256, second.char_count, second.chunk_count) == ("", 0, 0)
    assert await chunks_of(client, project) == []
    assert await content_of(client, first.id) == (changed, None)
    await parse(client, project, **SMALL)
    new = await chunks_of(client, project)
    assert [a.id == b.id for a, b in zip(old, new, strict=True)] == [True, False, True]
    assert {chunk.document_version for chunk in new} == {2}
    assert await content_of(client, first.id) == (changed, changed)
    assert await content_of(client, first.id, 1) == (HANDBOOK, HANDBOOK)
    gone = await failure(content_of(client, first.id, 3))
    assert (gone.code, gone.reason) == ("NOT_FOUND", "DOCUMENT_VERSION_NOT_FOUND")
    assert gone.metadata == {"document_id": first.id, "version": "3"}


async def test_a_chunk_stays_and_tells_where_it_stands_in_the_version_that_it_names(client: Client) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", HANDBOOK.encode())
    await parse(client, project, **SMALL)
    old = await chunks_of(client, project)
    await upload(client, project, "a.md", HANDBOOK.replace("20", "2000").replace("30", "31").encode())
    await parse(client, project, **SMALL)
    now = [await chunk_now(client, chunk) for chunk in old]
    assert [chunk.document_version for chunk in now] == [1, 1, 2]
    assert now[:2] == old[:2]
    assert now[2].span.start == old[2].span.start + 2
    await split_again(client, document, min_size=1000, max_size=1000)
    assert len(await chunks_of(client, project)) < len(old)
    for chunk in [await chunk_now(client, chunk) for chunk in old]:
        _, text = await content_of(client, document.id, chunk.document_version)
        assert text is not None
        assert text[chunk.span.start : chunk.span.end] == chunk.text


async def test_a_parse_makes_the_next_version_only_of_another_text(client: Client, rooms: Rooms) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", HANDBOOK.encode())
    await parse(client, project, **SMALL)
    await split_again(client, document, **SMALL)
    assert (await document_now(client, document.id)).version == 1
    # As if an older reader had made another text of the same bytes.
    async with rooms.stores.pool("ingest", 1) as pool:
        await pool.execute(
            "UPDATE document_versions SET text_sha256 = 'other' WHERE document_id = $1", document.id
        )
    await split_again(client, document, **SMALL)
    assert (await document_now(client, document.id)).version == 2
    assert {chunk.document_version for chunk in await chunks_of(client, project)} == {2}
    for version in (1, 2):
        assert await content_of(client, document.id, version) == (HANDBOOK, HANDBOOK)
    async with rooms.stores.storage() as storage:
        # One file and two texts: what the second parse stored is gone.
        assert await storage.delete_prefix(f"documents/{project}/") == 3


async def test_a_version_that_has_a_successor_is_not_parsed_any_more(
    stores: Stores, start_room: StartRoom
) -> None:
    await start_room("ingest", env={"SISHU_INGEST_CONCURRENCY": 0})
    async with stores.client() as client:
        project = await new_project(client)
        await upload(client, project, "a.md", b"text")
        job = (await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))).job
        document = await upload(client, project, "a.md", b"binary \x00")
        await start_room("ingest", "worker", "--concurrency", "1")
        assert (await end_of(client, "ingest", job.id)).counts.skipped == 1
        assert await document_now(client, document.id) == document
        await parse(client, project)
        assert (await document_now(client, document.id)).failure.reason == "TEXT_BINARY"


@pytest.mark.full
async def test_a_version_that_gets_a_successor_while_it_is_parsed_is_skipped(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    async with stores.client() as client, stores.storage() as storage:
        project = await new_project(client)
        await upload(client, project, "a.pdf", scanned_pdf(*(f"Page {number}" for number in range(8))))
        other = scanned_pdf("Other page")
        second = await announce(client, project, "a.pdf", other)
        await send(second.target.url, other)
        job = (await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))).job

        async def parsing() -> bool:
            return bool(forks(room.pid))

        await eventually(parsing)
        document = await complete(client, second.upload_id)
        now = (await client.jobs("ingest").GetJob(job_service_pb2.GetJobRequest(id=job.id))).job
        assert (now.state, now.counts.skipped) == (job_pb2.JOB_STATE_RUNNING, 0)
        ended = await end_of(client, "ingest", job.id)
        assert (ended.counts.done, ended.counts.skipped) == (0, 1), str(ended.failure)
        assert await document_now(client, document.id) == document
        # Both files, and no text.
        assert await storage.delete_prefix(f"documents/{project}/") == 2


@pytest.mark.full
async def test_a_parse_is_done_again_when_another_one_cleaned_the_same_bytes_meanwhile(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    async with stores.client() as client, stores.pool("ingest", 1) as pool:
        project = await new_project(client)
        document = await upload(client, project, "a.pdf", scanned_pdf(*("A page" for _ in range(4))))
        job = (await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))).job

        async def parsing() -> bool:
            return bool(forks(room.pid))

        await eventually(parsing)
        # As the other parse does it: a version of the same bytes, with a text of its own.
        await pool.execute(
            "WITH cleaned AS (INSERT INTO document_versions (document_id, version, base_version, size_bytes, "
            "sha256, file_key) SELECT document_id, 2, 1, size_bytes, sha256, file_key FROM document_versions "
            "WHERE document_id = $1) UPDATE documents SET version = 2 WHERE id = $1",
            document.id,
        )
        ended = await end_of(client, "ingest", job.id)
        assert (ended.counts.done, ended.counts.skipped) == (1, 0), str(ended.failure)
        now = await document_now(client, document.id)
        assert (now.version, now.state) == (2, document_pb2.DOCUMENT_STATE_PARSED)
        assert now.chunk_count > 0
