"""Files that do harm or make no sense, each as small as it can be, and the whole ones they are made from."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence

import docx
import openpyxl
import pptx
from PIL import Image
from pptx.util import Inches
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from tests.support.pdf_files import canvas_pdf

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
DIRECTORY = b"PK\x01\x02"
"""Start of an entry in the directory of a zip."""
LAUGHS = "".join(
    ["<!DOCTYPE x [", '<!ENTITY l0 "ha">']
    + [f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10)]
    + ["]>"]
)
"""The head of an XML file whose entity `&l9;` is 2,000,000,000 characters."""
WORD_SPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf"/></rootfiles></container>'
)
PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
    '<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="c"/></spine></package>'
)


def pdf(*pages: str, encrypt: StandardEncryption | None = None) -> bytes:
    """A PDF with a line on each page."""

    def draw(canvas: Canvas) -> None:
        for line in pages:
            canvas.drawString(72, 700, line)
            canvas.showPage()

    return canvas_pdf(draw, encrypt=encrypt)


def long_pdf(page_count: int, lines: int = 40) -> bytes:
    """A PDF of many pages; page N says "page N" and has some lines."""

    def draw(canvas: Canvas) -> None:
        for number in range(1, page_count + 1):
            canvas.drawString(72, 800, f"This is page {number} of many.")
            for line in range(lines):
                canvas.drawString(72, 770 - 15 * line, f"Line {line} of page {number} tells about the trees.")
            canvas.showPage()

    return canvas_pdf(draw)


def web_pdf(*pages: str) -> bytes:
    """A PDF for fast web view: what tells how to read it stands at its start, with its length."""
    count = len(pages)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, line in enumerate(pages):
        content = b"BT /F1 12 Tf 72 700 Td (%s) Tj ET" % line.encode()
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (5 + 2 * at),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, one) for number, one in enumerate(objects, 1))
    head = b"%%PDF-1.4\n1000 0 obj\n<< /Linearized 1 /L %010d /N %d >>\nendobj\n"
    trailer = b"trailer << /Root 1 0 R /Size %d >>\nstartxref\n0\n%%%%EOF\n" % (len(objects) + 1)
    size = len(head % (0, count)) + 2 * len(trailer) + len(body)
    return head % (size, count) + trailer + body + trailer


def cut_web_pdf(*pages: str) -> bytes:
    """A PDF for fast web view that ends within the text of its last page."""
    whole = web_pdf(*pages)
    return whole[: whole.rindex(b" Tj")]


def encrypted_pdf() -> bytes:
    """A PDF that asks for a password to be read."""
    return pdf("secret", encrypt=StandardEncryption("password", ownerPassword="owner", strength=128))


def pdf_with_damaged_page() -> bytes:
    """Three pages, of which the second is no page."""
    parts = pdf("first", "second", "third").split(b"/Type /Page\n")
    assert len(parts) == 4
    return parts[0] + b"/Type /Page\n" + parts[1] + b"/Type /Oops\n" + parts[2] + b"/Type /Page\n" + parts[3]


def word_file(*paragraphs: str) -> bytes:
    """A DOCX."""
    document, buffer = docx.Document(), io.BytesIO()
    for text in paragraphs:
        document.add_paragraph(text)
    document.save(buffer)
    return buffer.getvalue()


def sheet(*rows: Sequence[str]) -> bytes:
    """An XLSX."""
    book, buffer = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(buffer)
    return buffer.getvalue()


def wide_sheet() -> bytes:
    """An XLSX with one cell at each end of a million rows and 500 columns."""
    book, buffer = openpyxl.Workbook(), io.BytesIO()
    book.active["A1"] = "start"
    book.active["SF1000000"] = "end"
    book.save(buffer)
    return buffer.getvalue()


def slides(text: str) -> bytes:
    """A PPTX."""
    show, buffer = pptx.Presentation(), io.BytesIO()
    slide = show.slides.add_slide(show.slide_layouts[6])
    slide.shapes.add_textbox(0, 0, Inches(5), Inches(1)).text_frame.text = text
    show.save(buffer)
    return buffer.getvalue()


def epub(text: str) -> bytes:
    """An EPUB of one chapter."""
    chapter = f'<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{text}</p></body></html>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "book.opf": PACKAGE,
            "c.xhtml": chapter,
        }
    )


def odt(text: str, head: str = "") -> bytes:
    """An ODT of one paragraph."""
    office, words = (f"urn:oasis:names:tc:opendocument:xmlns:{one}:1.0" for one in ("office", "text"))
    content = (
        f'{head}<office:document-content xmlns:office="{office}" xmlns:text="{words}"><office:body>'
        f"<office:text><text:p>{text}</text:p></office:text></office:body></office:document-content>"
    )
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def png() -> bytes:
    """A picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(buffer, "PNG")
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    """A zip-based file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def changed(data: bytes, changes: Mapping[str, bytes | str]) -> bytes:
    """A zip-based file with other or more members."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return zipped({**{name: archive.read(name) for name in archive.namelist()}, **changes})


