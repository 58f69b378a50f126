"""Broken files of every format: each is read as promised, or refused by its name."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pixels
from reportlab.pdfgen.canvas import Canvas

from services.ingest.formats import format_of
from services.ingest.readers import Reading, Source, read_document
from services.runtime.errors import InvalidArgument

SECONDS = 60
"""Longest time that a file may take, in the child process that reads PDF."""
MOST_CHARS = 2_000_000
SENTENCE = "The mill stands on the river. 磨坊建在河边。 "


def png() -> bytes:
    stream = io.BytesIO()
    Pixels.new("RGB", (8, 8), "red").save(stream, "PNG")
    return stream.getvalue()


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return stream.getvalue()


def saved(save: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.add_heading("The mill", 1)
    document.add_paragraph(SENTENCE * 3)
    document.add_paragraph("first", style="List Bullet")
    table = document.add_table(2, 2)
    table.cell(0, 0).text, table.cell(1, 1).text = "Year", "1784"
    document.add_picture(io.BytesIO(png()))
    return saved(document.save)


def sheet() -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in (["Year", "Sacks"], [1784, 12.5], ["磨坊", "=A2*2"]):
        page.append(row)
    page.merge_cells("A3:B3")
    book.create_sheet("Empty")
    return saved(book.save)


def slides() -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "The mill"
    slide.placeholders[1].text = SENTENCE
    slide.shapes.add_table(2, 2, 0, 0, 100, 100).table.cell(0, 0).text = "Year"
    slide.shapes.add_picture(io.BytesIO(png()), 0, 0)
    slide.notes_slide.notes_text_frame.text = "a note"
    return saved(show.save)


def open_document() -> bytes:
    names = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{names}:office:1.0" xmlns:text="{names}:text:1.0" '
        f'xmlns:table="{names}:table:1.0"><office:font-face-decls/><office:automatic-styles/><office:body><office:text>'
        f'<text:h text:outline-level="1">The mill</text:h><text:p>{SENTENCE}</text:p>'
        "<table:table><table:table-row><table:table-cell><text:p>Year</text:p></table:table-cell>"
        "</table:table-row></table:table></office:text></office:body></office:document-content>"
    )
    styles = (
        f'<office:document-styles xmlns:office="{names}:office:1.0" xmlns:style="{names}:style:1.0" '
        f'xmlns:fo="{names}:xsl-fo-compatible:1.0"><office:font-face-decls/><office:styles/>'
        "<office:automatic-styles/><office:master-styles/></office:document-styles>"
    )
    kind = "application/vnd.oasis.opendocument.text"
    return zipped({"mimetype": kind, "content.xml": content, "styles.xml": styles})


def book() -> bytes:
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="a.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="p" href="p.png" media-type="image/png"/></manifest><spine><itemref idref="a"/></spine></package>'
    )
    chapter = f'<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>The mill</h1><p>{SENTENCE}</p><img src="p.png" alt="x"/></body></html>'
    parts: dict[str, str | bytes] = {
        "META-INF/container.xml": container,
        "a.opf": package,
        "a.xhtml": chapter,
        "p.png": png(),
    }
    return zipped({"mimetype": "application/epub+zip"} | parts)


def pdf() -> bytes:
    def save(stream: io.BytesIO) -> None:
        canvas = Canvas(stream, pageCompression=0)
        for page in range(3):
            canvas.drawString(50, 700, f"Page {page} of the mill.")
            canvas.bookmarkPage(str(page))
            canvas.addOutlineEntry(f"Part {page}", str(page))
            canvas.showPage()
        canvas.save()

    return saved(save)


PAGE = (
    "<html><head><meta charset=utf-8><title>Mill</title></head><body><nav><a href=/>Home</a></nav><main>"
    f"<h1>The mill</h1><p>{SENTENCE}</p><ul><li>one<ol><li>two</ol></ul><table><tr><th>a<td>b</table>"
    "<pre><code>x = 1</code></pre><math><mi>x</mi></math></main></body></html>"
)
MAIL = (
    "From: a@a.example\r\nSubject: =?utf-8?b?56Oo5Z2K?=\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=gb2312\r\n'
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C4=A5=B7=BB and more\r\n--b\r\n"
    'Content-Disposition: attachment; filename="a.txt"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n'
)
SEEDS: dict[str, Callable[[], bytes]] = {
    "a.md": f"# Mill\n\n{SENTENCE}\n\n```py\nx\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n".encode,
    "a.txt": lambda: (SENTENCE * 8).encode("gb18030"),
    "b.txt": lambda: (SENTENCE * 3).encode("utf-16"),
    "a.csv": 'year,sacks\n1784,"12,5"\n1785,"two\nlines"\n磨坊,\n'.encode,
    "a.tsv": lambda: b"year\tsacks\n1784\t12\n",
    "a.py": lambda: b"def mill(a):\n    return 'x' * a  # turn\n",
    "a.html": PAGE.encode,
    "a.json": lambda: json.dumps([{"a": {"b": [1, 2.5, None]}, "磨": "x"}] * 2, indent=1).encode(),
    "a.jsonl": lambda: b'{"a": 1784, "b": "x"}\n{"a": 2}\n[3]\n',
    "a.eml": MAIL.encode,
    "a.rtf": lambda: (
        rb"{\rtf1\ansi\ansicpg936{\fonttbl{\f0 A;}}\f0\b The mill\b0\par \u30952? \'c4\'a5 \pard\trowd\cellx99 a\cell\row}"
    ),
    "a.docx": word,
    "a.pptx": slides,
    "a.xlsx": sheet,
    "a.odt": open_document,
    "a.epub": book,
    "a.zip": lambda: zipped({"a.md": "# Mill\n", "b/c.txt": SENTENCE, "d.png": png()}),
    "a.pdf": pdf,
}
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
