"""Broken files of every format: each is read as promised, or refused by its name."""

from __future__ import annotations

import importlib.util
import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.formats import format_of
from services.ingest.readers import Reading, Source, read_document
from services.runtime.errors import InvalidArgument
from tests.unit.ingest.readers.fuzz_files import SEEDS
from tests.unit.ingest.readers.readings import zipped

SECONDS = 60
"""Longest time that a file may take, in the child process that reads PDF."""
MOST_CHARS = 2_000_000
EXAMPLES = {"a.docx": 8, "a.odt": 8, "a.rtf": 12, "a.pdf": 30, "a.pptx": 30, "a.xlsx": 30}
"""Examples of a short run, where they are slow; else 60."""
NASTY = [
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\x1b$B",
    b"\r",
    b"\x0c",
    b"<",
    b"</",
    b"<!--",
    b"<![CDATA[",
    b"<?xml version='1.0' encoding='utf-32'?>",
    b"&#0;",
    b"&#xD800;",
    b"&a;",
    b'"',
    b"'",
    b"{",
    b"}",
    b"[" * 2000,
    b"\\",
    b"\\'",
    b"\\bin99999999 ",
    b"|",
    b"`",
    b"$$",
    b"../",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"NaN",
    b"=?x?b?AA?=",
    b"\n--b\n",
    b" obj ",
    b" 0 R",
    b"endstream",
    "\u202e\u0301\u200d".encode(),
    b"![a](images/0123456789abcdef.png)",
]


@dataclass(frozen=True)
class Change:
    """A mutation: what is done, where (as a share of the length), to how much, with what."""

    kind: str
    place: float
    length: int
    data: bytes


CHANGES = st.builds(
    Change,
    st.sampled_from(["flip", "cut", "end", "insert", "double", "over", "copy", "number"]),
    st.floats(0, 1),
    st.one_of(st.integers(1, 8), st.integers(1, 400)),
    st.one_of(st.sampled_from(NASTY), st.binary(min_size=1, max_size=6)),
)


def changed(data: bytes, change: Change) -> bytes:
    at = int(change.place * len(data))
    end = min(len(data), at + change.length)
    match change.kind:
        case "flip":
            return (
                data[:at] + bytes(byte ^ (change.data[0] or 1) for byte in data[at : at + 1]) + data[at + 1 :]
            )
        case "cut":
            return data[:at] + data[end:]
        case "end":
            return data[:at]
        case "insert":
            return data[:at] + change.data + data[at:]
        case "double":
            return data[:end] + data[at:end] * 3 + data[end:]
        case "over":
            return data[:at] + change.data + data[at + len(change.data) :]
        case "copy":
            other = int(change.data[0] / 256 * len(data))
            return data[:at] + data[other : other + change.length] + data[at:]
        case _:
            number = re.compile(rb"\d+").search(data, at)
            return data[: number.start()] + change.data + data[number.end() :] if number else data


def broken(name: str, changes: list[Change], member: int) -> bytes:
    """A broken file; of a zip-based one the bytes of a member, packed anew, or those of the whole."""
    data = seed(name)
    members = parts_of(name)
    if members and member % 8:
        parts = dict(members)
        chosen = sorted(parts)[member % len(parts)]
        for change in changes:
            parts[chosen] = changed(parts[chosen], change)
        return zipped({key: part for key, part in parts.items() if key != chosen or member % 8 != 1})
    for change in changes:
        data = changed(data, change)
    return data


@cache
def seed(name: str) -> bytes:
    return SEEDS[name]()


@cache
def parts_of(name: str) -> dict[str, bytes]:
    stream = io.BytesIO(seed(name))
    if not zipfile.is_zipfile(stream):
        return {}
    with zipfile.ZipFile(stream) as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


