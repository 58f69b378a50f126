"""PDF files for several tests, and what is read from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Frame, PageTemplate

from services.ingest.readers import Reading, ReadOptions, Source, read_document
from tests.support.pdf_files import canvas_pdf, flowed, saved

PDF = "application/pdf"
TEXT_ONLY = ReadOptions("text")
WIDTH, HEIGHT = A4


def source(
    folder: Path, data: bytes, options: ReadOptions = TEXT_ONLY, most_chars: int = 20_000_000
) -> Source:
    return Source(saved(folder, data), "handbook/the file", PDF, folder, most_chars, options)


def read(folder: Path, data: bytes, options: ReadOptions = TEXT_ONLY) -> Reading:
    reading = read_document(source(folder, data, options))
    assert all(not 0xD800 <= ord(letter) < 0xE000 and letter not in "\x00\ufffe" for letter in reading.text)
    return reading


def drawn(folder: Path, draw: Callable[[Canvas], None]) -> str:
    return read(folder, canvas_pdf(draw)).text


def two_pages(canvas: Canvas) -> None:
    canvas.drawString(100, 700, "The warranty lasts")
    canvas.drawString(100, 680, "four years.")
    canvas.showPage()
    canvas.drawString(100, 700, "Returns go to Kiel.")
    canvas.showPage()


def flow(story: Sequence[object]) -> bytes:
    frame = Frame(72, 72, WIDTH - 144, HEIGHT - 144, 0, 0, 0, 0)
    return flowed(story, [PageTemplate("one", [frame])])
