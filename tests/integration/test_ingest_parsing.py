"""Jobs that parse: what they take, what fails in them, and what they wait for."""

from __future__ import annotations

import psutil
import pytest

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import chunk_pb2, document_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    HANDBOOK,
    SLOW,
    SLOW_TEXT,
    document_now,
    documents_of,
    end_of,
    failure,
    new_project,
    parse,
    upload,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, Stores
from tests.support import fault_files
from tests.support.parse_processes import forks, parse_processes


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
    assert (await document_now(client, mine.id)).state == document_pb2.DOCUMENT_STATE_UPLOADED
    del request.document_ids[1:]
    job = (await client.documents.ParseDocuments(request)).job
    # The first answer comes before any check.
    request.document_ids.append(unknown)
    request.split_options.MergeFrom(chunk_pb2.SplitOptions(min_size=100, max_size=50))
    assert (await client.documents.ParseDocuments(request)).job.id == job.id
    assert (await end_of(client, "ingest", job.id)).counts.done == 1


async def test_files_that_cannot_be_read_fail_by_themselves_and_the_others_go_on(client: Client) -> None:
    project = await new_project(client)
    files = {
        "good.md": b"A good file that says something.",
        "damaged.pdf": b"%PDF-1.7 damaged",
        "locked.pdf": fault_files.encrypted_pdf(),
        "broken page.pdf": fault_files.pdf_with_damaged_page(),
        "scan.pdf": fault_files.pdf(""),
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
    assert "page 2 " in documents["broken page.pdf"].failure.message
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
    document = await document_now(client, document.id)
    assert (document.state, document.failure) == (document_pb2.DOCUMENT_STATE_FAILED, job.failure)


@pytest.mark.full
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
        document = await document_now(client, document.id)
        assert (document.state, document.failure) == (document_pb2.DOCUMENT_STATE_FAILED, job.failure)
        await stores.servers.s3.start()
        await client.jobs("ingest").RetryJob(job_service_pb2.RetryJobRequest(id=job.id))
        assert (await end_of(client, "ingest", job.id)).counts.done == 1
        assert (await document_now(client, document.id)).state == document_pb2.DOCUMENT_STATE_PARSED


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


@pytest.mark.full
async def test_two_pdfs_at_once_are_parsed_again_and_again(client: Client, rooms: Rooms) -> None:
    project = await new_project(client)
    lines = [f"Line {number} of a long story about the trees of the town." for number in range(150)]
    documents = [
        await upload(client, project, name, fault_files.pdf(*lines, name)) for name in ("a.pdf", "b.pdf")
    ]
    process = rooms.processes["ingest"].pid
    for _ in range(20):
        request = pb.ParseDocumentsRequest(project_id=project, document_ids=[one.id for one in documents])
        job = (await client.documents.ParseDocuments(request)).job
        assert (await end_of(client, "ingest", job.id)).counts.done == 2
    assert rooms.processes["ingest"].process.running
    assert rooms.processes["ingest"].pid == process


@pytest.mark.full
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
            return bool(forks(room.pid))

        await eventually(parsing)
        processes = parse_processes(room.pid)
    assert await room.stop() == 0
    # An orphan that has ended stays a zombie where process 1 is no init.
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)