def outcome(name: str, data: bytes) -> str:
    """Read a file; return what is wrong with what came of it, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        source = Source(path, f"handbook/{name}", format_of(name).media_type, Path(folder), MOST_CHARS)
        try:
            return "; ".join(faults(read_document(source), Path(folder)))
        except InvalidArgument as error:
            is_named = source.name in error.message and error.metadata.get("name") == source.name
            return "" if is_named else f"the error does not name the file: {error.message}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def faults(reading: Reading, folder: Path) -> Iterator[str]:
    """The promises that a reading breaks."""
    text = reading.text
    if "\x00" in text or "\r" in text:
        yield "NUL or CR in the text"
    if text.encode("utf-8", "replace").decode() != text:
        yield "lone surrogates in the text"
    if not text.strip() and not reading.members:
        yield "no text and no members"
    for starts in (reading.page_starts, reading.row_starts):
        if list(starts) != sorted(starts) or any(not 0 <= start <= len(text) for start in starts):
            yield f"places out of order or beyond the text of {len(text)}: {starts}"
    for image in reading.images:
        if not text[image.char_start : image.char_end].endswith(f"](images/{image.name})"):
            yield f"no reference at the place of {image}"
        if (folder / "images" / image.name).stat().st_size != image.size_bytes:
            yield f"{image} has other bytes"
    for member in reading.members:
        if not (folder / "members" / member.file).is_file():
            yield f"{member} is not there"


def exists(name: str) -> bool:
    return importlib.util.find_spec(f"services.ingest.readers.{format_of(name).reader}") is not None


NAMES = [name for name in SEEDS if exists(name)]
FOUND = [
    # Control characters in the text, and in the name of an element.
    ("a.html", b"<p>The mill\x1a stands.</p>"),
    ("a.html", b"<body><\x16ain><h1>The mill</h1></body>"),
    # U+FFFE, which is no character, in the text.
    ("a.html", "\ufeff<p>The mill\ufffe stands.</p>".encode("utf-16-le")),
    # Form feeds, and controls by number.
    ("a.html", b"<ul><li>The\x0cmill<ol><li>stands&#12;&#x01;</ol></ul>"),
    # NUL in a header's encoded word; the header is no file that a message may name.
    ("a.eml", b"Subject: =?utf-8?b?56Oo\x00\x805Z2K?=\r\n\r\nThe mill\r\n"),
]
"""Files that broke a reader once."""


@pytest.mark.parametrize(("name", "data"), [one for one in FOUND if exists(one[0])])
def test_what_broke_a_reader_once_is_read_as_promised_or_refused_by_name(name: str, data: bytes) -> None:
    assert outcome(name, data) == ""


@pytest.fixture(scope="module")
def child() -> Iterator[ProcessPoolExecutor]:
    """A process that a crash of a library may end."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield pool


def fuzz(name: str, child: ProcessPoolExecutor, folder: Path, examples: int, derandomize: bool) -> None:
    run = partial(outcome, name)

    @settings(
        max_examples=examples,
        derandomize=derandomize,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changes=st.lists(CHANGES, min_size=1, max_size=4), member=st.integers(0, 200))
    def check(changes: list[Change], member: int) -> None:
        data = broken(name, changes, member)
        fault = child.submit(outcome, name, data).result(SECONDS) if name.endswith(".pdf") else run(data)
        if fault:
            (folder / name).write_bytes(data)
        assert not fault, f"{fault}; the file is kept at {folder / name}"

    check()


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_file_is_read(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(seed(name))
        reading = read_document(Source(path, name, format_of(name).media_type, Path(folder)))
        assert list(faults(reading, Path(folder))) == []
        assert re.search("mill|磨|1784|a.md", reading.text.lower())


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_file_is_read_as_promised_or_refused_by_name(
    name: str, child: ProcessPoolExecutor, tmp_path: Path
) -> None:
    fuzz(name, child, tmp_path, EXAMPLES.get(name, 60), derandomize=True)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_many_broken_files_are_read_as_promised_or_refused_by_name(
    name: str, child: ProcessPoolExecutor, tmp_path: Path
) -> None:
    fuzz(name, child, tmp_path, 25 * EXAMPLES.get(name, 60), derandomize=False)
