from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from services.ingest.readers import ReadOptions
from services.runtime.errors import InvalidArgument
from tests.support.pdf_files import (
    CHINESE_FONT,
    HEIGHT,
    LETTER,
    PROSE,
    REPORT_TABLE,
    WIDTH,
    canvas_pdf,
    chinese_letter,
    letter,
    lines,
    mixed_scan,
    picture_of,
    pictured,
    raw_pdf,
    saved,
    scan_page,
)
from tests.unit.ingest.parsing.child_processes import children, parse
from tests.unit.ingest.readers.pdf_readings import read, two_pages

AUTO = ReadOptions()


def test_scanned_pages_among_others_are_recognised_in_both_languages(tmp_path: Path) -> None:
    reading = read(tmp_path, mixed_scan(), AUTO)
    assert reading.text == (
        "Enclosed are two letters about pumps.\n\n# Warranty Repair\n\n" + " ".join(LETTER) + "\n\n"
        "尊敬的客户：\n\n感谢您购买北辰水泵。保修期为四年，请保留发票作为凭证。\n"
    )
    assert len(reading.page_starts) == 4
    assert [reading.page_at(reading.text.index(word)) for word in ("Enclosed", "Warranty", "保修期")] == [
        1,
        2,
        3,
    ]
    assert reading.images == []


def test_a_scan_is_not_read_by_the_text_reader(tmp_path: Path) -> None:
    reading = read(tmp_path, mixed_scan(), ReadOptions("text"))
    assert "Warranty" not in reading.text
    assert [reading.page_at(image.char_start) for image in reading.images] == [2, 3]
    with pytest.raises(InvalidArgument, match="by OCR") as raised:
        read(tmp_path, canvas_pdf(lambda canvas: scan_page(canvas, canvas_pdf(letter))), ReadOptions("text"))
    assert raised.value.reason == "PDF_WITHOUT_TEXT"


def test_a_page_can_be_recognised_although_it_has_a_text_layer(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(picture_of(canvas_pdf(letter))), 0, 0, WIDTH, HEIGHT)
        text = canvas.beginText(72, 700)
        text.setTextRenderMode(3)
        text.textLine(
            "A hidden layer of another program that read it wrongly, word by word, in the whole page."
        )
        canvas.drawText(text)
        canvas.showPage()

    data = canvas_pdf(draw)
    assert "hidden layer" in read(tmp_path, data, AUTO).text
    for options in (ReadOptions("ocr"), ReadOptions("text", {1: "ocr"})):
        assert "Warranty Repair" in read(tmp_path, data, options).text


def test_a_layer_that_no_font_maps_to_letters_is_recognised_instead(tmp_path: Path) -> None:
    unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        b"1 begincodespacerange <00> <FF> endcodespacerange\n"
        b"1 beginbfrange <20> <7E> <E020> endbfrange endcmap end end"
    )
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(unicode), unicode)
    data = raw_pdf(b"BT /F1 24 Tf 72 700 Td (Warranty for pumps) Tj ET", more=[stream])
    assert read(tmp_path, data, AUTO).text == "Warranty for pumps\n"


def test_a_stamp_on_a_scan_does_not_pass_for_its_text(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(picture_of(canvas_pdf(letter))), 0, 0, WIDTH, HEIGHT)
        canvas.drawString(400, 30, "Scan 0017")

    text = read(tmp_path, canvas_pdf(draw), AUTO).text
    assert "technician" in text
    assert "Scan 0017" in text


def stamped_scan(stamps: int = 1, size: float = 10) -> bytes:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(picture_of(canvas_pdf(letter))), 0, 0, WIDTH, HEIGHT)
        canvas.setFont("Helvetica", size)
        lines(canvas, [STAMP] * stamps, 40, 300, 20)

    return canvas_pdf(draw)


STAMP = "Licensed to Example Company, Kiel, order 4711 of 3 May 2024; copying and passing it on is prohibited"


@pytest.mark.parametrize("stamps", [1, pytest.param(4, marks=pytest.mark.full)])
def test_a_long_stamp_on_a_scan_does_not_pass_for_its_text(tmp_path: Path, stamps: int) -> None:
    reading = read(tmp_path, stamped_scan(stamps), AUTO)
    assert "# Warranty Repair" in reading.text
    assert "technician" in reading.text
    assert reading.text.count("order 4711") == stamps


def test_a_scan_with_a_stamp_is_kept_as_a_picture_by_the_text_reader(tmp_path: Path) -> None:
    reading = read(tmp_path, stamped_scan(), ReadOptions("text"))
    assert STAMP in reading.text
    assert len(reading.images) == 1


