"""The ingest room through its rpcs: files in, chunks out, and nothing lost on the way."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import psutil
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from reportlab.pdfgen.canvas import Canvas

from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import chunk_pb2, chunk_service_pb2, document_pb2, project_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from sishu.ingest.v1 import project_service_pb2 as project_pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    HANDBOOK,
    SLOW,
    SLOW_TEXT,
    SMALL,
    announce,
    chunks_of,
    complete,
    documents_of,
    end_of,
    failure,
    fetch,
    new_project,
    parse,
    send,
    upload,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, Stores
from tests.support.scans import scanned_pdf


def pdf(folder: Path, *lines: str, encrypt: str = "") -> bytes:
    path = folder / "some.pdf"
    canvas = Canvas(str(path), encrypt=encrypt or None)
    for line in lines:
        canvas.drawString(100, 700, line)
        canvas.showPage()
    canvas.save()
    return path.read_bytes()


def broken_on_its_last_page(data: bytes) -> bytes:
    before, page, after = data.rpartition(b"/Type /Page\n")
    assert page
    return before + b"/Type /Oops\n" + after


async def test_a_file_becomes_text_and_chunks_that_know_where_they_stand(client: Client) -> None:
    project = await new_project(client)
    document = await upload(client, project, "garden/退货 trees.md", HANDBOOK.replace("\n", "\r\n").encode())
    assert (document.state, document.version) == (document_pb2.DOCUMENT_STATE_UPLOADED, 1)
    job = await parse(client, project, **SMALL)
    assert (job.state, job.counts.done, job.counts.total) == (job_pb2.JOB_STATE_SUCCEEDED, 1, 1)
    document = await document_now(client, document)
    assert document.state == document_pb2.DOCUMENT_STATE_PARSED
    content = await client.documents.GetDocumentContent(pb.GetDocumentContentRequest(id=document.id))
    text = await fetch(content.text.url)
    assert text.decode() == HANDBOOK
    assert content.text.sha256 == document.text_sha256 == hashlib.sha256(text).hexdigest()
    assert await fetch(content.file.url) == HANDBOOK.replace("\n", "\r\n").encode()
    chunks = await chunks_of(client, project)
    assert "".join(chunk.text for chunk in chunks) == HANDBOOK
    for chunk in chunks:
        assert HANDBOOK[chunk.span.start : chunk.span.end] == chunk.text
        assert chunk.sha256 == hashlib.sha256(chunk.text.encode()).hexdigest()
    assert [list(chunk.heading_path) for chunk in chunks] == [["Ash"], ["Birch"], ["Cedar"]]
    assert (document.chunk_count, document.char_count) == (3, len(HANDBOOK))
    got = await client.chunks.GetChunk(chunk_service_pb2.GetChunkRequest(id=chunks[1].id))
    assert got.chunk == chunks[1]


async def test_the_chunks_of_a_pdf_know_their_pages(client: Client, tmp_path: Path) -> None:
    project = await new_project(client)
    await upload(
        client, project, "a.pdf", pdf(tmp_path, "The first page says this.", "The second says that.")
    )
    await parse(client, project, min_size=1, max_size=30)
    chunks = await chunks_of(client, project)
    assert [(chunk.page_start, chunk.page_end) for chunk in chunks] == [(1, 1), (2, 2)]
    assert (await documents_of(client, project))["a.pdf"].page_count == 2


async def test_the_same_bytes_under_the_same_name_need_not_be_sent_again(client: Client) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", b"text")
    again = await announce(client, project, "a.md", b"text")
    assert (again.document.id, again.upload_id) == (document.id, "")
    assert not again.HasField("target")


async def content_of(client: Client, document_id: str, version: int = 0) -> tuple[str, str | None]:
    """File and text of a version; no text where there is none."""
    request = pb.GetDocumentContentRequest(id=document_id, version=version)
    content = await client.documents.GetDocumentContent(request)
    text = (await fetch(content.text.url)).decode() if content.HasField("text") else None
    return (await fetch(content.file.url)).decode(), text


async def chunk_now(client: Client, chunk: chunk_pb2.Chunk) -> chunk_pb2.Chunk:
    request = chunk_service_pb2.GetChunkRequest(id=chunk.id)
    return (await client.chunks.GetChunk(request)).chunk


async def document_now(client: Client, document: document_pb2.Document) -> document_pb2.Document:
    return (await client.documents.GetDocument(pb.GetDocumentRequest(id=document.id))).document


async def parse_again(client: Client, document: document_pb2.Document, **sizes: int) -> None:
    request = pb.ParseDocumentsRequest(
        project_id=document.project_id,
        document_ids=[document.id],
        split_options=chunk_pb2.SplitOptions(**sizes),  # type: ignore[arg-type]  # wider than the stubs say
    )
    job = await end_of(client, "ingest", (await client.documents.ParseDocuments(request)).job.id)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED


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
    await parse_again(client, document, min_size=1000, max_size=1000)
    assert len(await chunks_of(client, project)) < len(old)
    for chunk in [await chunk_now(client, chunk) for chunk in old]:
        _, text = await content_of(client, document.id, chunk.document_version)
        assert text is not None
        assert text[chunk.span.start : chunk.span.end] == chunk.text


async def test_a_parse_makes_the_next_version_only_of_another_text(client: Client, rooms: Rooms) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", HANDBOOK.encode())
    await parse(client, project, **SMALL)
    await parse_again(client, document, **SMALL)
    assert (await document_now(client, document)).version == 1
    # As if an older reader had made another text of the same bytes.
    async with rooms.stores.pool("ingest", 1) as pool:
        await pool.execute(
            "UPDATE document_versions SET text_sha256 = 'other' WHERE document_id = $1", document.id
        )
    await parse_again(client, document, **SMALL)
    assert (await document_now(client, document)).version == 2
    assert {chunk.document_version for chunk in await chunks_of(client, project)} == {2}
    for version in (1, 2):
        assert await content_of(client, document.id, version) == (HANDBOOK, HANDBOOK)
    async with rooms.stores.storage() as storage:
        # One file and two texts: what the second parse stored is gone.
        assert await storage.delete_prefix(f"documents/{project}/") == 3


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


async def test_files_that_cannot_be_read_fail_by_themselves_and_the_others_go_on(
    client: Client, tmp_path: Path
) -> None:
    project = await new_project(client)
    files = {
        "good.md": b"A good file that says something.",
        "damaged.pdf": b"%PDF-1.7 damaged",
        "locked.pdf": pdf(tmp_path, "locked", encrypt="password"),
        "broken page.pdf": broken_on_its_last_page(pdf(tmp_path, "one", "two", "three")),
        "scan.pdf": pdf(tmp_path, ""),
        "blank.txt": b" \n",
        "binary.txt": b"a\x00b",
        "damaged.docx": b"PK\x03\x04 damaged",
    }
    for name, data in files.items():
        await upload(client, project, name, data)
    job = await parse(client, project)
    assert (job.state, job.counts.done, job.counts.failed) == (job_pb2.JOB_STATE_FAILED, 1, 7)
    documents = await documents_of(client, project)
    assert {name: document.failure.reason for name, document in documents.items()} == {
        "good.md": "",
        "damaged.pdf": "PDF_UNREADABLE",
        "locked.pdf": "FILE_ENCRYPTED",
        "broken page.pdf": "PDF_UNREADABLE",
        "scan.pdf": "PDF_WITHOUT_TEXT",
        "blank.txt": "TEXT_EMPTY",
        "binary.txt": "TEXT_BINARY",
        "damaged.docx": "DOCX_UNREADABLE",
    }
    assert all(name in one.failure.message for name, one in documents.items() if name != "good.md")
    assert "page 3 " in documents["broken page.pdf"].failure.message
    letters = await client.jobs("ingest").ListJobFailures(
        job_service_pb2.ListJobFailuresRequest(job_id=job.id)
    )
    assert {letter.resource_id for letter in letters.job_failures} == {
        one.id for one in documents.values() if one.name != "good.md"
    }
    filtered = await client.documents.ListDocuments(
        pb.ListDocumentsRequest(project_id=project, state=document_pb2.DOCUMENT_STATE_PARSED)
    )
    assert [document.name for document in filtered.documents] == ["good.md"]
    await upload(client, project, "binary.txt", b"now it is text")
    assert (await documents_of(client, project))["binary.txt"].state == document_pb2.DOCUMENT_STATE_UPLOADED
    await parse(client, project)
    assert (await documents_of(client, project))["binary.txt"].state == document_pb2.DOCUMENT_STATE_PARSED


async def test_a_document_whose_bytes_are_gone_fails_too(client: Client, rooms: Rooms) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", b"text")
    content = await client.documents.GetDocumentContent(pb.GetDocumentContentRequest(id=document.id))
    async with rooms.stores.storage() as storage:
        await storage.delete(content.file.key)
    job = await parse(client, project)
    assert job.failure.reason == "OBJECT_NOT_FOUND"
    document = await document_now(client, document)
    assert (document.state, document.failure) == (document_pb2.DOCUMENT_STATE_FAILED, job.failure)


async def test_a_document_fails_when_the_wait_for_its_bytes_is_given_up_and_is_parsed_after_a_retry(
    stores: Stores, start_room: StartRoom
) -> None:
    await start_room("ingest", env={"SISHU_PATIENCE_SECONDS": 0})
    async with stores.client() as client:
        project = await new_project(client)
        document = await upload(client, project, "a.md", b"text")
        await stores.servers.s3.stop()
        job = await parse(client, project)
        assert job.failure.reason == "STORAGE_UNAVAILABLE"
        document = await document_now(client, document)
        assert (document.state, document.failure) == (document_pb2.DOCUMENT_STATE_FAILED, job.failure)
        await stores.servers.s3.start()
        await client.jobs("ingest").RetryJob(job_service_pb2.RetryJobRequest(id=job.id))
        assert (await end_of(client, "ingest", job.id)).counts.done == 1
        assert (await document_now(client, document)).state == document_pb2.DOCUMENT_STATE_PARSED


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
        assert await document_now(client, document) == document
        await parse(client, project)
        assert (await document_now(client, document)).failure.reason == "TEXT_BINARY"


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
            return len(psutil.Process(room.pid).children(recursive=True)) == 2

        await eventually(parsing)
        document = await complete(client, second.upload_id)
        assert await parsing()
        ended = await end_of(client, "ingest", job.id)
        assert (ended.counts.done, ended.counts.skipped) == (0, 1), str(ended.failure)
        assert await document_now(client, document) == document
        # Both files, and no text.
        assert await storage.delete_prefix(f"documents/{project}/") == 2


async def test_two_pdfs_at_once_are_parsed_again_and_again(
    client: Client, rooms: Rooms, tmp_path: Path
) -> None:
    project = await new_project(client)
    lines = [f"Line {number} of a long story about the trees of the town." for number in range(150)]
    documents = [
        await upload(client, project, name, pdf(tmp_path, *lines, name)) for name in ("a.pdf", "b.pdf")
    ]
    process = rooms.processes["ingest"].pid
    for _ in range(20):
        request = pb.ParseDocumentsRequest(project_id=project, document_ids=[one.id for one in documents])
        job = (await client.documents.ParseDocuments(request)).job
        assert (await end_of(client, "ingest", job.id)).counts.done == 2
    assert rooms.processes["ingest"].process.running
    assert rooms.processes["ingest"].pid == process


async def test_a_parse_that_takes_too_long_is_tried_once_and_the_next_goes_on(
    stores: Stores, start_room: StartRoom
) -> None:
    await start_room("ingest", env={"SISHU_INGEST_PARSE_SECONDS": 6})
    async with stores.client() as client:
        project = await new_project(client)
        for name, data in (
            ("slow 1.md", SLOW_TEXT),
            ("slow 2.md", SLOW_TEXT + b"x"),
            ("short.md", b"text"),
        ):
            await upload(client, project, name, data)
        job = await parse(client, project)
        request = job_service_pb2.ListJobFailuresRequest(job_id=job.id)
        letters = (await client.jobs("ingest").ListJobFailures(request)).job_failures
        reasons = {name: one.failure.reason for name, one in (await documents_of(client, project)).items()}
    assert (job.counts.done, job.counts.failed, job.failure.reason) == (1, 2, "PARSE_TIMED_OUT")
    assert [letter.attempts for letter in letters] == [1, 1]
    assert reasons == {
        "slow 1.md": "PARSE_TIMED_OUT",
        "slow 2.md": "PARSE_TIMED_OUT",
        "short.md": "",
    }


@pytest.mark.full
async def test_a_room_that_is_told_to_end_leaves_no_parse_behind(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    async with stores.client() as client:
        project = await new_project(client)
        await upload(client, project, "slow.pdf", SLOW)
        await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))

        async def parsing() -> bool:
            return len(psutil.Process(room.pid).children(recursive=True)) == 2

        await eventually(parsing)
        processes = psutil.Process(room.pid).children(recursive=True)
    assert await room.stop() == 0
    # An orphan that has ended stays a zombie where process 1 is no init.
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


async def test_a_parse_with_one_request_id_is_one_job(client: Client) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", b"some text of use")
    request = pb.ParseDocumentsRequest(project_id=project, document_ids=[document.id], request_id=new_id())
    jobs = [(await client.documents.ParseDocuments(request)).job.id for _ in range(2)]
    assert jobs[0] == jobs[1]
    assert (await end_of(client, "ingest", jobs[0])).counts.total == 1


async def test_a_parse_of_documents_that_are_not_there_names_them(client: Client) -> None:
    project, other, unknown, request_id = (
        await new_project(client),
        await new_project(client),
        new_id(),
        new_id(),
    )
    mine = await upload(client, project, "a.md", b"text")
    foreign = await upload(client, other, "a.md", b"text")
    request = pb.ParseDocumentsRequest(
        project_id=project, document_ids=[mine.id, unknown, foreign.id], request_id=request_id
    )
    error = await failure(client.documents.ParseDocuments(request))
    assert (error.code, error.reason, error.field) == ("NOT_FOUND", "DOCUMENT_NOT_FOUND", "document_ids")
    assert set(error.metadata["document_ids"].split(",")) == {unknown, foreign.id}
    assert (await document_now(client, mine)).state == document_pb2.DOCUMENT_STATE_UPLOADED
    del request.document_ids[1:]
    job = (await client.documents.ParseDocuments(request)).job
    # The first answer comes before any check.
    request.document_ids.append(unknown)
    request.split_options.MergeFrom(chunk_pb2.SplitOptions(min_size=100, max_size=50))
    assert (await client.documents.ParseDocuments(request)).job.id == job.id
    assert (await end_of(client, "ingest", job.id)).counts.done == 1


async def test_a_document_shows_the_split_options_that_were_taken(client: Client) -> None:
    project = await new_project(client)
    document = await upload(client, project, "a.md", HANDBOOK.encode())
    assert not document.HasField("split_options")
    for asked, taken in (
        ({}, (800, 1500)),
        ({"max_size": 90}, (90, 90)),
        ({"min_size": 2000}, (2000, 2000)),
    ):
        await parse_again(client, document, **asked)
        options = (await document_now(client, document)).split_options
        assert (options.strategy, options.min_size, options.max_size) == (
            chunk_pb2.SPLIT_STRATEGY_STRUCTURE,
            *taken,
        )


async def test_a_page_of_large_chunks_stays_small(client: Client) -> None:
    project = await new_project(client)
    text = "字" * 2_000_000
    document = await upload(client, project, "a.md", text.encode())
    await parse_again(client, document, min_size=100_000, max_size=100_000)
    chunks: list[str] = []
    token = ""
    while token or not chunks:
        request = chunk_service_pb2.ListChunksRequest(project_id=project, page_token=token)
        page = await client.chunks.ListChunks(request)
        assert page.ByteSize() < 2 * 2**20
        chunks += [chunk.text for chunk in page.chunks]
        token = page.next_page_token
    assert "".join(chunks) == text


async def update_project(
    client: Client, project: str, paths: list[str], **values: str
) -> project_pb2.Project:
    wanted = project_pb2.Project(id=project, **values)  # type: ignore[arg-type]  # wider than the stubs say
    request = project_pb.UpdateProjectRequest(project=wanted, update_mask=FieldMask(paths=paths))
    return (await client.projects.UpdateProject(request)).project


async def test_an_update_changes_what_it_names_and_nothing_else(client: Client) -> None:
    project, name = await new_project(client), f"renamed {new_id()}"
    for number in range(10):
        await asyncio.gather(
            update_project(client, project, ["name"], name=f"{name} {number}"),
            update_project(client, project, ["description"], description=f"about {number}"),
        )
        now = (await client.projects.GetProject(project_pb.GetProjectRequest(id=project))).project
        assert (now.name, now.description) == (f"{name} {number}", f"about {number}")
    for paths, values in ((["name"], {"name": ""}), (["description"], {"description": "x" * 2001})):
        error = await failure(update_project(client, project, paths, **values))
        assert (error.reason, error.field) == ("FIELD_INVALID", f"project.{paths[0]}")
    unnamed = await failure(update_project(client, "no id", ["name"], name="x"))
    assert (unnamed.code, unnamed.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    assert (await failure(update_project(client, new_id(), ["name"], name="y"))).reason == "PROJECT_NOT_FOUND"


async def test_split_options_that_contradict_each_other_are_refused(client: Client) -> None:
    project = await new_project(client)
    options = chunk_pb2.SplitOptions(min_size=100, max_size=50)
    error = await failure(
        client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project, split_options=options))
    )
    assert (error.reason, error.field) == ("SPLIT_OPTIONS_INVALID", "split_options.min_size")


async def test_documents_and_chunks_come_page_by_page_in_order(client: Client) -> None:
    project = await new_project(client)
    for name in ("b.md", "a.md", "退.md", "c.md"):
        await upload(client, project, name, f"{HANDBOOK}\n{name}".encode())
    await parse(client, project, **SMALL)
    names: list[str] = []
    indexes: list[tuple[str, int]] = []
    token = ""
    while token or not names:
        page = await client.documents.ListDocuments(
            pb.ListDocumentsRequest(project_id=project, page_size=3, page_token=token)
        )
        names += [document.name for document in page.documents]
        token = page.next_page_token
    assert names == ["a.md", "b.md", "c.md", "退.md"]
    while token or not indexes:
        chunks = await client.chunks.ListChunks(
            chunk_service_pb2.ListChunksRequest(project_id=project, page_size=5, page_token=token)
        )
        indexes += [(chunk.document_id, chunk.index) for chunk in chunks.chunks]
        token = chunks.next_page_token
    assert indexes == sorted(set(indexes))
    assert len(indexes) == sum(one.chunk_count for one in (await documents_of(client, project)).values())


async def test_a_parse_waits_for_an_s3_server_that_is_gone_for_a_while(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    async with stores.client() as client:
        project = await new_project(client)
        for name in ("a.md", "b.md", "c.md"):
            await upload(client, project, name, HANDBOOK.encode() + name.encode())
        await stores.servers.s3.stop()
        job = (await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))).job

        async def retried() -> bool:
            return "item_retried" in room.log()

        await eventually(retried)
        waiting = (await client.jobs("ingest").GetJob(job_service_pb2.GetJobRequest(id=job.id))).job
        assert (waiting.counts.done, waiting.counts.failed) == (0, 0)
        await stores.servers.s3.start()
        ended = await end_of(client, "ingest", job.id)
        assert (ended.state, ended.counts.done) == (job_pb2.JOB_STATE_SUCCEEDED, 3)
        states = {one.state for one in (await documents_of(client, project)).values()}
        assert states == {document_pb2.DOCUMENT_STATE_PARSED}
