from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from reportlab.pdfgen.canvas import Canvas

from services.ingest.formats import FORMATS, Format, format_of
from services.ingest.readers.shared import ole
from services.ingest.sniffing import HEAD_BYTES, check_content
from services.runtime.errors import InvalidArgument
from tests.support.read_files import PNG, zipped

ODF = "application/vnd.oasis.opendocument."


def compound_file(*streams: str) -> bytes:
    entries = b"".join(name.encode("utf-16-le").ljust(128, b"\x00") for name in streams)
    return ole.MAGIC + bytes(504) + entries


def saved(save: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def pdf() -> bytes:
    stream = io.BytesIO()
    canvas = Canvas(stream)
    canvas.drawString(100, 100, "text")
    canvas.save()
    return stream.getvalue()


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return stream.getvalue()


def opendocument(kind: str) -> bytes:
    return zipped([("mimetype", f"{ODF}{kind}"), ("content.xml", "<x/>")])


def content_types(kind: str) -> bytes:
    types = f'<Types><Override PartName="/x" ContentType="application/{kind}.main+xml"/></Types>'
    return zipped([("[Content_Types].xml", types), ("x", "<x/>")])


RIGHT: dict[str, Callable[[], bytes]] = {
    "docx": lambda: saved(docx.Document().save),
    "xlsx": lambda: saved(openpyxl.Workbook().save),
    "pptx": lambda: saved(pptx.Presentation().save),
    "pdf": pdf,
    "epub": lambda: zipped([("mimetype", "application/epub+zip"), ("META-INF/container.xml", "<x/>")]),
    "odt": lambda: opendocument("text"),
    "zip": lambda: zipped([("a.md", "x")]),
    "rtf": lambda: rb"{\rtf1\ansi text}",
    "html": lambda: b"\n<!DOCTYPE html><html><body>x</body></html>",
}


@cache
def right(ending: str) -> bytes:
    return RIGHT[ending]()


OTHER: dict[str, Callable[[], bytes]] = {
    "an old Word document": lambda: compound_file("Root Entry", "WordDocument"),
    "an old Excel workbook": lambda: compound_file("Root Entry", "Workbook"),
    "an old PowerPoint presentation": lambda: compound_file("PowerPoint Document"),
    "an Outlook message": lambda: compound_file("__properties_version1.0"),
    "an old Office file": lambda: compound_file("Root Entry"),
    "a binary Excel workbook": lambda: content_types("vnd.ms-excel.sheet.binary.macroEnabled"),
    "an OpenDocument sheet": lambda: opendocument("spreadsheet"),
    "an OpenDocument show": lambda: opendocument("presentation"),
    "a PNG picture": lambda: PNG,
    "a JPEG picture": lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "a GIF picture": lambda: b"GIF89a\x01\x00\x01\x00",
    "a TIFF picture": lambda: b"II*\x00\x08\x00\x00\x00",
    "a WebP picture": lambda: b"RIFF\x10\x00\x00\x00WEBPVP8 ",
    "a BMP picture": lambda: b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00",
    "a HEIC picture": lambda: b"\x00\x00\x00\x18ftypheic\x00",
    "a program": lambda: b"MZ" + bytes(58) + b"\x40\x00\x00\x00PE\x00\x00",
    "a program ": lambda: b"\x7fELF\x02\x01\x01\x00",
    "a gzip archive": lambda: gzip.compress(b"text"),
    "a tar archive": tar,
    "a 7z archive": lambda: b"7z\xbc\xaf\x27\x1c\x00\x04",
    "a RAR archive": lambda: b"Rar!\x1a\x07\x01\x00",
    "an SQLite database": lambda: b"SQLite format 3\x00\x10\x00",
    "sound or video": lambda: b"\x00\x00\x00\x18ftypmp42\x00",
}


def complaint(folder: Path, data: bytes, name: str) -> InvalidArgument | None:
    path = folder / "file"
    path.write_bytes(data)
    try:
        check_content(path, format_of(name).media_type, name)
    except InvalidArgument as error:
        assert name in error.message
        assert error.metadata["name"] == name
        return error
    return None


@pytest.mark.parametrize("ending", RIGHT)
def test_a_rightly_named_file_is_taken(tmp_path: Path, ending: str) -> None:
    assert complaint(tmp_path, right(ending), f"a.{ending}") is None


@pytest.mark.parametrize("holds", [ending for ending in RIGHT if ending not in {"rtf", "html"}])
@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.endings[0])
def test_a_document_under_any_other_name_is_told_its_right_one(
    tmp_path: Path, holds: str, one: Format
) -> None:
    ending = one.endings[0]
    if ending == f".{holds}":
        return
    error = complaint(tmp_path, right(holds), f"a{ending}")
    assert error is not None
    assert error.reason == "FORMAT_MISMATCH"
    assert f"named as {ending}" in error.message
    assert error.message.endswith(f"rename it to .{holds}")


