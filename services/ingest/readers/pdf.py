"""PDF: the text layer, page by page."""

from __future__ import annotations

import re
from pathlib import Path

import pypdfium2

from services.ingest.readers.reading import Reading, checked, normalised
from services.runtime.errors import InvalidArgument

SOFT_HYPHEN = re.compile("\u00ad|\ufffe")
LINE_BREAK = re.compile(r"(?<=[\w,;:])\n(?=[a-z(])")


def read(path: Path, name: str) -> Reading:
    """Extract the text of every page; lines that only the page width broke are joined.

    Raises:
        InvalidArgument: the file is damaged, encrypted, or has no text layer.
    """
    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise InvalidArgument(
            "PDF_UNREADABLE",
            f"{name}: the PDF cannot be opened ({error}); is it damaged or encrypted?",
            name=name,
        ) from error
    try:
        pages = [page_text(page) for page in pdf]
    finally:
        pdf.close()
    if not any(page.strip() for page in pages):
        raise InvalidArgument(
            "PDF_WITHOUT_TEXT",
            f"{name}: no page of the PDF has a text layer; run OCR on it first",
            name=name,
        )
    starts, text = [], ""
    for page in pages:
        starts.append(len(text))
        text += page.strip() + "\n\n"
    return checked(Reading(text.rstrip() + "\n", tuple(starts)), name)


def page_text(page: pypdfium2.PdfPage) -> str:
    """The text of one page."""
    text_page = page.get_textpage()
    try:
        text = normalised(text_page.get_text_bounded())
    finally:
        text_page.close()
    return LINE_BREAK.sub(" ", SOFT_HYPHEN.sub("", text))
