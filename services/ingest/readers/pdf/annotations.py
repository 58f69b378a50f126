"""What lies over a PDF page: links, comments, text boxes and the values of form fields."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from services.ingest.readers.pdf.calls import (
    address_of,
    annotation_type,
    close_annotation,
    count_annotations,
    page_annotation,
    pointer,
)
from services.ingest.readers.pdf.paths import Box

MOST_ANNOTATIONS = 2000
MOST_QUADS = 200
MOST_BYTES = 1 << 18
"""A longer text of an annotation is left out."""
EMPTY_BYTES = 2
MARKUP = {
    pdfium.FPDF_ANNOT_HIGHLIGHT,
    pdfium.FPDF_ANNOT_UNDERLINE,
    pdfium.FPDF_ANNOT_SQUIGGLY,
    pdfium.FPDF_ANNOT_STRIKEOUT,
}
COMMENTED = MARKUP | {
    pdfium.FPDF_ANNOT_TEXT,
    pdfium.FPDF_ANNOT_LINE,
    pdfium.FPDF_ANNOT_SQUARE,
    pdfium.FPDF_ANNOT_CIRCLE,
    pdfium.FPDF_ANNOT_POLYGON,
    pdfium.FPDF_ANNOT_POLYLINE,
    pdfium.FPDF_ANNOT_INK,
    pdfium.FPDF_ANNOT_CARET,
}


@dataclass(frozen=True)
class Link:
    """An address and the boxes on the page that lead to it: left, bottom, right, top of PDF."""

    address: str
    boxes: list[Box]


@dataclass(frozen=True)
class Comment:
    """A comment and where it belongs; `covers` if it is on words, not beside them."""

    author: str
    text: str
    boxes: list[Box]
    covers: bool


@dataclass
class Annotations:
    """What lies over a page; boxes are left, bottom, right, top of PDF.

    Args:
        links: to addresses outside of the document.
        comments: what people noted.
        boxes: texts that stand on the page but are not drawn there, and where.
        fields: where form fields are.
        flat: whether there are texts to be drawn on the page.
    """

    links: list[Link] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    boxes: list[tuple[str, Box]] = field(default_factory=list)
    fields: list[Box] = field(default_factory=list)
    flat: bool = False

    @property
    def on_words(self) -> list[Box]:
        """The boxes of what belongs to single words."""
        links = [box for link in self.links for box in link.boxes]
        return links + [box for one in self.comments if one.covers for box in one.boxes] + self.fields


def annotations_of(pdf: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> Annotations:
    """What lies over a page."""
    found = Annotations()
    handle = pointer(address_of(page.raw))
    for at in range(min(count_annotations(handle), MOST_ANNOTATIONS)):
        address = page_annotation(handle, at)
        if address:
            add(found, pdf, ctypes.cast(address, pdfium.FPDF_ANNOTATION), annotation_type(pointer(address)))
            close_annotation(pointer(address))
    return found


def add(found: Annotations, pdf: pypdfium2.PdfDocument, one: Any, kind: int) -> None:
    """Add an annotation to what is found, if it holds text or leads somewhere."""
    if kind == pdfium.FPDF_ANNOT_LINK:
        link = link_of(pdf, one)
        if link:
            found.links.append(link)
    elif kind == pdfium.FPDF_ANNOT_WIDGET:
        found.flat = True
        found.fields.append(rect_of(one))
    elif kind == pdfium.FPDF_ANNOT_FREETEXT:
        found.flat = True
        text = "" if pdfium.FPDFAnnot_GetAP(one, 0, None, 0) > EMPTY_BYTES else value(one, b"Contents")
        if text.strip() and not hidden(one):
            found.boxes.append((text, rect_of(one)))
    elif kind in COMMENTED:
        text = value(one, b"Contents")
        # What is said on the state of a comment, as `Accepted`, is a comment for PDF.
        if text.strip() and not hidden(one) and not value(one, b"StateModel"):
            boxes = list(quads_of(one)) or [rect_of(one)]
            found.comments.append(Comment(value(one, b"T"), text, boxes, kind in MARKUP))


def hidden(one: Any) -> bool:
    """Whether an annotation is not to be seen."""
    return bool(pdfium.FPDFAnnot_GetFlags(one) & pdfium.FPDF_ANNOT_FLAG_HIDDEN)


def value(one: Any, key: bytes) -> str:
    """A text of an annotation; empty without one."""
    size = pdfium.FPDFAnnot_GetStringValue(one, key, None, 0)
    if not EMPTY_BYTES < size <= MOST_BYTES:
        return ""
    room = ctypes.create_string_buffer(size)
    pdfium.FPDFAnnot_GetStringValue(one, key, ctypes.cast(room, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    text = room.raw[: size - EMPTY_BYTES].decode("utf-16-le", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")


def rect_of(one: Any) -> Box:
    """Where an annotation is."""
    rect = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(one, rect)
    return (
        min(rect.left, rect.right),
        min(rect.bottom, rect.top),
        max(rect.left, rect.right),
        max(rect.bottom, rect.top),
    )


def quads_of(one: Any) -> Iterator[Box]:
    """The boxes of an annotation that runs over several lines."""
    for at in range(min(pdfium.FPDFAnnot_CountAttachmentPoints(one), MOST_QUADS)):
        quad = pdfium.FS_QUADPOINTSF()
        if pdfium.FPDFAnnot_GetAttachmentPoints(one, at, quad):
            xs, ys = (quad.x1, quad.x2, quad.x3, quad.x4), (quad.y1, quad.y2, quad.y3, quad.y4)
            yield min(xs), min(ys), max(xs), max(ys)


def link_of(pdf: pypdfium2.PdfDocument, one: Any) -> Link | None:
    """The link that an annotation is; None for one within the document."""
    link = pdfium.FPDFAnnot_GetLink(one)
    action = pdfium.FPDFLink_GetAction(link) if link else None
    if not action or pdfium.FPDFAction_GetType(action) != pdfium.PDFACTION_URI:
        return None
    size = pdfium.FPDFAction_GetURIPath(pdf.raw, action, None, 0)
    if not 1 < size <= MOST_BYTES:
        return None
    room = ctypes.create_string_buffer(size)
    pdfium.FPDFAction_GetURIPath(pdf.raw, action, room, size)
    return Link(room.value.decode("utf-8", "replace"), list(quads_of(one)) or [rect_of(one)])
