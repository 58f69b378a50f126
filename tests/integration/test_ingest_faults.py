"""Files that are damaged, locked, wrongly named, made to do harm, or just strange: each is told apart from
the others of its job, which go on. The table of docs/ingest.md promises what is proven here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import document_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from sishu.learn.files import gather_files, upload_files
from tests.integration.command_line import CommandLine
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    chunks_of,
    documents_of,
    end_of,
    failure,
    new_project,
    parse,
    parse_again,
    text_of,
    upload,
)
from tests.integration.fault_cases import FAULTS, LINES, MEMBER_FAULTS, ODDITIES, READ_MEMBERS
from tests.integration.stores import Rooms, Stores
from tests.support import fault_files as files
from tests.support.web_server import served

GUIDE = Path(__file__).parents[2] / "docs" / "ingest.md"
REASON = re.compile(r"`([A-Z]+(?:_[A-Z]+)+)`")
ELSEWHERE = {"TEXT_TOO_LARGE", "PARSE_TIMED_OUT", "PARSE_OUT_OF_MEMORY", "PARSE_CRASHED"}
"""Reasons that have tests of their own in `test_ingest_limits.py`."""


@dataclass(frozen=True)
class Outcome:
    """What one job made of all those files."""

    project: str
    job: job_pb2.Job
    documents: Mapping[str, document_pb2.Document]
    attempts: Mapping[str, int]


@pytest_asyncio.fixture(scope="module")
async def outcome(rooms: Rooms) -> Outcome:
    client = rooms.client
    project = await new_project(client)
    makers = {name: one.make for table in (FAULTS, ODDITIES) for name, one in table.items()}
    for name, make in makers.items():
        await upload(client, project, name, make())
    job = await parse(client, project)
    request = job_service_pb2.ListJobFailuresRequest(job_id=job.id, page_size=100)
    letters = (await client.jobs("ingest").ListJobFailures(request)).job_failures
    documents = await documents_of(client, project)
    names = {document.id: name for name, document in documents.items()}
    return Outcome(
        project, job, documents, {names[letter.resource_id]: letter.attempts for letter in letters}
    )


@pytest.mark.parametrize("name", FAULTS)
async def test_a_bad_file_says_what_is_wrong_where_and_what_to_do(outcome: Outcome, name: str) -> None:
    document, fault = outcome.documents[name], FAULTS[name]
    assert document.state == document_pb2.DOCUMENT_STATE_FAILED
    assert document.failure.reason == fault.reason
    assert document.failure.message.startswith(f"{name}: ")
    assert not [word for word in fault.says if word not in document.failure.message], document.failure.message
    assert dict(document.failure.metadata).items() >= {"name": name, **fault.where}.items()
    assert (document.chunk_count, document.text_sha256) == (0, "")
    # To try it again would not help.
    assert outcome.attempts[name] == 1


@pytest.mark.parametrize("name", ODDITIES)
async def test_a_strange_file_is_read_to_the_character(client: Client, outcome: Outcome, name: str) -> None:
    document = outcome.documents[name]
    assert document.state == document_pb2.DOCUMENT_STATE_PARSED, document.failure.message
    assert await text_of(client, document.id) == ODDITIES[name].text


@pytest.mark.parametrize("name", MEMBER_FAULTS)
async def test_a_bad_file_of_an_archive_fails_alone(outcome: Outcome, name: str) -> None:
    document, (reason, says, member) = outcome.documents[name], MEMBER_FAULTS[name]
    assert (document.state, document.failure.reason) == (document_pb2.DOCUMENT_STATE_FAILED, reason)
    assert document.failure.message.startswith(f"{name}: ")
    assert says in document.failure.message
    assert (document.failure.metadata["name"], document.failure.metadata["member"]) == (name, member)
    assert outcome.attempts[name] == 1


async def test_a_refused_file_of_an_archive_stays_refused_until_the_archive_is_mended(
    client: Client, outcome: Outcome
) -> None:
    project = await new_project(client)
    await upload(client, project, "up.zip", files.zipped({"../up.md": "text"}))
    await parse(client, project)
    bad = (await documents_of(client, project))["up.zip/up.md"]
    assert (await parse_again(client, bad)).failure.reason == "ARCHIVE_PATH_UNSAFE"
    mended = await upload(client, project, "up.zip", files.zipped({"up.md": "text"}))
    assert (await parse_again(client, mended)).state == job_pb2.JOB_STATE_SUCCEEDED
    good = (await documents_of(client, project))["up.zip/up.md"]
    assert (good.id, good.version) == (bad.id, bad.version + 1)
    assert await text_of(client, good.id) == "text"


async def test_bad_files_fail_alone_and_are_counted(rooms: Rooms, outcome: Outcome) -> None:
    expected = {
        **{name: fault.reason for name, fault in FAULTS.items()},
        **dict.fromkeys((*ODDITIES, *READ_MEMBERS), ""),
        **{name: reason for name, (reason, _, _) in MEMBER_FAULTS.items()},
    }
    assert {name: one.failure.reason for name, one in outcome.documents.items()} == expected
    failed = sum(1 for reason in expected.values() if reason)
    counts = outcome.job.counts
    assert (counts.done, counts.failed, counts.total) == (len(expected) - failed, failed, len(expected))
    assert outcome.job.state == job_pb2.JOB_STATE_FAILED
    assert rooms.processes["ingest"].process.running
    await rooms.processes["ingest"].ready()


async def test_no_chunk_is_of_a_bad_file(client: Client, outcome: Outcome) -> None:
    read = {one.id for one in outcome.documents.values() if one.state == document_pb2.DOCUMENT_STATE_PARSED}
    chunks = await chunks_of(client, outcome.project)
    assert {chunk.document_id for chunk in chunks} <= read
    assert not any("AutoOpen" in chunk.text or "root:" in chunk.text for chunk in chunks)


async def test_a_job_of_the_same_room_succeeds_after_all_that(client: Client, outcome: Outcome) -> None:
    project = await new_project(client)
    await upload(client, project, "later.md", b"A later text.")
    assert (await parse(client, project)).state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_parsed_document_stays_as_it_is_when_another_parse_of_it_fails(client: Client) -> None:
    project = await new_project(client)
    await upload(client, project, "a.pdf", files.pdf(*LINES))
    await parse(client, project)
    before, chunks = (await documents_of(client, project))["a.pdf"], await chunks_of(client, project)
    assert chunks
    options = document_pb2.ReadOptions(page_reader=document_pb2.PAGE_READER_VISION)
    job = await parse_again(client, before, read_options=options)
    assert (job.state, job.failure.reason) == (job_pb2.JOB_STATE_FAILED, "VISION_NOT_CONFIGURED")
    request = job_service_pb2.ListJobFailuresRequest(job_id=job.id)
    (letter,) = (await client.jobs("ingest").ListJobFailures(request)).job_failures
    assert (letter.resource_id, letter.failure) == (before.id, job.failure)
    assert (await documents_of(client, project))["a.pdf"] == before
    assert await chunks_of(client, project) == chunks
    await upload(client, project, "a.pdf", b"%PDF-1.7 damaged")
    await parse(client, project)
    after = (await documents_of(client, project))["a.pdf"]
    assert (after.state, after.failure.reason) == (document_pb2.DOCUMENT_STATE_FAILED, "PDF_UNREADABLE")
    assert (after.chunk_count, await chunks_of(client, project)) == (0, [])


async def test_empty_files_that_the_command_line_names_fail_alone(client: Client, tmp_path: Path) -> None:
    project = await new_project(client)
    contents = {"empty.md": "", "hollow.md": "", "whole.md": "whole"}
    for name, text in contents.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    await upload_files(client, project, gather_files([tmp_path / name for name in contents]))
    job = await parse(client, project)
    documents = await documents_of(client, project)
    assert {name: one.failure.reason for name, one in documents.items()} == {
        "empty.md": "FILE_EMPTY",
        "hollow.md": "FILE_EMPTY",
        "whole.md": "",
    }
    assert (job.counts.done, job.counts.failed) == (1, 2)


async def test_the_command_line_shows_what_it_made_when_some_of_it_failed(
    rooms: Rooms, tmp_path: Path
) -> None:
    project = await new_project(rooms.client)
    for name, text in {"blank.md": " ", "whole.md": "whole"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    line = CommandLine(rooms, project)
    paths = [str(tmp_path / name) for name in ("blank.md", "whole.md")]
    code, printed = await line.run("document", "add", *paths, "--project", project, env={"COLUMNS": "80"})
    documents = await documents_of(rooms.client, project)
    assert code == 1
    assert [one.id in printed for one in documents.values()] == [True, True]
    assert documents["blank.md"].failure.message in printed
    assert max(len(one) for one in printed.splitlines() if "whole.md" in one) <= 80


async def test_a_file_of_less_than_nothing_is_no_file(client: Client) -> None:
    request = pb.CreateUploadRequest(
        project_id=await new_project(client), name="a.md", size_bytes=-1, sha256="0" * 64
    )
    error = await failure(client.documents.CreateUpload(request))
    assert (error.code, error.field) == ("INVALID_ARGUMENT", "size_bytes")


async def test_an_empty_file_of_a_web_server_is_told(stores: Stores, start_room: StartRoom) -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.Response(body=b"", content_type="text/plain")

    await start_room("ingest", env={"SISHU_INGEST_PRIVATE_ADDRESSES": "127.0.0.0/8"})
    async with stores.client() as client, served(nothing) as url:
        project = await new_project(client)
        request = pb.FetchDocumentsRequest(project_id=project, urls=[f"{url}/empty.txt"])
        await end_of(client, "ingest", (await client.documents.FetchDocuments(request)).job.id)
        await parse(client, project)
        ((name, document),) = (await documents_of(client, project)).items()
    assert document.failure.reason == "FILE_EMPTY"
    assert document.failure.message == f"{name}: the file is empty; send it again"


def test_the_guide_promises_what_is_proven_here() -> None:
    _, _, chapter = GUIDE.read_text(encoding="utf-8").partition("\n## Faults\n")
    rows = [line.split("|") for line in chapter.partition("\n## ")[0].splitlines() if line.startswith("|")]
    promised = {reason for row in rows for reason in REASON.findall(row[2])}
    proven = {fault.reason for fault in FAULTS.values()} | {reason for reason, _, _ in MEMBER_FAULTS.values()}
    assert promised == proven | ELSEWHERE
