"""Write the PDF and the DOCX of the sample documents: `python examples/make_documents.py [--check]`.

The same text gives the same bytes with the same library versions: no clock and no random ids.
Needs reportlab and python-docx.
"""

# reportlab ships no types.
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import argparse
import datetime
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import docx
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer

HERE = Path(__file__).resolve().parent
WRITTEN_AT = datetime.datetime(2025, 2, 3, 9, tzinfo=datetime.UTC)

PRODUCT_DATASHEET = """
# Brindle 90: product datasheet

## Purpose

The Brindle 90 is a tidal buoy that Ondravik Tidal builds for ferry harbours. The rated power of the Brindle
90 is 90 kilowatts. One Brindle 90 can charge two electric ferries during a single tide. The engineer Hedda
Farquist designed the Brindle 90.

## Hull and blades

The hull of the Brindle 90 is six metres wide. A complete Brindle 90 weighs eleven tonnes. The hull of the
Brindle 90 is painted in a colour called Gullwing Teal. The Brindle 90 turns three blades made of flax and
resin. Each blade of the Brindle 90 is 410 centimetres long. The hatch of the Brindle 90 opens with a square
key of 19 millimetres.

## Water and weather

The Brindle 90 begins to make electricity when the current reaches 70 centimetres per second. The Brindle 90
may be moored in water up to 130 metres deep. Three Drayle ropes hold the Brindle 90 in place. The Brindle
90 works in air temperatures between minus 18 and plus 42 degrees. The underwater noise of the Brindle 90 is
48 decibels.

## Electrical parts

The battery inside the Brindle 90 is called the Cormorant. The Cormorant battery stores 65 kilowatt hours.
The sea cable of the Brindle 90 carries direct current at 800 volts. The gearbox of the Brindle 90 is filled
with rapeseed oil. The Brindle 90 sends measurements to the Tarn Link gateway every 90 seconds.

## Safety

- The warning lamp of the Brindle 90 shines violet and can be seen from four nautical miles.
- The Brindle 90 carries a safety certificate named Skerry Class B.
- A whistle on the Brindle 90 drives seals away before the blades start to turn.
- The emergency brake of the Brindle 90 stops the blades in nine seconds.

## Order and delivery

The price of one Brindle 90 is 310,000 crowns. Ondravik Tidal delivers a Brindle 90 sixteen weeks after the
order. Every serial number of a Brindle 90 begins with the letters BQ. The design life of the Brindle 90 is
25 years. A crew of five people installs a Brindle 90 in two days. Old blades of the Brindle 90 are ground
up and turned into park benches.
"""

ANNUAL_REPORT = """
# Ondravik Tidal: annual report 2024

## Results

Ondravik Tidal earned revenue of 48 million crowns in 2024. The profit of Ondravik Tidal in 2024 was six
million crowns. Ondravik Tidal sold 57 buoys during 2024. The best-selling product of Ondravik Tidal in 2024
was the Brindle 40. Rosalind Achterberg is the chief financial officer of Ondravik Tidal. The accounts of
Ondravik Tidal were audited by the firm Plimsoll and Dray.

## Customers and markets

The largest order of 2024 came from Norrin Line and covered 14 buoys. Ondravik Tidal opened a sales office
on the Vesper Islands in April 2024. Gwendolen Achebe-Strand runs the sales office on the Vesper Islands.
The town of Skarrow switched off a diesel power station in 2024 after buying six Ondravik buoys. A survey in
2024 found that 93 percent of Ondravik customers were satisfied.

## Production and research

All Ondravik buoys together produced 31 gigawatt hours in 2024. Ondravik Tidal spent nine million crowns on
a new paint hall on Corvane Island. The Saltglass Lab received five patents in 2024. The Saltglass Lab
tested a blade shaped like the fin of a humpback whale. Ondravik Tidal recycled 82 percent of all worn
blades in 2024.

## People and safety

- Ondravik Tidal hired 33 new employees in 2024.
- Ondravik Tidal recorded only two accidents at work in 2024.
- The title Employee of the Year 2024 went to the welder Oskar Lindqvale.
- Every Ondravik employee received a bonus of 1,200 crowns in December 2024.

## Shareholders

Ondravik Tidal pays a dividend of three crowns for each share. The largest shareholder of Ondravik Tidal is
the Quillfeather Foundation. The chair of the board of Ondravik Tidal is Professor Emeka Solheim. The next
annual meeting of Ondravik Tidal takes place on 12 June 2025 in the Old Rope Hall.

## Outlook

Ondravik Tidal expects revenue of 55 million crowns in 2025. A new buoy named Brindle 150 will go on sale in
the autumn of 2026. The second service ship of Ondravik Tidal will be named the Dunlin. The Tessenby Harbour
Bank lends Ondravik Tidal twelve million crowns for the new service ship. The greatest risk for Ondravik
Tidal in 2025 is a shortage of flax.
"""


