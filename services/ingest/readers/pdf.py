"""PDF: the text layer, page by page."""

from __future__ import annotations

import re

import pypdfium2

from services.ingest.readers.reading import Reading, Source, checked, normalised
from services.runtime.errors import InvalidArgument

SOFT_HYPHEN = re.compile("\u00ad|\ufffe")
FULL_LINE = 50
"""A line at least this long that ends in the middle of a sentence was broken by the page width."""
RUNS_ON = re.compile(r"[a-z(]")
"""How a line begins that goes on with the sentence of the line before."""
SENTENCE_MARKS = ".!?:;。！？：；"


def read(source: Source) -> Reading:
    """Extract the text of every page; lines that only the page width broke are joined.

    Raises:
        InvalidArgument: the file is damaged, encrypted, or has no text layer.
    """
    name = source.name
    try:
        pdf = pypdfium2.PdfDocument(source.path)
    except pypdfium2.PdfiumError as error:
        raise InvalidArgument(
            "PDF_UNREADABLE",
            f"{name}: the PDF cannot be opened ({error}); is it damaged or encrypted?",
            name=name,
        ) from error
    try:
        pages = [text_of(pdf, index, name) for index in range(len(pdf))]
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


def text_of(pdf: pypdfium2.PdfDocument, index: int, name: str) -> str:
    """The text of one page.

    Raises:
        InvalidArgument: the page is damaged.
    """
    try:
        text = pdf[index].get_textpage().get_text_bounded()
    except pypdfium2.PdfiumError as error:
        number = str(index + 1)
        raise InvalidArgument(
            "PDF_UNREADABLE",
            f"{name}: page {number} of the PDF cannot be read ({error}); is it damaged?",
            name=name,
            page=number,
        ) from error
    return joined(SOFT_HYPHEN.sub("", normalised(text)))


def joined(text: str) -> str:
    """The text with lines joined that only the page width broke."""
    lines: list[str] = []
    for line in text.split("\n"):
        last = lines[-1].rstrip() if lines else ""
        open_end = last != "" and last[-1] not in SENTENCE_MARKS
        if line and open_end and (len(last) >= FULL_LINE or RUNS_ON.match(line)):
            lines[-1] = f"{last} {line}"
        else:
            lines.append(line)
    return "\n".join(lines)