def test_text_on_a_photograph_is_taken_as_it_was_written(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        gradient = Image.linear_gradient("L").resize((400, 560)).convert("RGB")
        canvas.drawImage(ImageReader(gradient), 0, 0, WIDTH, HEIGHT)
        canvas.setFillGray(1)
        lines(canvas, [f"Line {row} on the photograph, l1lI0O." for row in range(3)], 72, 780, 30)

    reading = read(tmp_path, canvas_pdf(draw), AUTO)
    assert all(f"Line {row} on the photograph, l1lI0O." in reading.text for row in range(3))
    assert len(reading.images) == 1


def test_a_photograph_with_a_long_caption_is_kept_beside_it(tmp_path: Path) -> None:
    caption = "The mill of Kiel in the spring of 1904, seen from the northern bank, l1lI0O."

    def draw(canvas: Canvas) -> None:
        gradient = Image.linear_gradient("L").resize((400, 400)).convert("RGB")
        canvas.drawImage(ImageReader(gradient), 0, 200, WIDTH, HEIGHT - 220)
        canvas.drawString(72, 100, caption)

    reading = read(tmp_path, canvas_pdf(draw), AUTO)
    assert caption in reading.text
    assert len(reading.images) == 1


def test_what_fills_a_page_before_a_picture_is_not_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.new("RGB", (60, 85), "beige")), 0, 0, WIDTH, HEIGHT)
        lines(canvas, [f"{row} {PROSE[0][:80]}" for row in range(30)], 72, 760, 22)

    monkeypatch.setattr("services.ingest.readers.pdf.reader.OCR", "no engine")
    reading = read(tmp_path, canvas_pdf(draw), AUTO)
    assert all(f"{row} {PROSE[0][:80]}" in reading.text for row in range(30))
    assert reading.images == []


def test_a_table_in_a_scan_is_a_table(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for at, row in enumerate(REPORT_TABLE):
            pictured(canvas, 60, 700 - 24 * at, row[0], 14)
            for number, text in enumerate(row[1:]):
                pictured(canvas, 290 + 110 * number, 700 - 24 * at, text, 14, right=True)
        canvas.showPage()

    text = read(tmp_path, canvas_pdf(lambda canvas: scan_page(canvas, canvas_pdf(draw))), AUTO).text
    rows = text.strip().split("\n")
    assert rows[0] == "| 项目 | 2023年 | 2022年 | 增减 |"
    assert rows[2] == "| 营业收入 | 1,230,000 | 1,138,889 | 8.00% |"
    assert len(rows) == len(REPORT_TABLE) + 1


def test_two_columns_of_a_scan_are_read_one_after_the_other(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 11)
        for column, side in enumerate(("left", "right")):
            lines(
                canvas,
                [f"The {side} line {row} of a text about water" for row in range(8)],
                50 + 270 * column,
                700,
                18,
            )
        canvas.showPage()

    text = read(tmp_path, canvas_pdf(lambda canvas: scan_page(canvas, canvas_pdf(draw))), AUTO).text
    places = [text.index(f"{side} line {row}") for side in ("left", "right") for row in (0, 7)]
    assert places == sorted(places)


@pytest.mark.parametrize("turn", [90, 270])
def test_a_page_that_lay_sideways_on_the_scanner_is_read(tmp_path: Path, turn: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageSize((HEIGHT, WIDTH))
        turned = picture_of(canvas_pdf(letter)).rotate(turn, expand=True)
        canvas.drawImage(ImageReader(turned), 0, 0, HEIGHT, WIDTH)
        canvas.showPage()

    text = read(tmp_path, canvas_pdf(draw), AUTO).text
    assert text.startswith("# Warranty Repair\n\nDear Mr Okafor,")


AGREEMENT = (
    "Chapter One: Scanned agreement",
    "This agreement is made between the parties",
    "on the third of August, 2024, in London.",
    "Total amount due: $12,345.67 (net 30 days)",
)
CONTRACT = ("第一章 总则", "本合同由甲方与乙方于2024年8月签订，", "双方应当遵守下列条款，不得擅自变更。")


def scanned(texts: Sequence[str], turn: int = 0) -> bytes:
    """A scan of lines that are equally far apart, turned to the left by so many degrees."""
    scan = Image.new("L", (1240, 1754), "white")
    font = ImageFont.truetype(str(CHINESE_FONT), 30)
    for at, text in enumerate(texts):
        ImageDraw.Draw(scan).text((110, 120 + 51 * at), text, 20, font=font)

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(scan.rotate(turn, expand=True)), 0, 0, WIDTH, HEIGHT)

    return canvas_pdf(draw)


@pytest.mark.parametrize(
    ("texts", "turn"),
    [
        (AGREEMENT, 90),
        (CONTRACT, 180),
        pytest.param(AGREEMENT, 180, marks=pytest.mark.full),
        pytest.param(AGREEMENT, 270, marks=pytest.mark.full),
        pytest.param(AGREEMENT[:2], 90, marks=pytest.mark.full),
        pytest.param(AGREEMENT[:2], 180, marks=pytest.mark.full),
        pytest.param(AGREEMENT[:2], 270, marks=pytest.mark.full),
        pytest.param(CONTRACT, 90, marks=pytest.mark.full),
        pytest.param(CONTRACT, 270, marks=pytest.mark.full),
    ],
)
def test_a_page_that_lay_turned_on_the_scanner_is_read_from_its_top(
    tmp_path: Path, texts: Sequence[str], turn: int
) -> None:
    text = read(tmp_path, scanned(texts, turn), AUTO).text.replace(" ", "")
    places = [text.find(line.replace(" ", "")[:14]) for line in texts]
    assert places == sorted(places)
    assert places[0] == 0


def test_a_page_that_lay_upright_on_the_scanner_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> list[float]:
        raise AssertionError("an upright page is turned")

    monkeypatch.setattr("services.ingest.readers.pdf.ocr.Engine.scores_of", never)
    assert "London" in read(tmp_path, scanned([*AGREEMENT, *CONTRACT]), AUTO).text


def test_a_paragraph_in_chinese_is_not_joined_to_one_in_english(tmp_path: Path) -> None:
    text = read(tmp_path, scanned([*AGREEMENT, *CONTRACT]), AUTO).text
    assert "(net 30 days)\n\n第一章" in text


def test_recognised_lines_of_one_width_are_one_paragraph(tmp_path: Path) -> None:
    wanted = (
        "本合同由甲方与乙方于二〇二四年八月签订，双方应当遵守下列条款，不得擅自变更或者解除合同，违约的一方应当"
        "承担违约责任并赔偿对方因此受到的损失，但是不可抗力除外。甲方应当按照约定的时间和方式向乙方支付货款，逾"
        "期付款的，每逾期一日按照未付金额的万分之五支付违约金，直到付清全部货款之日为止。"
    )
    text = read(tmp_path, scanned(textwrap.wrap(wanted, 34)), AUTO).text
    assert text == wanted + "\n"


def test_a_photograph_without_text_is_kept_as_the_page(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "A photograph follows.")
        canvas.showPage()
        gradient = Image.linear_gradient("L").resize((400, 560)).convert("RGB")
        canvas.drawImage(ImageReader(gradient), 0, 0, WIDTH, HEIGHT)
        canvas.showPage()

    reading = read(tmp_path, canvas_pdf(draw), AUTO)
    (image,) = reading.images
    assert reading.page_at(image.char_start) == 2


def test_letters_of_pillow_are_recognised(tmp_path: Path) -> None:
    font = ImageFont.load_default(size=40)
    scan = Image.new("RGB", (1240, 1754), "white")
    ImageDraw.Draw(scan).text((120, 200), "Invoice 4711 of 3 May 2024", "black", font=font)

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(scan), 0, 0, WIDTH, HEIGHT)

    assert read(tmp_path, canvas_pdf(draw), AUTO).text == "Invoice 4711 of 3 May 2024\n"


