from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from services.ingest.readers import Reading, Source, read_document
from services.runtime.errors import InvalidArgument

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def read(folder: Path, data: bytes, media_type: str) -> Reading:
    path = folder / "file"
    path.write_bytes(data)
    return read_document(Source(path, "handbook/the file", media_type, folder))


def pdf(folder: Path, draw: Callable[[Canvas], None], encrypt: str = "") -> bytes:
    path = folder / "drawn.pdf"
    canvas = Canvas(str(path), pagesize=A4, encrypt=encrypt or None)
    draw(canvas)
    canvas.save()
    return path.read_bytes()


def two_pages(canvas: Canvas) -> None:
    canvas.drawString(100, 700, "The warranty lasts")
    canvas.drawString(100, 680, "four years.")
    canvas.showPage()
    canvas.drawString(100, 700, "Returns go to Kiel.")
    canvas.showPage()


def test_a_pdf_is_read_page_by_page(tmp_path: Path) -> None:
    reading = read(tmp_path, pdf(tmp_path, two_pages), PDF)
    assert reading.text == "The warranty lasts four years.\n\nReturns go to Kiel.\n"
    assert [reading.page_at(reading.text.index(word)) for word in ("warranty", "years", "Returns")] == [
        1,
        1,
        2,
    ]


def test_a_pdf_page_without_text_still_counts(tmp_path: Path) -> None:
    def with_empty_first_page(canvas: Canvas) -> None:
        canvas.showPage()
        two_pages(canvas)

    reading = read(tmp_path, pdf(tmp_path, with_empty_first_page), PDF)
    assert len(reading.page_starts) == 3
    assert reading.page_at(reading.text.index("warranty")) == 2


def test_a_pdf_that_asks_for_no_password_to_read_is_read(tmp_path: Path) -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption

    path = tmp_path / "owner.pdf"
    canvas = Canvas(str(path), encrypt=StandardEncryption("", ownerPassword="owner"))
    two_pages(canvas)
    canvas.save()
    assert "warranty" in read(tmp_path, path.read_bytes(), PDF).text


def test_an_encrypted_pdf_says_that_it_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="damaged or encrypted") as raised:
        read(tmp_path, pdf(tmp_path, two_pages, encrypt="password"), PDF)
    assert raised.value.reason == "PDF_UNREADABLE"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"not a pdf", b"\x00" * 100])
def test_a_damaged_pdf_says_that_it_cannot_be_opened(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="handbook/the file") as raised:
        read(tmp_path, data, PDF)
    assert raised.value.reason == "PDF_UNREADABLE"


def test_a_pdf_cut_off_in_the_middle_never_ends_in_an_unforeseen_error(tmp_path: Path) -> None:
    whole = pdf(tmp_path, two_pages)
    for share in range(1, 10):
        try:
            read(tmp_path, whole[: len(whole) * share // 10], PDF)
        except InvalidArgument as error:
            assert error.reason in {"PDF_UNREADABLE", "PDF_WITHOUT_TEXT"}


def test_a_pdf_without_a_text_layer_asks_for_ocr(tmp_path: Path) -> None:
    scanned = pdf(tmp_path, lambda canvas: canvas.rect(100, 100, 50, 50, fill=1))
    with pytest.raises(InvalidArgument, match="OCR") as raised:
        read(tmp_path, scanned, PDF)
    assert raised.value.reason == "PDF_WITHOUT_TEXT"


def test_a_docx_becomes_markdown(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Warranty", level=1)
    document.add_paragraph("It lasts four years.")
    document.add_paragraph("keep the receipt", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        [*table.rows[0].cells, *table.rows[1].cells], ["part", "years", "motor", "8"], strict=True
    ):
        cell.text = text
    path = tmp_path / "made.docx"
    document.save(str(path))
    reading = read(tmp_path, path.read_bytes(), DOCX)
    lines = reading.text.splitlines()
    assert lines[0] == "# Warranty"
    assert "It lasts four years." in lines
    assert "* keep the receipt" in lines
    assert "| motor | 8 |" in lines
    assert reading.page_starts == ()


def test_an_empty_docx_holds_no_text(tmp_path: Path) -> None:
    path = tmp_path / "made.docx"
    docx.Document().save(str(path))
    with pytest.raises(InvalidArgument) as raised:
        read(tmp_path, path.read_bytes(), DOCX)
    assert raised.value.reason == "TEXT_EMPTY"


@pytest.mark.parametrize(
    "data", [b"", b"not a docx", b"PK\x03\x04 broken", b"\xd0\xcf\x11\xe0 an encrypted one"]
)
def test_a_damaged_docx_says_that_it_cannot_be_opened(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="handbook/the file") as raised:
        read(tmp_path, data, DOCX)
    assert raised.value.reason == "DOCX_UNREADABLE"


def test_a_docx_without_its_main_part_says_that_it_cannot_be_opened(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "made.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("something.txt", "else")
    with pytest.raises(InvalidArgument) as raised:
        read(tmp_path, path.read_bytes(), DOCX)
    assert raised.value.reason == "DOCX_UNREADABLE"
