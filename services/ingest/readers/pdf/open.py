"""Opens PDF files and their pages; what fails says why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from services.ingest.readers.pdf.annotations import Annotations, annotations_of
from services.ingest.readers.pdf.calls import address_of, pointer
from services.ingest.readers.reading import Source
from services.runtime.errors import InvalidArgument

LOCKED = {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}
HEAD_BYTES = 1024
LINEARIZED = re.compile(rb"/Linearized\b[^>]*?/L\s+(\d+)")
"""A PDF for fast web view begins with its own length (ISO 32000-1, F.2.2); a later change only adds to it."""
LOOSE_BYTES = 16
"""Line ends that some mail programs take from the end of a file."""


@contextmanager
def opened(source: Source) -> Iterator[pypdfium2.PdfDocument]:
    """A PDF, open.

    Raises:
        InvalidArgument: it is encrypted, damaged, or has no pages.
    """
    name = source.name
    check_length(source)
    try:
        pdf = pypdfium2.PdfDocument(source.path)
    except pypdfium2.PdfiumError as error:
        if error.err_code in LOCKED:
            raise InvalidArgument(
                "FILE_ENCRYPTED",
                f"{name}: the PDF is encrypted and asks for a password; save it without one",
                name=name,
            ) from error
        raise unreadable(
            name, f"the PDF cannot be opened ({error}); is it damaged or cut off? Save it anew"
        ) from error
    try:
        if len(pdf) == 0:
            raise unreadable(name, "the PDF has no pages; is it damaged or cut off? Save it anew")
        yield pdf
    finally:
        pdf.close()


def check_length(source: Source) -> None:
    """Refuse a PDF for fast web view that is cut off: the library takes the pages that it lacks for blank.

    Raises:
        InvalidArgument: it is shorter than it says.
    """
    with source.path.open("rb") as stream:
        found = LINEARIZED.search(stream.read(HEAD_BYTES))
    size = source.path.stat().st_size
    if found and size + LOOSE_BYTES < int(found[1]):
        raise unreadable(
            source.name, f"the PDF is cut off: it has {size} of its {int(found[1])} bytes; send it again"
        )


def page_of(pdf: pypdfium2.PdfDocument, number: int, name: str) -> pypdfium2.PdfPage:
    """A page by its number from 1, with the text of its form fields on it.

    Raises:
        InvalidArgument: it is damaged, or there is no such page.
    """
    return annotated_page(pdf, number, name)[0]


def annotated_page(
    pdf: pypdfium2.PdfDocument, number: int, name: str
) -> tuple[pypdfium2.PdfPage, Annotations]:
    """A page by its number from 1, with the text of its form fields on it, and what lay over it.

    Raises:
        InvalidArgument: it is damaged, or there is no such page.
    """
    if not 1 <= number <= len(pdf):
        raise InvalidArgument(
            "PAGE_UNKNOWN",
            f"{name}: there is no page {number}; the PDF has {len(pdf)}",
            name=name,
            page=str(number),
        )
    try:
        page = pdf[number - 1]
        over = annotations_of(pdf, page)
        if over.flat:
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
            page.close()
            page = pdf[number - 1]
    except pypdfium2.PdfiumError as error:
        raise damaged_page(name, number, error) from error
    return page, over


@contextmanager
def text_of(page: pypdfium2.PdfPage) -> Iterator[Any]:
    """PDFium's text page of a page, as a pointer; to be closed before the page.

    That of pypdfium2 takes longer to be made and closed than half of what is asked of it here.
    """
    textpage = pdfium.FPDFText_LoadPage(page)
    if not textpage:
        raise pypdfium2.PdfiumError("Failed to load the text of the page.")
    try:
        yield pointer(address_of(textpage))
    finally:
        pdfium.FPDFText_ClosePage(textpage)


def damaged_page(name: str, number: int, error: Exception) -> InvalidArgument:
    """The error for a page that cannot be read."""
    return unreadable(
        name,
        f"page {number} of the PDF cannot be read ({error}); is it damaged? Save it anew",
        page=str(number),
    )


def unreadable(name: str, why: str, **where: str) -> InvalidArgument:
    """The error for a PDF that cannot be read."""
    return InvalidArgument("PDF_UNREADABLE", f"{name}: {why}", name=name, **where)
