"""DOCX files for several tests, and their text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docx.document import Document

from tests.unit.ingest.readers import word
from tests.unit.ingest.readers.readings import read

NAME = "made.docx"


def text_of(folder: Path, write: Callable[[Document], object]) -> str:
    return read(folder, word.made(write), NAME).text


def contract(document: Document) -> None:
    """A contract with numbered clauses, tracked changes and footnotes."""
    word.with_list(
        document,
        80,
        word.level(0, "upperRoman", "Article %1.", more='<w:suff w:val="space"/>'),
        word.level(1, "decimal", "%1.%2", more="<w:isLgl/>"),
        word.level(2, "lowerLetter", "(%3)"),
    )
    word.with_notes(document, "As amended on 1 May.", "Subject to Annex B.")
    document.add_paragraph("SERVICE AGREEMENT", style="Title")
    word.numbered(document.add_heading("Term", 1), 80, 0)
    clause = word.numbered(document.add_paragraph("The term is "), 80, 1)
    word.add(clause, word.deleted("twelve"))
    word.add(clause, word.inserted("twenty-four"))
    word.add(clause, word.run(" months"))
    word.add(clause, word.note(1))
    word.add(clause, word.run("."))
    word.numbered(document.add_paragraph("It ends:"), 80, 1)
    word.numbered(document.add_paragraph("on notice; or"), 80, 2)
    word.numbered(document.add_paragraph("on breach of 1.1."), 80, 2)
    word.numbered(document.add_heading("Fees", 1), 80, 0)
    fees = word.numbered(document.add_paragraph("Fees are due monthly"), 80, 1)
    word.add(fees, word.note(2))
    table = document.add_table(rows=3, cols=2)
    for cell, text in zip(
        table._cells, ("Service", "Fee", "Support|Basic", "€ 100\nper month", "Audit", "€ 5,000"), strict=True
    ):
        cell.text = text
    document.add_paragraph("Signed: ____________  Date: ____________")