def without(data: bytes, name: str) -> bytes:
    """A zip-based file without one of its parts."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return zipped({one: archive.read(one) for one in archive.namelist() if one != name})


def cut(data: bytes, share: float = 0.6) -> bytes:
    """The first part of a file."""
    return data[: int(len(data) * share)]


def compound_file(stream: str) -> bytes:
    """A compound file of Office that holds a stream; `EncryptedPackage` is that of an encrypted document."""
    return OLE_MAGIC.ljust(1024, b"\x00") + stream.encode("utf-16-le").ljust(128, b"\x00")


def encrypted_zip() -> bytes:
    """An archive whose first member says that it is encrypted."""
    data = bytearray(zipped({"secret.md": "secret"}))
    data[6] |= 1
    data[data.index(DIRECTORY) + 8] |= 1
    return bytes(data)


def lying_zip() -> bytes:
    """An archive whose directory says that its first member is 2 GiB."""
    data = bytearray(zipped({"a.md": "small", "b.md": "small"}))
    struct.pack_into("<I", data, data.index(DIRECTORY) + 24, 2 << 30)
    return bytes(data)


def overlapping_zip() -> bytes:
    """An archive whose members are the same bytes."""
    data = bytearray(zipped({"a.md": "a" * 1000, "b.md": "b" * 1000}))
    struct.pack_into("<I", data, data.rindex(DIRECTORY) + 42, 0)
    return bytes(data)


def zip_with_link(target: str) -> bytes:
    """An archive of a symbolic link and a whole file."""
    buffer = io.BytesIO()
    link = zipfile.ZipInfo("link.md")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, target)
        archive.writestr("whole.md", "beside a link")
    return buffer.getvalue()


def zip_with_damaged_file(name: str) -> bytes:
    """An archive of two files, of which the first does not unpack."""
    data = bytearray(zipped({name: "hello world " * 50, "sound.md": "sound"}))
    data[data.index(name.encode()) + len(name) + 4] ^= 0xFF
    return bytes(data)


def nested_zip(depth: int) -> bytes:
    """An archive in an archive, and so on, with a text at the bottom."""
    data = zipped({"deep.md": "deep"})
    for _ in range(depth - 1):
        data = zipped({"n.zip": data})
    return data


def laughing_word_file() -> bytes:
    """A DOCX whose text is an entity that swells."""
    body = f'<w:document xmlns:w="{WORD_SPACE}"><w:body><w:p><w:r><w:t>&l9;</w:t></w:r></w:p></w:body></w:document>'
    return changed(word_file("text"), {"word/document.xml": LAUGHS + body})


def deep_word_file() -> bytes:
    """A DOCX whose XML is nested thousands deep."""
    deep = "<w:p>" * 5000 + "</w:p>" * 5000
    body = f'<w:document xmlns:w="{WORD_SPACE}"><w:body>{deep}</w:body></w:document>'
    return changed(word_file("text"), {"word/document.xml": body})


MACRO_TYPES = {
    "wordprocessingml.document": "ms-word.document",
    "presentationml.presentation": "ms-powerpoint.presentation",
    "spreadsheetml.sheet": "ms-excel.sheet",
}


def with_macros(data: bytes) -> bytes:
    """A DOCX, PPTX or XLSX as a DOCM, PPTM or XLSM."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = archive.read("[Content_Types].xml").decode()
    for plain, with_macro in MACRO_TYPES.items():
        types = types.replace(
            f"application/vnd.openxmlformats-officedocument.{plain}.main+xml",
            f"application/vnd.{with_macro}.macroEnabled.main+xml",
        )
    assert "macroEnabled" in types
    types = types.replace(
        "<Default ",
        '<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/><Default ',
        1,
    )
    project = OLE_MAGIC + b' Sub AutoOpen(): Shell "evil" End Sub'
    return changed(data, {"[Content_Types].xml": types, "word/vbaProject.bin": project})


def large_text(size: int, piece: int = 1 << 20) -> Iterator[bytes]:
    """The pieces of a text file."""
    lines = "A line of a very long text about trees; 树木。\n".encode()
    whole = lines * (piece // len(lines))
    for _ in range(size // len(whole)):
        yield whole
    yield b"x" * (size % len(whole))
