"""Opens PDF files and their pages; what fails says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pypdfium2
import pypdfium2.raw as pdfium

from services.ingest.readers.reading import Source
from services.runtime.errors import InvalidArgument

LOCKED = {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}
ON_THE_PAGE = {pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT}
"""Kinds of annotations whose text is seen on the page: filled form fields and text boxes."""
MOST_ANNOTATIONS = 2000


@contextmanager
def opened(source: Source) -> Iterator[pypdfium2.PdfDocument]:
    """A PDF, open.

    Raises:
        InvalidArgument: it is encrypted, damaged, or has no pages.
    """
    name = source.name
    try:
        pdf = pypdfium2.PdfDocument(source.path)
    except pypdfium2.PdfiumError as error:
        if error.err_code in LOCKED:
            raise InvalidArgument(
                "FILE_ENCRYPTED",
                f"{name}: the PDF is encrypted and asks for a password; save it without one",
                name=name,
            ) from error
        raise unreadable(name, f"the PDF cannot be opened ({error}); is it damaged or cut off?") from error
    try:
        if len(pdf) == 0:
            raise unreadable(name, "the PDF has no pages; is it damaged or cut off?")
        yield pdf
    finally:
        pdf.close()


def page_of(pdf: pypdfium2.PdfDocument, number: int, name: str) -> pypdfium2.PdfPage:
    """A page by its number from 1, with the text of its form fields on it.

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
        if has_text_boxes(page):
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
            page.close()
            page = pdf[number - 1]
    except pypdfium2.PdfiumError as error:
        raise damaged_page(name, number, error) from error
    return page


def has_text_boxes(page: pypdfium2.PdfPage) -> bool:
    """Whether text is laid over the page, as filled form fields are."""
    for at in range(min(pdfium.FPDFPage_GetAnnotCount(page), MOST_ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, at)
        if annotation:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            pdfium.FPDFPage_CloseAnnot(annotation)
            if kind in ON_THE_PAGE:
                return True
    return False


def damaged_page(name: str, number: int, error: Exception) -> InvalidArgument:
    """The error for a page that cannot be read."""
    return unreadable(
        name, f"page {number} of the PDF cannot be read ({error}); is it damaged?", page=str(number)
    )


def unreadable(name: str, why: str, **where: str) -> InvalidArgument:
    """The error for a PDF that cannot be read."""
    return InvalidArgument("PDF_UNREADABLE", f"{name}: {why}", name=name, **where)
