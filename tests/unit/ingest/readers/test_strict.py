"""Office files saved as strict Open XML read as they do otherwise."""

from __future__ import annotations

import io
from pathlib import Path

import pptx
from docx.document import Document
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from tests.support.read_files import PNG, read_bytes, strict
from tests.unit.ingest.readers import word
from tests.unit.ingest.readers.decks import TITLE_ONLY, saved, slide_of, with_diagram
from tests.unit.ingest.readers.docx_readings import contract
from tests.unit.ingest.readers.workbooks import saved as saved_book
from tests.unit.ingest.readers.workbooks import sheet


def reads_the_same(folder: Path, data: bytes, name: str) -> str:
    """The text of a file, which is that of its strict form."""
    usual, strictly = read_bytes(folder, data, name), read_bytes(folder, strict(data), name)
    assert strict(data) != data
    assert strictly.text == usual.text
    assert [image.sha256 for image in strictly.images] == [image.sha256 for image in usual.images]
    return usual.text


def test_a_strict_docx_reads_like_any_other(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        contract(document)
        document.add_picture(io.BytesIO(PNG))
        word.add(document.add_paragraph(), word.FRACTION)

    text = reads_the_same(tmp_path, word.made(write), "contract.docx")
    assert "1.1 The term" in text
    assert "](images/" in text
    assert "\\frac" in text


def test_a_strict_pptx_reads_like_any_other(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_ONLY, "Sales")
    data = CategoryChartData()
    data.categories = ["Q1"]
    data.add_series("east", (600,))
    slide.shapes.add_chart(XL_CHART_TYPE.LINE, 0, Inches(2), Inches(3), Inches(3), data)
    slide.shapes.add_table(1, 1, 0, Inches(1), Inches(3), Inches(1)).table.cell(0, 0).text = "cell"
    slide.shapes.add_picture(io.BytesIO(PNG), 0, Inches(6))
    slide.notes_slide.notes_text_frame.text = "say it"
    with_diagram(deck, slide)
    text = reads_the_same(tmp_path, saved(deck), "sales.pptx")
    assert text.startswith("## Sales\n")
    assert all(part in text for part in ("| Q1 | 600 |", "| cell |", "](images/", "Notes: say it", "- plan"))


def test_a_strict_xlsx_reads_like_any_other(tmp_path: Path) -> None:
    page = sheet(["part", "share"], ["bolt", 0.5])
    page["B2"].number_format = "0.0%"
    page["A2"].comment = Comment("check", "me")
    page.add_image(Image(io.BytesIO(PNG)), "D9")
    text = reads_the_same(tmp_path, saved_book(page.parent), "parts.xlsx")
    assert all(part in text for part in ("| bolt | 50% |", "Note on A2: check", "](images/"))
