"""Scanned PDFs: pages that are pictures of text. Reading one takes a second a page."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas


def scanned_pdf(*pages: str) -> bytes:
    """A PDF without a text layer; each page is a picture of some lines."""
    data = io.BytesIO()
    canvas = Canvas(data, pagesize=A4)
    for text in pages:
        canvas.drawImage(ImageReader(picture_of(text)), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    return data.getvalue()


def picture_of(text: str) -> Image.Image:
    """A white page with lines of black text."""
    image = Image.new("RGB", (1240, 1754), "white")
    ImageDraw.Draw(image).multiline_text(
        (120, 140), text, fill="black", font=ImageFont.load_default(36), spacing=24
    )
    return image
