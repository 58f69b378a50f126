"""Pictures of a PDF page, kept as files; ornaments and backgrounds are left out."""

from __future__ import annotations

import ctypes
import hashlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium

from services.ingest.readers.pdf.layout import Placed
from services.ingest.readers.pdf.objects import Picture
from services.ingest.readers.shared.images import Images

SMALLEST = 16.0
"""A picture smaller than this on the page, in points, is an ornament."""
FEWEST_PIXELS = 24
MOST_PIXELS = 40_000_000
"""A larger picture is kept at the resolution of the page."""
MOST_PICTURES = 64
"""A page with more pictures is a mosaic; the largest are kept."""
BACKGROUND = 0.85
"""Pictures that cover this share of a page with text are its background, or the scan of its text."""


PLAIN = 32
"""The shades of a picture of one colour, from 0 to 255, differ by less."""


class Pictures:
    """Keeps the pictures of a document, each once at one place of the page.

    Args:
        pdf: the document.
        images: where to.
    """

    def __init__(self, pdf: pypdfium2.PdfDocument, images: Images) -> None:
        self._pdf = pdf
        self._images = images
        self._references: dict[bytes, str] = {}
        self._places: set[tuple[bytes, int, int]] = set()

    def keep(
        self, page: pypdfium2.PdfPage, pictures: Sequence[Picture], *, plain: bool = True
    ) -> list[Placed]:
        """The pictures of a page that are worth keeping, placed on the page.

        Args:
            page: the page.
            pictures: what is on it.
            plain: whether pictures of one colour are among them.
        """
        found = []
        for picture in sorted(pictures, key=area, reverse=True)[:MOST_PICTURES]:
            left, top, right, bottom = picture.box
            if min(right - left, bottom - top) < SMALLEST:
                continue
            reference = self._reference(page, picture, plain)
            if reference:
                found.append(Placed("image", reference, left, top, right, bottom))
        return found

    def _reference(self, page: pypdfium2.PdfPage, picture: Picture, plain: bool) -> str:
        """The Markdown reference of a picture.

        Empty if it cannot be read, stood there before, or is plain where that is not wanted.
        """
        image = pypdfium2.PdfImage(ctypes.cast(picture.handle, pdfium.FPDF_PAGEOBJECT), page, self._pdf)
        try:
            digest = hashlib.sha256(image.get_data()).digest()
            place = digest, round(picture.box[0]), round(picture.box[1])
            if place in self._places:
                return ""
            self._places.add(place)
            if digest not in self._references:
                self._references[digest] = self._kept(image) if plain or not is_plain(image) else ""
            return self._references[digest]
        except (pypdfium2.PdfiumError, OSError, ValueError):
            # A picture that is broken takes no text with it.
            return ""

    def _kept(self, image: Any) -> str:
        if min(image.get_px_size()) < FEWEST_PIXELS:
            return ""
        if [*image.get_filters()][-1:] == ["DCTDecode"]:
            return self._images.keep(bytes(image.get_data(decode_simple=True)), "image/jpeg")
        return self._images.keep(png_of(bitmap_of(image)), "image/png")


def bitmap_of(image: Any) -> Any:
    """The pixels of a picture, those of the page where it has too many."""
    width, height = image.get_px_size()
    return image.get_bitmap(render=width * height > MOST_PIXELS, scale_to_original=False)


def is_plain(image: Any) -> bool:
    """Whether a picture has one colour."""
    pixels = bitmap_of(image).to_numpy()
    return bool((np.ptp(pixels, axis=(0, 1)) < PLAIN).all())


def area(picture: Picture) -> float:
    """What a picture covers, in square points."""
    left, top, right, bottom = picture.box
    return max(right - left, 0.0) * max(bottom - top, 0.0)


def cover(pictures: Sequence[Picture], width: float, height: float) -> float:
    """The share of a page that pictures cover; more than 1 if they overlap."""
    return sum(map(area, pictures)) / max(width * height, 1.0)


def png_of(bitmap: Any) -> bytes:
    """A bitmap as PNG."""
    out = io.BytesIO()
    bitmap.to_pil().save(out, "PNG")
    return out.getvalue()
