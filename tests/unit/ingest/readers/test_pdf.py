from __future__ import annotations

import io
import time
from pathlib import Path

import psutil
import pypdfium2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from services.ingest.readers import ReadOptions, read_document
from services.ingest.readers.pdf.render import render
from services.ingest.transcribing.transcripts import write_transcripts
from services.runtime.errors import FailedPrecondition, InvalidArgument, SishuError
from tests.support.fault_files import cut_web_pdf, web_pdf
from tests.support.pdf_files import canvas_pdf, lines, raw_pdf
from tests.unit.ingest.readers.pdf_readings import drawn, read, source, two_pages


def test_a_pdf_is_read_page_by_page(tmp_path: Path) -> None:
    reading = read(tmp_path, canvas_pdf(two_pages))
    assert reading.text == "The warranty lasts four years.\n\nReturns go to Kiel.\n"
    assert [reading.page_at(reading.text.index(word)) for word in ("warranty", "years", "Returns")] == [
        1,
        1,
        2,
    ]


@pytest.mark.parametrize("blank", [0, 1, 2])
def test_a_page_without_text_still_counts(tmp_path: Path, blank: int) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(3):
            if number != blank:
                canvas.drawString(100, 700, f"word{number}")
            canvas.showPage()

    reading = read(tmp_path, canvas_pdf(draw))
    assert len(reading.page_starts) == 3
    assert list(reading.page_starts) == sorted(reading.page_starts)
    for number in {0, 1, 2} - {blank}:
        assert reading.page_at(reading.text.index(f"word{number}")) == number + 1


def test_the_start_of_each_page_is_exact(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(1, 31):
            canvas.drawString(100, 700, f"page{number} begins")
            canvas.drawString(100, 600, "and ends.")
            canvas.showPage()

    reading = read(tmp_path, canvas_pdf(draw))
    assert [reading.text[start:].split()[0] for start in reading.page_starts] == [
        f"page{at}" for at in range(1, 31)
    ]


def test_a_pdf_that_asks_for_no_password_to_read_is_read(tmp_path: Path) -> None:
    data = canvas_pdf(two_pages, encrypt=StandardEncryption("", ownerPassword="owner"))
    assert "warranty" in read(tmp_path, data).text


def test_an_encrypted_pdf_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"handbook/the file.*password") as raised:
        read(tmp_path, canvas_pdf(two_pages, encrypt="password"))
    assert raised.value.reason == "FILE_ENCRYPTED"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"not a pdf", b"\x00" * 100])
def test_a_damaged_pdf_says_that_it_cannot_be_opened(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="handbook/the file") as raised:
        read(tmp_path, data)
    assert raised.value.reason == "PDF_UNREADABLE"


