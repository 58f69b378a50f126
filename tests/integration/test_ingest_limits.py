"""Files that are too large, too slow, or break the process that parses them; what they may take of the machine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import httpx
import psutil
import pytest

from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    SLOW,
    SLOW_TEXT,
    complete,
    documents_of,
    end_of,
    new_project,
    parse,
    text_of,
    upload,
)
from tests.integration.stores import Room, Stores
from tests.support import fault_files as files
from tests.support.parse_processes import a_fork
from tests.support.scans import scanned_pdf

MIB = 1 << 20
GIB = 1 << 30


async def reasons_in_small_room(
    stores: Stores, start_room: StartRoom, contents: Mapping[str, bytes], **limits: int
) -> dict[str, tuple[str, str]]:
    """Reason and message of each file in a room with limits of its own."""
    await start_room("ingest", env={f"SISHU_INGEST_{name.upper()}": limit for name, limit in limits.items()})
    async with stores.client() as client:
        project = await new_project(client)
        for name, data in contents.items():
            await upload(client, project, name, data)
        await parse(client, project)
        documents = await documents_of(client, project)
        return {name: (one.failure.reason, one.failure.message) for name, one in documents.items()}


async def test_a_text_over_the_limit_is_refused_whatever_its_format(
    stores: Stores, start_room: StartRoom
) -> None:
    long, short = "A line of a long text.\n" * 100, "A line.\n"
    makers: dict[str, Callable[[str], bytes]] = {
        "md": str.encode,
        "csv": lambda text: f"text\n{text}".encode(),
        "html": lambda text: f"<p>{text}</p>".encode(),
        "docx": files.word_file,
        "xlsx": lambda text: files.sheet([text]),
        "pptx": files.slides,
        "epub": files.epub,
        "odt": files.odt,
        "pdf": lambda text: files.pdf(*text.splitlines()),
    }
    contents = {
        f"{size}.{ending}": make(text)
        for ending, make in makers.items()
        for size, text in (("long", long), ("short", short))
    }
    found = await reasons_in_small_room(stores, start_room, contents, most_chars=1000)
    assert {name: reason for name, (reason, _) in found.items()} == {
        name: "TEXT_TOO_LARGE" if name.startswith("long") else "" for name in contents
    }
    for name, (reason, message) in found.items():
        if reason:
            assert message.startswith(f"{name}: ")
            assert "at most 1000 " in message
            assert "SISHU_INGEST_MOST_CHARS" in message


async def test_a_text_that_needs_too_much_memory_is_refused(stores: Stores, start_room: StartRoom) -> None:
    contents = {"large.txt": "文字文字 ".encode() * 3_900_000, "small.txt": b"text"}
    found = await reasons_in_small_room(stores, start_room, contents, parse_memory_mib=140)
    assert found["small.txt"] == ("", "")
    reason, message = found["large.txt"]
    assert reason == "PARSE_OUT_OF_MEMORY"
    assert "large.txt: " in message
    assert "SISHU_INGEST_PARSE_MEMORY_MIB" in message


@pytest.mark.full
async def test_a_text_that_takes_too_long_is_refused(stores: Stores, start_room: StartRoom) -> None:
    contents = {"slow.md": SLOW_TEXT, "quick.txt": b"text"}
    found = await reasons_in_small_room(stores, start_room, contents, parse_seconds=8)
    assert found["quick.txt"] == ("", "")
    reason, message = found["slow.md"]
    assert reason == "PARSE_TIMED_OUT"
    assert "slow.md: " in message
    assert "SISHU_INGEST_PARSE_SECONDS" in message


async def test_a_crash_in_a_parser_marks_its_document_and_nothing_else(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    async with stores.client() as client:
        project = await new_project(client)
        for name, data in {"crash.pdf": SLOW, "a.md": b"text", "b.md": b"text of b"}.items():
            await upload(client, project, name, data)
        job = (await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))).job
        (await a_fork(room.pid)).send_signal(signal.SIGSEGV)
        ended = await end_of(client, "ingest", job.id)
        documents = await documents_of(client, project)
    assert (ended.counts.done, ended.counts.failed) == (2, 1)
    assert documents["crash.pdf"].failure.reason == "PARSE_CRASHED"
    assert "crash.pdf: " in documents["crash.pdf"].failure.message
    assert "signal 11" in documents["crash.pdf"].failure.message
    assert "save it anew" in documents["crash.pdf"].failure.message
    assert room.process.running


async def send_pieces(url: str, size: int, pieces: Iterator[bytes]) -> None:
    """PUT a large file that nobody holds in memory."""

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async with httpx.AsyncClient(trust_env=False, timeout=300) as http:
        (await http.put(url, content=stream(), headers={"Content-Length": str(size)})).raise_for_status()


async def upload_pieces(
    client: Client, project: str, name: str, size: int, pieces: Callable[[], Iterator[bytes]]
) -> None:
    """Upload a large file."""
    digest = hashlib.sha256()
    for piece in pieces():
        digest.update(piece)
    request = pb.CreateUploadRequest(
        project_id=project, name=name, size_bytes=size, sha256=digest.hexdigest()
    )
    announced = await client.documents.CreateUpload(request)
    await send_pieces(announced.target.url, size, pieces())
    await complete(client, announced.upload_id)


def held_by(pid: int) -> int:
    """Bytes that a process and its children hold in memory; what a fork shares counts twice."""
    total = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


@asynccontextmanager
async def most_held(room: Room) -> AsyncIterator[list[int]]:
    """Watches a room; at the end the list holds the most that it and its children held in memory."""
    most = [held_by(room.pid)]

    async def watch() -> None:
        while True:
            most[0] = max(most[0], held_by(room.pid))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield most
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_five_hundred_megabytes_of_text_are_refused_in_little_memory(
    stores: Stores, start_room: StartRoom
) -> None:
    room, size = await start_room("ingest"), 500_000_000
    async with stores.client() as client:
        project = await new_project(client)
        await upload(client, project, "good.md", b"text")
        async with most_held(room) as most:
            for at, name in enumerate(("large.txt", "large.csv", "large.jsonl", "large.html")):
                await upload_pieces(client, project, name, size + at, partial(files.large_text, size + at))
            began = time.monotonic()
            job = await parse(client, project)
            seconds = time.monotonic() - began
        documents = await documents_of(client, project)
    print(f"{most[0] / MIB:.0f} MiB, {seconds:.1f} s")
    assert {name: one.failure.reason for name, one in documents.items()} == {
        "good.md": "",
        "large.txt": "TEXT_TOO_LARGE",
        "large.csv": "TEXT_TOO_LARGE",
        "large.jsonl": "TEXT_TOO_LARGE",
        "large.html": "HTML_TOO_LARGE",
    }
    assert (job.counts.done, job.counts.failed) == (1, 4)
    assert most[0] < GIB
    # Two at a time, most of it spent on getting them out of the bucket.
    assert seconds < 60


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_two_thousand_pages_are_read_in_little_memory(stores: Stores, start_room: StartRoom) -> None:
    room = await start_room("ingest")
    async with stores.client() as client:
        project = await new_project(client)
        await upload(client, project, "long.pdf", files.long_pdf(2000))
        async with most_held(room) as most:
            job = await parse(client, project)
        assert (job.state, job.counts.done) == (job_pb2.JOB_STATE_SUCCEEDED, 1)
        ((_, document),) = (await documents_of(client, project)).items()
        text = await text_of(client, document.id)
    print(f"{most[0] / MIB:.0f} MiB")
    assert document.page_count == 2000
    assert [int(number) for number in re.findall(r"This is page (\d+) of many", text)] == [*range(1, 2001)]
    assert most[0] < GIB


def tagged_page(tags: int) -> bytes:
    """A page of so many tags."""
    return b"<html><body>" + b"<p>A line <b>x</b></p>" * (tags // 4) + b"</body></html>"


@pytest.mark.full
@pytest.mark.timeout(900)
async def test_the_largest_files_that_are_taken_are_read_in_the_memory_of_one_worker(
    stores: Stores, start_room: StartRoom
) -> None:
    room = await start_room("ingest")
    scan = scanned_pdf(*("The warranty of the pump ends in two years.\n" * 40 for _ in range(2)))
    contents = {
        "a.html": tagged_page(1_490_000),
        "b.html": tagged_page(1_490_004),
        "emoji.txt": ("Some words here and 😀 there.\n\n" * 640_000).encode(),
        "letters.md": b"A line of words in a long text, number 12.\n\n" * 450_000,
        "scan one.pdf": scan,
        "scan two.pdf": scan + b"\n",
    }
    async with stores.client() as client:
        project = await new_project(client)
        async with most_held(room) as most:
            for name, data in contents.items():
                await upload(client, project, name, data)
            started = (
                await client.documents.ParseDocuments(pb.ParseDocumentsRequest(project_id=project))
            ).job
            job = await end_of(client, "ingest", started.id, 800)
        documents = await documents_of(client, project)
    print(f"{most[0] / MIB:.0f} MiB")
    assert {name: one.failure.reason for name, one in documents.items()} == dict.fromkeys(contents, "")
    assert job.counts.done == len(contents)
    assert most[0] < GIB
