"""A sound file of every format, to be broken."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import docx
import openpyxl
import pptx
from PIL import Image as Pixels
from reportlab.pdfgen.canvas import Canvas

from tests.unit.ingest.readers.readings import zipped

SENTENCE = "The mill stands on the river. 磨坊建在河边。 "


def png() -> bytes:
    stream = io.BytesIO()
    Pixels.new("RGB", (8, 8), "red").save(stream, "PNG")
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