def test_a_pdf_cut_off_anywhere_never_ends_in_an_unforeseen_error(tmp_path: Path) -> None:
    whole = canvas_pdf(two_pages)
    for length in range(0, len(whole), 37):
        try:
            read(tmp_path, whole[:length])
        except InvalidArgument as error:
            assert error.reason in {"PDF_UNREADABLE", "PDF_WITHOUT_TEXT"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_pdf_with_any_bytes_changed_never_ends_in_an_unforeseen_error(
    tmp_path: Path, data: st.DataObject
) -> None:
    whole = bytearray(canvas_pdf(two_pages))
    for _ in range(data.draw(st.integers(1, 12))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(tmp_path, bytes(whole))
    except InvalidArgument as error:
        assert error.reason in {"PDF_UNREADABLE", "PDF_WITHOUT_TEXT", "FILE_ENCRYPTED"}


def test_a_pdf_for_fast_web_view_that_is_cut_off_has_no_blank_page(tmp_path: Path) -> None:
    assert read(tmp_path, web_pdf("first", "last")).text == "first\n\nlast\n"
    with pytest.raises(InvalidArgument, match=r"handbook/the file.*cut off.*send it again") as raised:
        read(tmp_path, cut_web_pdf("first", "last"))
    assert raised.value.reason == "PDF_UNREADABLE"


def test_a_pdf_without_pages_is_told(tmp_path: Path) -> None:
    data = raw_pdf(b"").replace(b"/Kids [3 0 R] /Count 1", b"/Kids [] /Count 0     ")
    with pytest.raises(InvalidArgument, match="handbook/the file") as raised:
        read(tmp_path, data)
    assert raised.value.reason == "PDF_UNREADABLE"


def test_a_damaged_page_in_the_middle_is_named(tmp_path: Path) -> None:
    def four_pages(canvas: Canvas) -> None:
        two_pages(canvas)
        two_pages(canvas)

    pdf = pypdfium2.PdfDocument(canvas_pdf(four_pages))
    out = io.BytesIO()
    pdf.save(out)
    pdf.close()
    data = out.getvalue()
    kids = data[data.index(b"/Kids") :].split(b"]", 1)[0].split(b"[")[1]
    third = kids.split(b"R")[2].split()[0]
    start = data.index(b"\n" + third + b" 0 obj") + 1
    end = data.index(b"endobj", start)
    broken = data[:start] + third + b" 0 obj" + b"(x)".ljust(end - start - len(third) - 6) + data[end:]
    with pytest.raises(InvalidArgument, match="page 3") as raised:
        read(tmp_path, broken)
    assert (raised.value.reason, raised.value.metadata["page"]) == ("PDF_UNREADABLE", "3")


def test_a_pdf_without_a_text_layer_asks_for_ocr(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="OCR") as raised:
        read(tmp_path, canvas_pdf(lambda canvas: canvas.rect(100, 100, 50, 50, fill=1)))
    assert raised.value.reason == "PDF_WITHOUT_TEXT"


def test_a_text_longer_than_allowed_is_refused_before_the_end(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read_document(source(tmp_path, canvas_pdf(two_pages), most_chars=10))
    assert raised.value.reason == "TEXT_TOO_LARGE"


def test_two_thousand_pages_take_little_more_memory_than_twenty(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(2000):
            canvas.drawString(72, 800, f"page {number}")
            lines(canvas, [f"line {at} of a page with words on it" for at in range(20)], 72, 760)
            canvas.showPage()

    data = canvas_pdf(draw)
    before = psutil.Process().memory_info().rss
    reading = read(tmp_path, data)
    grown = (psutil.Process().memory_info().rss - before) >> 20
    assert len(reading.page_starts) == 2000
    assert reading.page_at(reading.text.index("page 1999")) == 2000
    assert grown < 100


def test_characters_beyond_the_first_plane_ligatures_and_nul_come_out_whole(tmp_path: Path) -> None:
    unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        b"1 begincodespacerange <00> <FF> endcodespacerange\n"
        b"5 beginbfchar <41> <D83DDE00> <42> <0066006C> <43> <D840DC00> <44> <0000> <45> <00650301> endbfchar\n"
        b"1 beginbfrange <61> <7A> <0061> endbfrange endcmap end end"
    )
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(unicode), unicode)
    text = read(
        tmp_path, raw_pdf(b"BT /F1 12 Tf 72 700 Td (aAb Bat Cd xDy caf) Tj (E) Tj ET", more=[stream])
    ).text
    assert text == "a😀b flat 𠀀d xy cafe\u0301\n"


def test_a_text_that_runs_from_the_right_stays_in_the_order_of_its_characters(tmp_path: Path) -> None:
    hebrew = "".join(chr(code) for code in range(0x5D0, 0x5D5))
    unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        b"1 begincodespacerange <00> <FF> endcodespacerange\n"
        b"1 beginbfrange <61> <7A> <05D0> endbfrange 1 beginbfchar <20> <0020> endbfchar endcmap end end"
    )
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(unicode), unicode)
    # On paper the last character stands leftmost.
    text = read(tmp_path, raw_pdf(b"BT /F1 12 Tf 72 700 Td (edcba) Tj ET", more=[stream])).text
    assert text == hebrew + "\n"


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_page_is_read_as_it_is_turned(tmp_path: Path, turn: int) -> None:
    def draw(canvas: Canvas) -> None:
        width, height = A4 if turn % 180 == 0 else A4[::-1]
        canvas.setPageRotation(turn)
        if turn == 90:
            canvas.translate(width, 0)
        elif turn == 180:
            canvas.translate(width, height)
        elif turn == 270:
            canvas.translate(0, height)
        canvas.rotate(turn)
        canvas.setFont("Helvetica", 20)
        canvas.drawString(60, 500, "Heading")
        canvas.setFont("Helvetica", 10)
        lines(
            canvas,
            ["The first line of a text that goes on and on until the side ends here,", "second line."],
            60,
            470,
        )
        for row, texts in enumerate([("Town", "Houses"), ("Northby", "22"), ("Eastwick", "18")]):
            for column, text in enumerate(texts):
                canvas.drawString(60 + 150 * column, 400 - 14 * row, text)

    assert drawn(tmp_path, draw) == (
        "# Heading\n\nThe first line of a text that goes on and on until the side ends here, second line.\n\n"
        "| Town | Houses |\n| --- | --- |\n| Northby | 22 |\n| Eastwick | 18 |\n"
    )


