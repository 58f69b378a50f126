"""Files that are damaged, locked, wrongly named, made to do harm, or just strange: each is told apart from
the others of its job, which go on. The table of docs/ingest.md promises what is proven here.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.ingest.v1 import document_pb2
from sishu.ingest.v1 import document_service_pb2 as pb
from tests.integration.conftest import StartRoom
from tests.integration.documents import (
    SLOW,
    chunks_of,
    documents_of,
    end_of,
    new_project,
    parse,
    text_of,
    upload,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, Stores
from tests.support import fault_files as files

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
    "cut.pdf": Fault(lambda: files.cut(files.pdf(*LINES)), "PDF_UNREADABLE", ("cut off",)),
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
    "damaged page.pdf": Fault(files.pdf_with_damaged_page, "PDF_UNREADABLE", ("page 2 ",), {"page": "2"}),
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
    "blank.md": Fault(lambda: b" \n\n", "TEXT_EMPTY", ("no text",)),
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
    "up.zip": Fault(
        lambda: files.zipped({"good.md": "good", "../../up.md": "up"}),
        "ARCHIVE_PATH_UNSAFE",
        ("../../up.md", "with relative names"),
        {"member": "../../up.md"},
    ),
    "absolute.zip": Fault(
        lambda: files.zipped({"/tmp/absolute.md": "absolute"}),
        "ARCHIVE_PATH_UNSAFE",
        ("/tmp/absolute.md", "with relative names"),
    ),
    "drive.zip": Fault(
        lambda: files.zipped({r"C:\drive.md": "drive"}), "ARCHIVE_PATH_UNSAFE", ("with relative names",)
    ),
    "laughs.docx": Fault(files.laughing_word_file, "XML_BOMB", ("save it anew without entities",)),
    "laughs.odt": Fault(
        lambda: files.odt("&l9;", files.LAUGHS), "XML_BOMB", ("save it anew without entities",)
    ),
    "deep.docx": Fault(files.deep_word_file, "XML_BOMB", ("depth",)),
    "deep.json": Fault(lambda: b"[" * 99_999 + b"]" * 99_999, "JSON_TOO_DEEP", ("64 deep", "flatten them")),
    "wide.xlsx": Fault(files.wide_sheet, "SHEET_TOO_LARGE", ("row 1000000", "delete what stands far out")),
    "cells.html": Fault(
        lambda: b"<table>" + b"<tr>" + b"<td rowspan=60000>x" * 1000 + b"</table>",
        "HTML_TOO_LARGE",
        ("split it",),
    ),
    "nul.txt": Fault(lambda: b"some text\x00more", "TEXT_BINARY", ("character 9 ",), {"offset": "9"}),
    "nul.csv": Fault(lambda: b"a,b\n1,\x00\n", "TEXT_BINARY", ("NUL",)),
}
ODDITIES = {
    "good.md": Oddity(lambda: b"# Good\n\nA good text.\n", "# Good\n\nA good text.\n"),
    "good.docx": Oddity(lambda: files.word_file("A good letter."), "A good letter.\n"),
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
        lambda: files.zip_with_link("/etc/passwd"),
        "- link.md: left out, it is a link or device\n- whole.md\n",
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
MEMBERS = {
    "empty inside.zip/whole.md": "",
    "link.zip/whole.md": "",
    "nested.zip/n.zip": "",
    "nested.zip/n.zip/n.zip": "",
    DEEPEST: "ARCHIVE_TOO_DEEP",
}
"""Files in those archives, and the reasons of their failures."""
LIMITS = {"TEXT_TOO_LARGE", "PARSE_TIMED_OUT", "PARSE_OUT_OF_MEMORY", "PARSE_CRASHED"}
"""Reasons that have tests of their own below."""


@pytest.fixture
def client(rooms: Rooms) -> Client:
    return rooms.client


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
    for name, one in {**FAULTS, **ODDITIES}.items():
        await upload(client, project, name, one.make())
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


async def test_bad_files_fail_alone_and_are_counted(rooms: Rooms, outcome: Outcome) -> None:
    expected = {
        **{name: fault.reason for name, fault in FAULTS.items()},
        **dict.fromkeys(ODDITIES, ""),
        **MEMBERS,
    }
    assert {name: one.failure.reason for name, one in outcome.documents.items()} == expected
    failed = sum(1 for reason in expected.values() if reason)
    counts = outcome.job.counts
    assert (counts.done, counts.failed, counts.total) == (len(expected) - failed, failed, len(expected))
    assert outcome.job.state == job_pb2.JOB_STATE_FAILED
    assert "unpack it" in outcome.documents[DEEPEST].failure.message
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
    contents = {"slow.pdf": SLOW, "quick.txt": b"text"}
    found = await reasons_in_small_room(stores, start_room, contents, parse_seconds=8)
    assert found["quick.txt"] == ("", "")
    reason, message = found["slow.pdf"]
    assert reason == "PARSE_TIMED_OUT"
    assert "slow.pdf: " in message
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
    assert room.process.running


def test_the_guide_promises_what_is_proven_here() -> None:
    _, _, chapter = GUIDE.read_text(encoding="utf-8").partition("\n## Faults\n")
    rows = [line.split("|") for line in chapter.partition("\n## ")[0].splitlines() if line.startswith("|")]
    promised = {reason for row in rows for reason in REASON.findall(row[2])}
    proven = {fault.reason for fault in FAULTS.values()} | {reason for reason in MEMBERS.values() if reason}
    assert promised == proven | LIMITS