class Block(NamedTuple):
    """One paragraph of a document; `kind` is title, heading, item or body."""

    kind: str
    text: str


def blocks(source: str) -> list[Block]:
    """Split Markdown of titles, headings, items and paragraphs into blocks."""
    found = []
    for paragraph in source.strip().split("\n\n"):
        if paragraph.startswith("- "):
            found += [Block("item", _one_line(item)) for item in paragraph.removeprefix("- ").split("\n- ")]
        elif paragraph.startswith("## "):
            found.append(Block("heading", paragraph.removeprefix("## ")))
        elif paragraph.startswith("# "):
            found.append(Block("title", paragraph.removeprefix("# ")))
        else:
            found.append(Block("body", _one_line(paragraph)))
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())


def pdf(source: str) -> bytes:
    """Set the text as an A4 PDF in Helvetica, which every reader has, so that no font is embedded."""
    buffer = io.BytesIO()
    parts = blocks(source)
    frame = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=28 * mm,
        rightMargin=28 * mm,
        topMargin=26 * mm,
        bottomMargin=26 * mm,
        title=parts[0].text,
        author="Ondravik Tidal",
        invariant=True,
        pageCompression=0,
    )
    story: list[Flowable] = []
    for block in parts:
        story += _set(block)
    frame.build(story)
    return buffer.getvalue()


def _set(block: Block) -> list[Flowable]:
    size = {"title": 20, "heading": 15, "body": 12, "item": 12}[block.kind]
    style = ParagraphStyle(
        block.kind,
        fontName="Helvetica-Bold" if block.kind in {"title", "heading"} else "Helvetica",
        fontSize=size,
        leading=size * 1.5,
        leftIndent=14 if block.kind == "item" else 0,
        keepWithNext=block.kind in {"title", "heading"},
    )
    bullet = "\N{BULLET}" if block.kind == "item" else None
    return [Paragraph(block.text, style, bulletText=bullet), Spacer(0, size / 2)]


def word(source: str) -> bytes:
    """Set the text as a DOCX with Word's own title, heading and list styles."""
    document = docx.Document()
    parts = blocks(source)
    style = {"title": "Title", "heading": "Heading 1", "item": "List Bullet", "body": "Normal"}
    for block in parts:
        document.add_paragraph(block.text, style=style[block.kind])
    about = document.core_properties
    about.title, about.author, about.comments = parts[0].text, "Ondravik Tidal", ""
    about.created = about.modified = WRITTEN_AT
    buffer = io.BytesIO()
    document.save(buffer)
    return _without_clock(buffer.getvalue())


def _without_clock(archive: bytes) -> bytes:
    """Rewrite a zip with a fixed time on every member; the zip format would record the present one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            member = zipfile.ZipInfo(name, WRITTEN_AT.timetuple()[:6])
            new.writestr(member, old.read(name), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


DOCUMENTS: dict[str, tuple[Callable[[str], bytes], str]] = {
    "product-datasheet.pdf": (pdf, PRODUCT_DATASHEET),
    "annual-report.docx": (word, ANNUAL_REPORT),
}


def main() -> int:
    """Write both documents, or with --check name those whose bytes differ and return 1."""
    parser = argparse.ArgumentParser(description="Write the PDF and the DOCX of the sample documents.")
    parser.add_argument("--check", action="store_true", help="only compare with the files there")
    check = parser.parse_args().check
    stale = 0
    for name, (make, source) in DOCUMENTS.items():
        content, path = make(source), HERE / name
        if not check:
            path.write_bytes(content)
        elif not path.is_file() or path.read_bytes() != content:
            sys.stderr.write(f"{name} is out of date; run examples/make_documents.py\n")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
