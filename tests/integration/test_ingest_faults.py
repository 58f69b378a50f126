"""Files that are damaged, locked, wrongly named, made to do harm, or just strange: each is told apart from
the others of its job, which go on. The table of docs/ingest.md promises what is proven here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio
from aiohttp import web

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import document_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from sishu.learn.files import gather_files, upload_files
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    SLOW,
    SLOW_TEXT,
    chunks_of,
    complete,
    documents_of,
    end_of,
    failure,
    new_project,
    parse,
    parse_again,
    text_of,
    upload,
)
from tests.integration.processes import eventually
from tests.integration.stores import Room, Rooms, Stores
from tests.support import fault_files as files
from tests.support.web_server import served

GUIDE = Path(__file__).parents[2] / "docs" / "ingest.md"
REASON = re.compile(r"`([A-Z]+(?:_[A-Z]+)+)`")
LINES = [f"This is line {number} of a file that was whole." for number in range(60)]
UNICODE = (
    "# שלום עולם\n\nمرحبا بالعالم (نص) 123.\n\ne\u0301 a\u0323\u0302 z\u0335\u0321\u035c نَصٌّ\n\n"
    "👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ 𠮷\n\n\u200fRTL\u200e \u2067אב\u2069 \u202eabc\u202c\n"
)
"""Right to left, combining characters, emoji of many code points, and marks of direction."""
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Fault:
    """A file that is refused.

    Args:
        make: makes its bytes.
        reason: of its failure.
        says: words of the message beside the file's name: where it is, and what to do.
        where: metadata of the failure beside the name.
    """

    make: Callable[[], bytes]
    reason: str
    says: tuple[str, ...]
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Oddity:
    """A file that looks bad and is read.

    Args:
        make: makes its bytes.
        text: what must be read.
    """

    make: Callable[[], bytes]
    text: str


FAULTS = {
    "encrypted.pdf": Fault(files.encrypted_pdf, "FILE_ENCRYPTED", ("save it without one",)),
    "encrypted.docx": Fault(
        lambda: files.compound_file("EncryptedPackage"), "FILE_ENCRYPTED", ("save it without a password",)
    ),
    "encrypted.zip": Fault(
        files.encrypted_zip, "FILE_ENCRYPTED", ("secret.md", "without a password"), {"member": "secret.md"}
    ),
    "cut.pdf": Fault(lambda: files.cut(files.pdf(*LINES)), "PDF_UNREADABLE", ("cut off", "Save it anew")),
    # Its last page would be blank.
    "cut off the web.pdf": Fault(
        lambda: files.cut_web_pdf(*LINES), "PDF_UNREADABLE", ("cut off", "send it again")
    ),
    "cut.docx": Fault(
        lambda: files.cut(files.word_file(*LINES)), "DOCX_UNREADABLE", ("cut off", "Save it anew")
    ),
    "cut.xlsx": Fault(lambda: files.cut(files.sheet(LINES)), "XLSX_UNREADABLE", ("cut off", "Save it anew")),
    "cut.pptx": Fault(
        lambda: files.cut(files.slides("text")), "PPTX_UNREADABLE", ("cut off", "Save it anew")
    ),
    "cut.epub": Fault(lambda: files.cut(files.epub("text")), "EPUB_UNREADABLE", ("cut off", "Save it anew")),
    "cut.odt": Fault(lambda: files.cut(files.odt("text")), "ODT_UNREADABLE", ("cut off", "Save it anew")),
    "cut.zip": Fault(
        lambda: files.cut(files.zipped({"a.md": "a", "b.md": "b"})), "ZIP_UNREADABLE", ("cut off",)
    ),
    "cut.rtf": Fault(lambda: rb"{\rtf1 one\par two\par {\b three", "RTF_UNREADABLE", ("cut off",)),
    "cut.json": Fault(lambda: b'{"a": 1,\n"b": ', "JSON_INVALID", ("line 2",), {"line": "2"}),
    "damaged page.pdf": Fault(
        files.pdf_with_damaged_page, "PDF_UNREADABLE", ("page 2 ", "Save it anew"), {"page": "2"}
    ),
    "broken.json": Fault(
        lambda: b'{"a": 1,\n"b": oops}', "JSON_INVALID", ("line 2, column 6", "mend it"), {"offset": "14"}
    ),
    "broken.jsonl": Fault(
        lambda: b'{"a": 1}\n{"a": 2}\n{"a": }\n', "JSON_INVALID", ("line 3",), {"line": "3"}
    ),
    "no head.eml": Fault(lambda: b"just a text", "EML_UNREADABLE", ("no head",)),
    "mixed.txt": Fault(
        lambda: ("树木。" * 99).encode() + b"\xff\xff" + ("树木。" * 99).encode(),
        "ENCODING_DAMAGED",
        ("byte 891 ", "mend it there"),
        {"offset": "891"},
    ),
    "a pdf.docx": Fault(lambda: files.pdf("text"), "FORMAT_MISMATCH", ("a PDF", "rename it to .pdf")),
    "a picture.md": Fault(files.png, "FORMAT_MISMATCH", ("a PNG picture", "put it into a PDF")),
    "an old one.docx": Fault(
        lambda: files.compound_file("WordDocument"), "FORMAT_MISMATCH", ("(.doc)", "save it as .docx")
    ),
    "empty.md": Fault(lambda: b"", "FILE_EMPTY", ("send it again",)),
    "blank.md": Fault(lambda: b" \n\n", "TEXT_EMPTY", ("no text", "leave it out")),
    "blank.pdf": Fault(lambda: files.pdf(""), "PDF_WITHOUT_TEXT", ("`vision`",)),
    "bomb.zip": Fault(
        lambda: files.zipped({"good.md": "good", "bomb.md": bytes(64 * MIB)}),
        "ARCHIVE_BOMB",
        ("bomb.md", "split the file"),
        {"member": "bomb.md"},
    ),
    "bomb.docx": Fault(
        lambda: files.changed(files.word_file("text"), {"word/media/image1.png": bytes(64 * MIB)}),
        "ARCHIVE_BOMB",
        ("image1.png",),
        {"member": "word/media/image1.png"},
    ),
    "many.zip": Fault(
        lambda: files.zipped({f"{number}.md": "" for number in range(10_001)}), "ARCHIVE_BOMB", ("10001",)
    ),
    "lying.zip": Fault(files.lying_zip, "ARCHIVE_BOMB", ("unpacks to",)),
    "overlapping.zip": Fault(files.overlapping_zip, "ARCHIVE_BOMB", ("overlap",), {"member": "b.md"}),
    "laughs.docx": Fault(files.laughing_word_file, "XML_BOMB", ("save it anew without entities",)),
    "laughs.odt": Fault(
        lambda: files.odt("&l9;", files.LAUGHS), "XML_BOMB", ("save it anew without entities",)
    ),
    "deep.docx": Fault(files.deep_word_file, "XML_BOMB", ("depth",)),
    "deep.json": Fault(lambda: b"[" * 99_999 + b"]" * 99_999, "JSON_TOO_DEEP", ("64 deep", "flatten them")),
    "wide.xlsx": Fault(files.wide_sheet, "SHEET_TOO_LARGE", ("row 1000000", "delete what stands far out")),
    "tags.html": Fault(lambda: b"<b>" * 2_000_001, "HTML_TOO_LARGE", ("2000001 tags", "split it")),
    "nul.txt": Fault(
        lambda: b"some text\x00more", "TEXT_BINARY", ("character 9 ", "save it as text"), {"offset": "9"}
    ),
    "nul.csv": Fault(lambda: b"a,b\n1,\x00\n", "TEXT_BINARY", ("NUL", "save it as text")),
}
ODDITIES = {
    "good.md": Oddity(lambda: b"# Good\n\nA good text.\n", "# Good\n\nA good text.\n"),
    "good.docx": Oddity(lambda: files.word_file("A good letter."), "A good letter.\n"),
    "web.pdf": Oddity(lambda: files.web_pdf("One page.", "Another page."), "One page.\n\nAnother page.\n"),
    "macros.docx": Oddity(lambda: files.word_file_with_macros("A letter."), "A letter.\n"),
    "unicode.md": Oddity(UNICODE.encode, UNICODE),
    "unicode.txt": Oddity(lambda: UNICODE.encode("utf-16"), UNICODE),
    "unicode.docx": Oddity(
        lambda: files.word_file("אב 👩‍👩‍👧‍👦 e\u0301 مرحبا"), "אב 👩‍👩‍👧‍👦 e\u0301 مرحبا\n"
    ),
    "empty inside.zip": Oddity(
        lambda: files.zipped({"empty.md": "", "whole.md": "whole"}),
        "- empty.md: left out, it is empty\n- whole.md\n",
    ),
    "link.zip": Oddity(
        lambda: files.zip_with_link("/etc/passwd"), "- link.md: not read, see its document\n- whole.md\n"
    ),
    "up.zip": Oddity(
        lambda: files.zipped({"../../up.md": "up", "beside.md": "beside"}),
        "- up.md: not read, see its document\n- beside.md\n",
    ),
    "absolute.zip": Oddity(
        lambda: files.zipped({"/etc/absolute.md": "absolute"}),
        "- etc/absolute.md: not read, see its document\n",
    ),
    "drive.zip": Oddity(
        lambda: files.zipped({r"C:\drive.md": "drive"}), "- drive.md: not read, see its document\n"
    ),
    "damaged inside.zip": Oddity(
        lambda: files.zip_with_damaged_file("damaged.md"),
        "- damaged.md: not read, see its document\n- sound.md\n",
    ),
    "locked inside.zip": Oddity(
        lambda: files.zipped({"locked.zip": files.encrypted_zip(), "free.md": "free"}),
        "- locked.zip\n- free.md\n",
    ),
    "nested.zip": Oddity(lambda: files.nested_zip(5), "- n.zip\n"),
    "deep.html": Oddity(lambda: b"<div>" * 99_999 + b"<p>deep</p>", "deep\n"),
    "deep.md": Oddity(lambda: b"> " * 5000 + b"deep\n", "> " * 5000 + "deep\n"),
    "local.html": Oddity(
        lambda: b"<p>seen</p><img src='file:///etc/passwd'><iframe src='file:///etc/passwd'></iframe>",
        "seen\n",
    ),
}
DEEPEST = "nested.zip/n.zip/n.zip/n.zip"
READ_MEMBERS = (
    "empty inside.zip/whole.md",
    "link.zip/whole.md",
    "up.zip/beside.md",
    "damaged inside.zip/sound.md",
    "locked inside.zip/free.md",
    "nested.zip/n.zip",
    "nested.zip/n.zip/n.zip",
)
MEMBER_FAULTS = {
    "link.zip/link.md": ("ARCHIVE_LINK", "pack the file itself", "link.md"),
    "up.zip/up.md": ("ARCHIVE_PATH_UNSAFE", "'../../up.md'", "../../up.md"),
    "absolute.zip/etc/absolute.md": (
        "ARCHIVE_PATH_UNSAFE",
        "pack the file anew, with a relative name",
        "/etc/absolute.md",
    ),
    "drive.zip/drive.md": ("ARCHIVE_PATH_UNSAFE", "relative name", r"C:\drive.md"),
    "damaged inside.zip/damaged.md": ("ZIP_UNREADABLE", "Save it anew", "damaged.md"),
    "locked inside.zip/locked.zip": ("FILE_ENCRYPTED", "without a password", "secret.md"),
    DEEPEST: ("ARCHIVE_TOO_DEEP", "unpack it", ""),
}
"""Files in those archives: reason, words of the message, and `member` in the metadata."""
ELSEWHERE = {"TEXT_TOO_LARGE", "PARSE_TIMED_OUT", "PARSE_OUT_OF_MEMORY", "PARSE_CRASHED"}
"""Reasons that have tests of their own below."""


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
    contents = {"large.txt": b"text " * 3_900_000, "small.txt": b"text"}
    found = await reasons_in_small_room(stores, start_room, contents, parse_memory_mib=200)
    assert found["small.txt"] == ("", "")
    reason, message = found["large.txt"]
    assert reason == "PARSE_OUT_OF_MEMORY"
    assert "large.txt: " in message
    assert "SISHU_INGEST_PARSE_MEMORY_MIB" in message


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
        forks: list[psutil.Process] = []

        async def forked() -> bool:
            warm = psutil.Process(room.pid).children()
            forks[:] = [fork for one in warm for fork in one.children()]
            return bool(forks)

        await eventually(forked)
        forks[0].send_signal(signal.SIGSEGV)
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


def test_the_guide_promises_what_is_proven_here() -> None:
    _, _, chapter = GUIDE.read_text(encoding="utf-8").partition("\n## Faults\n")
    rows = [line.split("|") for line in chapter.partition("\n## ")[0].splitlines() if line.startswith("|")]
    promised = {reason for row in rows for reason in REASON.findall(row[2])}
    proven = {fault.reason for fault in FAULTS.values()} | {reason for reason, _, _ in MEMBER_FAULTS.values()}
    assert promised == proven | ELSEWHERE