def test_a_text_along_the_side_of_the_page_does_not_run_into_the_others(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, ["First line of the page with some words", "and a second line below."], 100, 700)
        canvas.translate(30, 500)
        canvas.rotate(90)
        canvas.drawString(0, 0, "printed in the margin")

    assert (
        drawn(tmp_path, draw)
        == "First line of the page with some words and a second line below.\n\nprinted in the margin\n"
    )


def test_text_outside_of_the_visible_page_is_left_out(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(100, 700, "seen")
        canvas.drawString(-300, 700, "unseen")

    assert drawn(tmp_path, draw) == "seen\n"


def test_filled_form_fields_are_part_of_the_page(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 720, "Name:")
        canvas.acroForm.textfield(name="n", value="Okafor", x=150, y=710, width=200, height=20, borderWidth=0)

    assert "Okafor" in drawn(tmp_path, draw)


def test_scripts_and_attachments_do_nothing(tmp_path: Path) -> None:
    data = raw_pdf(b"BT /F1 12 Tf 72 700 Td (plain text) Tj ET").replace(
        b"/Type /Catalog",
        b"/Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >> "
        b"/Names << /EmbeddedFiles << /Names [(a.exe) << /Type /Filespec /F (a.exe) >>] >> >>",
    )
    assert read(tmp_path, data).text == "plain text\n"


def test_a_page_of_absurd_size_is_read_and_drawn(tmp_path: Path) -> None:
    data = raw_pdf(b"BT /F1 12 Tf 72 700 Td (small on a huge page) Tj ET").replace(
        b"[0 0 612 792]", b"[0 0 1e7 1e7]"
    )
    assert read(tmp_path, data).text == "small on a huge page\n"
    (path,) = render(source(tmp_path, data), [1], tmp_path)
    assert path.stat().st_size < 1 << 20


def test_pages_are_drawn_into_the_folder_by_number(tmp_path: Path) -> None:
    from PIL import Image

    paths = render(source(tmp_path, canvas_pdf(two_pages)), [2, 1], tmp_path / "pages")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["pages/0002.png", "pages/0001.png"]
    with Image.open(paths[0]) as picture:
        assert 1000 < max(picture.size) <= 2000


@pytest.mark.parametrize("number", [0, 3])
def test_a_page_that_is_not_there_cannot_be_drawn(tmp_path: Path, number: int) -> None:
    with pytest.raises(InvalidArgument) as raised:
        render(source(tmp_path, canvas_pdf(two_pages)), [number], tmp_path)
    assert raised.value.reason == "PAGE_UNKNOWN"


def test_single_pages_are_read_by_their_own_reader(tmp_path: Path) -> None:
    picture = b"\x89PNG a picture"
    write_transcripts(
        tmp_path,
        [(2, "# Seen\n\n![roof](images/a.png)\n\n![gone](images/b.png) ![out](images/../a.png)")],
        {"a.png": picture},
    )
    reading = read(tmp_path, canvas_pdf(two_pages), ReadOptions("text", {2: "vision"}))
    (image,) = reading.images
    assert reading.text == (
        f"The warranty lasts four years.\n\n# Seen\n\n![roof](images/{image.name})\n\ngone ![out](images/../a.png)\n"
    )
    assert (tmp_path / "images" / image.name).read_bytes() == picture
    assert reading.page_at(reading.text.index("Seen")) == 2


def test_a_page_without_its_transcript_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="page 1") as raised:
        read(tmp_path, canvas_pdf(two_pages), ReadOptions("vision"))
    assert (raised.value.reason, raised.value.metadata["page"]) == ("PAGE_NOT_TRANSCRIBED", "1")


def test_a_page_that_mineru_does_not_name_is_blank(tmp_path: Path) -> None:
    with pytest.raises(SishuError):
        read(tmp_path, canvas_pdf(two_pages), ReadOptions("mineru"))
    write_transcripts(tmp_path, [(1, "# All")], {})
    reading = read(tmp_path, canvas_pdf(two_pages), ReadOptions("mineru"))
    assert (reading.text, len(reading.page_starts)) == ("# All\n", 2)


def test_a_page_of_many_thousand_lines_and_scraps_of_text_takes_seconds(tmp_path: Path) -> None:
    place = [(at * 7919 % 590, at * 104729 % 830) for at in range(6000)]

    def draw(canvas: Canvas) -> None:
        for x, y in place:
            canvas.rect(x, y, 12, 9)
            canvas.drawString(x, y, "x")

    started = time.process_time()
    text = drawn(tmp_path, draw)
    assert text.count("x") >= 5000
    assert time.process_time() - started < 20
