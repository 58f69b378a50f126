from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests.support.pdf_files import canvas_pdf, lines
from tests.unit.ingest.readers.pdf_readings import HEIGHT, WIDTH, drawn, read


def picture(color: str, size: tuple[int, int] = (120, 80), kind: str = "PNG") -> ImageReader:
    out = io.BytesIO()
    Image.effect_noise(size, 50).convert("RGB").save(out, kind) if color == "noise" else Image.new(
        "RGB", size, color
    ).save(out, kind)
    out.seek(0)
    return ImageReader(out)


def test_a_picture_is_kept_at_its_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 750, "Above the picture.")
        canvas.drawImage(picture("red"), 72, 600, 200, 130)
        canvas.drawString(72, 570, "Below the picture.")

    reading = read(tmp_path, canvas_pdf(draw))
    (image,) = reading.images
    assert reading.text == f"Above the picture.\n\n![](images/{image.name})\n\nBelow the picture.\n"
    assert reading.text[image.char_start : image.char_end] == f"![](images/{image.name})"
    assert image.media_type == "image/png"
    with Image.open(tmp_path / "images" / image.name) as kept:
        assert caplog.records == []
        assert (kept.size, kept.convert("RGB").getpixel((5, 5))) == ((120, 80), (255, 0, 0))


def test_a_photograph_is_kept_byte_for_byte(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.effect_noise((300, 200), 60).convert("RGB").save(out, "JPEG")
    path = tmp_path / "photo.jpg"
    path.write_bytes(out.getvalue())

    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 750, "A photograph.")
        canvas.drawImage(str(path), 72, 500, 300, 200)

    (image,) = read(tmp_path, canvas_pdf(draw)).images
    assert image.media_type == "image/jpeg"
    assert (tmp_path / "images" / image.name).read_bytes() == out.getvalue()


def test_ornaments_backgrounds_and_repeated_logos_are_left_out(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(3):
            canvas.drawImage(picture("beige", (600, 850)), 0, 0, WIDTH, HEIGHT)
            canvas.drawImage(picture("blue"), 450, 760, 80, 50)
            canvas.drawImage(picture("black", (20, 20)), 60, 705, 6, 6)
            canvas.drawString(72, 700, f"Text of page {number}.")
            canvas.showPage()

    reading = read(tmp_path, canvas_pdf(draw))
    assert reading.text.count("![") <= 1
    assert all(f"Text of page {number}." in reading.text for number in range(3))


def test_a_picture_in_a_column_stands_in_that_column(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 9)
        lines(canvas, [f"left line {row} of the running text here" for row in range(10)], 50, 700, 12)
        canvas.drawImage(picture("green"), 50, 480, 180, 90)
        lines(canvas, [f"left line {row} of the running text here" for row in range(10, 16)], 50, 460, 12)
        lines(canvas, [f"right line {row} of the running text here" for row in range(26)], 320, 700, 12)

    text = drawn(tmp_path, draw)
    marks = [text.index(mark) for mark in ("left line 9", "![", "left line 10", "right line 0")]
    assert marks == sorted(marks)


def test_a_broken_picture_takes_no_text_with_it(tmp_path: Path) -> None:
    data = canvas_pdf(
        lambda canvas: [
            canvas.drawString(72, 700, "Text stays."),
            canvas.drawImage(picture("noise"), 72, 500, 100, 100),
        ][0]
    )
    start = data.index(b"/Subtype /Image")
    at = data.index(b"stream", start) + 20
    assert "Text stays." in read(tmp_path, data[:at] + b"~~~~" * 10 + data[at + 40 :]).text