@pytest.mark.parametrize("holds", OTHER)
@pytest.mark.parametrize("name", ["a.docx", "a.xlsx", "a.pdf", "a.zip", "a.txt", "a.md", "a.csv", "a.py"])
def test_what_the_room_does_not_read_is_told_under_any_name(tmp_path: Path, holds: str, name: str) -> None:
    error = complaint(tmp_path, OTHER[holds](), name)
    assert error is not None
    assert error.reason == "FORMAT_MISMATCH"
    assert error.metadata["holds"].startswith(holds.strip())


@pytest.mark.parametrize(
    ("data", "holds"),
    [
        (b"plain words", "plain text"),
        ("字".encode() * HEAD_BYTES, "plain text"),
        ("字".encode("utf-16"), "plain text"),
        (b"<html><body>x", "an HTML page"),
        (rb"{\rtf1 x}", "an RTF document"),
    ],
)
@pytest.mark.parametrize("name", ["a.docx", "a.pdf", "a.epub"])
def test_text_under_the_name_of_a_document_is_told(
    tmp_path: Path, data: bytes, holds: str, name: str
) -> None:
    error = complaint(tmp_path, data, name)
    assert error is not None
    assert error.metadata["holds"] == holds


def test_rtf_under_the_name_of_text_is_told_but_code_may_begin_like_it(tmp_path: Path) -> None:
    assert complaint(tmp_path, rb"{\rtf1 x}", "a.txt") is not None
    assert complaint(tmp_path, rb"{\rtf1 x}", "a.php") is None


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7 is how a PDF begins",
        b"BM is a place, PK\x0a is none",
        b"GIF89a is a format",
        b"PAR1 is a format",
        b"MZ stands for Mark Zbikowski",
        b"ID3 tags",
        "退货政策规定".encode("gbk"),
        "退货政策规定".encode("utf-16"),
        "退货政策规定".encode("utf-16-le"),
        "退货政策规定".encode("utf-32"),
        "Größe".encode("latin-1"),
        "日本語".encode("iso2022_jp"),
        b"\x1b[31mred\x1b[0m",
        b"page one\x0cpage two",
        b"<html>",
    ],
)
def test_text_that_only_looks_like_something_else_is_left_to_its_reader(tmp_path: Path, data: bytes) -> None:
    for name in ("a.txt", "a.md", "a.csv", "a.py"):
        assert complaint(tmp_path, data, name) is None


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx", "a.pptx", "a.odt", "a.epub", "a.zip"])
def test_a_damaged_zip_is_left_to_its_reader_but_is_no_other_file(tmp_path: Path, name: str) -> None:
    torn = zipped([("a", b"x" * 100)])[:50]
    assert complaint(tmp_path, torn, name) is None
    error = complaint(tmp_path, torn, "a.pdf")
    assert error is not None
    assert "cut off or damaged" in error.message


def test_an_encrypted_document_is_rightly_named(tmp_path: Path) -> None:
    data = compound_file("Root Entry", ole.ENCRYPTED)
    assert complaint(tmp_path, data, "a.docx") is None
    error = complaint(tmp_path, data, "a.pdf")
    assert error is not None
    assert "without a password" in error.message


def test_a_pdf_may_have_some_bytes_before_it(tmp_path: Path) -> None:
    assert complaint(tmp_path, b"\r\n junk \x00" + pdf(), "a.pdf") is None


def test_macros_and_templates_and_embedded_files_do_not_change_the_kind(tmp_path: Path) -> None:
    assert complaint(tmp_path, content_types("vnd.ms-word.document.macroEnabled"), "a.docx") is None
    assert complaint(tmp_path, content_types("vnd.ms-excel.sheet.macroEnabled"), "a.xlsx") is None
    stream = io.BytesIO(right("pptx"))
    with zipfile.ZipFile(stream) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    default = b'<Default Extension="docx" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document"/>'
    types = files["[Content_Types].xml"]
    files["[Content_Types].xml"] = types.replace(b"<Default", default + b"<Default", 1)
    assert complaint(tmp_path, zipped(files.items()), "a.pptx") is None


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.endings[0])
def test_an_empty_file_is_refused_whatever_its_name(tmp_path: Path, one: Format) -> None:
    error = complaint(tmp_path, b"", f"a{one.endings[0]}")
    assert error is not None
    assert error.reason == "FILE_EMPTY"


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_bytes_that_tell_nothing_are_left_to_the_reader(tmp_path: Path, name: str) -> None:
    assert complaint(tmp_path, b"\x00\x01\x02\xff\xfe", name) is None
