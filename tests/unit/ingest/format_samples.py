"""One small file of each format, made of the same things: two headings, a list, a table with a line break and a
bar in a cell, a picture, two pages. What a format cannot hold is left out."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from email.message import EmailMessage

import docx
import openpyxl
from docx.shared import Inches
from openpyxl.drawing.image import Image as SheetImage
from PIL import Image
from pptx import Presentation
from pptx.util import Inches as SlideInches
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.platypus import Image as PageImage
from reportlab.platypus import ListFlowable, PageBreak, Paragraph, SimpleDocTemplate, Table

ROWS = (("Part", "Price"), ("bolt\nM8", "3|4"), ("nut", "5"))
GFM = "| Part | Price |\n| --- | --- |\n| bolt<br>M8 | 3\\|4 |\n| nut | 5 |\n"


def picture() -> bytes:
    """A PNG that is no decoration: large enough, and of several colours."""
    image = Image.new("RGB", (120, 80), "white")
    for x in range(20, 100):
        for y in range(20, 60):
            image.putpixel((x, y), (x * 2, y * 3, 90))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def markdown() -> bytes:
    return f"# Warranty\n\n- oil\n- water\n\n## Prices\n\n{GFM}".encode()


def plain() -> bytes:
    return "第一章 保修\n\n- oil\n- water\n\n第二章 价格\n\nThe bolt costs 3.\n".encode()


def pdf() -> bytes:
    data, styles = io.BytesIO(), getSampleStyleSheet()
    body = styles["BodyText"]
    table = Table(
        [["Part", "Price"], ["bolt\nM8", "3|4"], ["nut", "5"]],
        colWidths=[5 * cm, 4 * cm],
        style=[("GRID", (0, 0), (-1, -1), 0.5, "black")],
    )
    sentence = (
        "The machine is oiled every week, and the water is changed every month, as the table below says. "
    )
    SimpleDocTemplate(data, pagesize=A4).build(
        [
            Paragraph("Warranty", styles["Heading1"]),
            Paragraph(sentence * 4, body),
            ListFlowable([Paragraph("oil", body), Paragraph("water", body)], bulletType="bullet", start="•"),
            PageImage(io.BytesIO(picture()), 6 * cm, 4 * cm),
            PageBreak(),
            Paragraph("Prices", styles["Heading1"]),
            Paragraph(sentence * 4, body),
            table,
        ]
    )
    return data.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.add_heading("Warranty", 1)
    document.add_paragraph("oil", style="List Bullet")
    document.add_paragraph("water", style="List Bullet")
    document.add_picture(io.BytesIO(picture()), Inches(1))
    document.add_heading("Prices", 2)
    table = document.add_table(len(ROWS), 2)
    for row, values in enumerate(ROWS):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    return saved(document.save)


def slides() -> bytes:
    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Warranty"
    first.placeholders[1].text = "oil\nwater"
    first.shapes.add_picture(io.BytesIO(picture()), SlideInches(1), SlideInches(5))
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Prices"
    frame = second.shapes.add_table(len(ROWS), 2, *map(SlideInches, (1, 2, 5, 2)))
    for row, values in enumerate(ROWS):
        for column, value in enumerate(values):
            frame.table.cell(row, column).text = value
    return saved(deck.save)


def workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Warranty"
    sheet.append(["Fluid"])
    sheet.append(["oil"])
    prices = book.create_sheet("Prices")
    for row in ROWS:
        prices.append(row)
    prices.add_image(SheetImage(io.BytesIO(picture())), "D2")
    return saved(book.save)


def saved(save: Callable[[io.BytesIO], None]) -> bytes:
    data = io.BytesIO()
    save(data)
    return data.getvalue()


def csv() -> bytes:
    return b'Part,Price\n"bolt\nM8",3|4\nnut,5\n'


def tsv() -> bytes:
    return b'Part\tPrice\n"bolt\nM8"\t3|4\nnut\t5\n'


def body_html(image: str) -> str:
    cells = "".join(
        "<tr>" + "".join(f"<td>{value.replace(chr(10), '<br/>')}</td>" for value in row) + "</tr>"
        for row in ROWS
    )
    return (
        "<h1>Warranty</h1><ul><li>oil</li><li>water</li></ul>"
        f'<p><img alt="A pump" src="{image}"/></p><h2>Prices</h2><table>{cells}</table>'
    )


def html() -> bytes:
    image = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    return (
        f"<html><body><nav><a href='/'>Home</a></nav><main>{body_html(image)}</main></body></html>".encode()
    )


def epub() -> bytes:
    chapter = f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{body_html("pump.png")}</body></html>'
    return zipped(
        {
            "mimetype": b"application/epub+zip",
            "META-INF/container.xml": b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
            b'version="1.0"><rootfiles><rootfile full-path="book.opf" '
            b'media-type="application/oebps-package+xml"/></rootfiles></container>',
            "book.opf": b'<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest>'
            b'<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
            b'<item id="p" href="pump.png" media-type="image/png"/></manifest>'
            b'<spine><itemref idref="a"/></spine></package>',
            "a.xhtml": chapter.encode(),
            "pump.png": picture(),
        }
    )


def zipped(members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


RECORDS = [{"Part": "bolt", "uses": ["oil", "water"]}, {"Part": "nut", "uses": []}]


def records_json() -> bytes:
    return json.dumps(RECORDS).encode()


def records_jsonl() -> bytes:
    return "".join(json.dumps(one) + "\n" for one in RECORDS).encode()


def rtf() -> bytes:
    hexed = picture().hex()
    row = r"\trowd\cellx3000\cellx6000 "
    rows = "".join(
        row
        + "".join(rf"\intbl {value.replace(chr(10), chr(92) + 'line ')}\cell " for value in values)
        + r"\row "
        for values in ROWS
    )
    return (
        r"{\rtf1\ansi\deff0{\fonttbl{\f0 Times;}}{\stylesheet{\s1 heading 1;}{\s2 heading 2;}}"
        r"\pard\s1\outlinelevel0 Warranty\par "
        r"{\*\listtable{\list\listtemplateid1{\listlevel\levelnfc23{\leveltext \'01\u8226 ?;}{\levelnumbers;}}"
        r"\listid1}}{\*\listoverridetable{\listoverride\listid1\listoverridecount0\ls1}}"
        r"{\listtext\u8226 ?\tab}\pard\plain\ls1\ilvl0\fi-360\li720 oil\par "
        r"{\listtext\u8226 ?\tab}\pard\plain\ls1\ilvl0\fi-360\li720 water\par "
        rf"\pard {{\pict\pngblip\picw120\pich80\picwgoal1800\pichgoal1200 {hexed}}}\par "
        r"\pard\s2\outlinelevel1 Prices\par " + rows + r"\pard\par}"
    ).encode()


ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" '
    'xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def odt() -> bytes:
    rows = "".join(
        "<table:table-row>"
        + "".join(
            f"<table:table-cell><text:p>{value.replace(chr(10), '<text:line-break/>')}</text:p></table:table-cell>"
            for value in row
        )
        + "</table:table-row>"
        for row in ROWS
    )
    content = (
        f'<office:document-content {ODF} office:version="1.2"><office:automatic-styles>'
        '<text:list-style style:name="L1"><text:list-level-style-bullet text:level="1" text:bullet-char="•"/>'
        "</text:list-style></office:automatic-styles><office:body><office:text>"
        '<text:h text:outline-level="1">Warranty</text:h>'
        '<text:list text:style-name="L1"><text:list-item><text:p>oil</text:p></text:list-item>'
        "<text:list-item><text:p>water</text:p></text:list-item></text:list>"
        '<text:p><draw:frame svg:width="3cm" svg:height="2cm"><draw:image xlink:href="Pictures/pump.png"/>'
        '</draw:frame></text:p><text:h text:outline-level="2">Prices</text:h>'
        f'<table:table><table:table-column table:number-columns-repeated="2"/>{rows}</table:table>'
        "</office:text></office:body></office:document-content>"
    )
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        '<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.text"/>'
        "</manifest:manifest>"
    )
    return zipped(
        {
            "mimetype": b"application/vnd.oasis.opendocument.text",
            "content.xml": content.encode(),
            "META-INF/manifest.xml": manifest.encode(),
            "Pictures/pump.png": picture(),
        }
    )


def mail() -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Warranty", "a@example.com", "b@example.com"
    message.set_content("plain")
    message.add_alternative(f"<html><body>{body_html('cid:pump')}</body></html>", subtype="html")
    html_part = message.get_payload()[1]  # type: ignore[index]  # of a multipart
    html_part.add_related(picture(), "image", "png", cid="<pump>")  # type: ignore[union-attr]
    return message.as_bytes()


def source_code() -> bytes:
    return b'class Pump:\n    """Warranty."""\n\n    def oil(self) -> int:\n        return 3\n\n\ndef water() -> int:\n    return 5\n'


SAMPLES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "Markdown": ("sample.md", markdown),
    "plain text": ("sample.txt", plain),
    "PDF": ("sample.pdf", pdf),
    "DOCX": ("sample.docx", word),
    "PPTX": ("sample.pptx", slides),
    "XLSX": ("sample.xlsx", workbook),
    "CSV": ("sample.csv", csv),
    "TSV": ("sample.tsv", tsv),
    "HTML": ("sample.html", html),
    "EPUB": ("sample.epub", epub),
    "JSON": ("sample.json", records_json),
    "JSON Lines": ("sample.jsonl", records_jsonl),
    "RTF": ("sample.rtf", rtf),
    "ODT": ("sample.odt", odt),
    "mail": ("sample.eml", mail),
    "source code": ("sample.py", source_code),
}
"""By the names of docs/ingest.md: name and content of a file."""