def test_a_scan_on_a_page_of_absurd_size_is_read(tmp_path: Path) -> None:
    scale = 20.0

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(picture_of(canvas_pdf(letter))), 0, 0, WIDTH * scale, HEIGHT * scale)

    data = canvas_pdf(draw, size=(WIDTH * scale, HEIGHT * scale))
    assert "Warranty Repair" in read(tmp_path, data, AUTO).text


PROGRAM = """
import json, sys
from pathlib import Path
from services.ingest.readers import ReadOptions, Source, read_document
path = Path(sys.argv[1])
text = read_document(Source(path, "file", "application/pdf", path.parent)).text
print(json.dumps([text, sorted(name for name in ("onnxruntime", "cv2", "PIL", "rapidocr") if name in sys.modules)]))
"""


def test_a_pdf_with_text_never_loads_the_engine_of_recognition(tmp_path: Path) -> None:
    path = saved(tmp_path, canvas_pdf(two_pages))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    text, loaded = json.loads(done.stdout)
    assert "warranty" in text
    assert loaded == []


def test_recognition_writes_nothing_of_its_own(tmp_path: Path) -> None:
    path = saved(tmp_path, canvas_pdf(lambda canvas: scan_page(canvas, canvas_pdf(chinese_letter))))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    text, loaded = json.loads(done.stdout)
    assert "四年" in text
    assert "onnxruntime" in loaded
    assert done.stderr == ""


@pytest.mark.full
async def test_recognition_works_in_the_child_process_within_its_memory(tmp_path: Path) -> None:
    async with children() as one:
        parsed = await parse(one, tmp_path, "scan.pdf", mixed_scan())
    assert "Warranty Repair" in parsed.text
    assert len(parsed.texts[0].page_starts) == 4
