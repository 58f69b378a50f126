"""PDF files as people meet them, made by reportlab: a paper, an annual report, a scan."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import pypdfium2
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    FrameBreak,
    NextPageTemplate,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

WIDTH, HEIGHT = A4
CHINESE_FONT = files("cvttf_NotoSansCJK_Regular") / "NotoSansCJKtc-Regular.otf"
FINE = 4
"""Pixels a point."""
SONG = "STSong-Light"
pdfmetrics.registerFont(UnicodeCIDFont(SONG))

GRID = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("VALIGN", (0, 0), (-1, -1), "TOP")])
BODY = ParagraphStyle("body", fontName="Times-Roman", fontSize=9.5, leading=11.5, alignment=TA_JUSTIFY)
TITLE = ParagraphStyle("title", fontName="Times-Bold", fontSize=18, leading=21, alignment=TA_CENTER)
CENTRED = ParagraphStyle("centred", parent=BODY, alignment=TA_CENTER)
SECTION = ParagraphStyle(
    "section", fontName="Times-Bold", fontSize=12, leading=15, spaceBefore=8, spaceAfter=4
)
SMALL = ParagraphStyle("small", fontName="Times-Roman", fontSize=7, leading=8.5)

ABSTRACT = (
    "We study how the colour of roof tiles changes the temperature of attics in northern towns. Over four "
    "summers we measured sixty houses in three towns and found that light tiles keep attics six degrees "
    "cooler, which saves about a tenth of the energy that air conditioning takes on hot days."
)
PROSE = (
    "Houses in northern towns were built to keep warmth inside. Their attics store the heat of summer days, "
    "and nobody minded as long as summers were short. Now that heat waves last for weeks, attics have become "
    "the hottest rooms of a house, and people who live under the roof suffer first.",
    "Earlier work looked at flat roofs only, where white paint is cheap. Sloped roofs are harder: tiles are "
    "fired clay, and their colour comes from the iron in it. A light tile needs clay with little iron, or a "
    "coating that lasts as long as the tile itself.",
    "We chose pairs of houses that differ in nothing but their tiles. Sensors hung in the middle of each "
    "attic, one metre above the floor, and were read every ten minutes. Windows stayed closed during the "
    "measurements, and nobody slept in the attics in those weeks.",
    "The difference was largest in the afternoon, when the sun stands in the west and the walls have stored "
    "heat for hours. At night it vanished. Wind made both kinds of attics cooler, and rain did so within "
    "minutes, as water on warm tiles evaporates.",
)


def canvas_pdf(
    draw: Callable[[Canvas], None], encrypt: object = None, size: tuple[float, float] = A4
) -> bytes:
    """A PDF that a function draws."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=size, encrypt=encrypt)
    draw(canvas)
    canvas.save()
    return out.getvalue()


def lines(canvas: Canvas, texts: Sequence[str], x: float, y: float, leading: float = 14) -> None:
    """Draw lines below one another."""
    for at, text in enumerate(texts):
        canvas.drawString(x, y - at * leading, text)


def flowed(story: Sequence[Flowable], templates: Sequence[PageTemplate]) -> bytes:
    """A PDF of flowing text."""
    out = io.BytesIO()
    document = BaseDocTemplate(out, pagesize=A4)
    document.addPageTemplates(list(templates))
    document.build(list(story))
    return out.getvalue()


def page_furniture(canvas: Canvas, document: BaseDocTemplate) -> None:
    """The running header, the page number and a footnote."""
    canvas.saveState()
    canvas.setFont("Times-Italic", 8)
    canvas.drawString(57, HEIGHT - 35, "Journal of Roofs 12 (2024)")
    canvas.drawRightString(WIDTH - 57, HEIGHT - 35, "Attics in summer")
    canvas.drawCentredString(WIDTH / 2, 25, str(document.page))
    canvas.restoreState()


def paper() -> bytes:
    """A paper: title and abstract over both columns, two columns, a ruled table, footnotes, page numbers."""
    gap, side = 20, 57
    column = (WIDTH - 2 * side - gap) / 2
    top, bottom = HEIGHT - 50, 45
    head = 175

    def columns(height: float) -> list[Frame]:
        return [
            Frame(side, bottom, column, height, 0, 0, 0, 0, id="left"),
            Frame(side + column + gap, bottom, column, height, 0, 0, 0, 0, id="right"),
        ]

    first = PageTemplate(
        "first",
        [
            Frame(side, top - head, WIDTH - 2 * side, head, 0, 0, 0, 0, id="head"),
            *columns(top - head - bottom),
        ],
        onPage=page_furniture,
    )
    later = PageTemplate("later", columns(top - bottom), onPage=page_furniture)
    table = Table(
        [
            ["Town", "Houses", "Light", "Dark"],
            ["Northby", "22", "31.4", "37.9"],
            ["Eastwick", "18", "30.2", "36.0"],
            ["Holmsund", "20", "29.8", "35.7"],
        ],
        style=GRID,
        colWidths=[column / 4] * 4,
    )
    story: list[Flowable] = [
        NextPageTemplate("later"),
        Paragraph("Light Tiles Keep Attics Cool: Four Summers in Three Northern Towns", TITLE),
        Spacer(1, 6),
        Paragraph("Anna Berg and Tomas Lind", CENTRED),
        Paragraph("Institute of Building Physics, Northby", CENTRED),
        Spacer(1, 8),
        Paragraph("<b>Abstract.</b> " + ABSTRACT, BODY),
        FrameBreak(),
        Paragraph("1 Introduction", SECTION),
        Paragraph(PROSE[0], BODY),
        Spacer(1, 5),
        Paragraph(PROSE[1], BODY),
        Paragraph("2 Method", SECTION),
        Paragraph(PROSE[2], BODY),
        Spacer(1, 6),
        table,
        Spacer(1, 4),
        Paragraph(
            "Table 1: Mean temperature of attics at three in the afternoon, in degrees Celsius.", SMALL
        ),
        Paragraph("3 Results", SECTION),
        *[
            Paragraph(text, ParagraphStyle("next", parent=BODY, spaceAfter=5))
            for text in (PROSE[3], *PROSE) * 2
        ],
        Paragraph("1 Corresponding author, anna.berg@example.org", SMALL),
    ]
    return flowed(story, [first, later])


def report() -> bytes:
    """Two pages of an annual report in Chinese: running header, headings, a table without lines."""

    def furniture(canvas: Canvas, number: int) -> None:
        canvas.setFont(SONG, 9)
        canvas.drawString(70, HEIGHT - 40, "北辰机械股份有限公司")
        canvas.drawRightString(WIDTH - 70, HEIGHT - 40, "2023 年年度报告")
        canvas.line(70, HEIGHT - 45, WIDTH - 70, HEIGHT - 45)
        canvas.drawCentredString(WIDTH / 2, 30, f"{number} / 2")

    def draw(canvas: Canvas) -> None:
        furniture(canvas, 1)
        canvas.setFont(SONG, 18)
        canvas.drawString(70, HEIGHT - 90, "第三节 管理层讨论与分析")
        canvas.setFont(SONG, 14)
        canvas.drawString(70, HEIGHT - 125, "一、经营情况概述")
        canvas.setFont(SONG, 10.5)
        lines(canvas, REPORT_LINES, 70, HEIGHT - 150, 18)
        canvas.setFont(SONG, 14)
        canvas.drawString(70, HEIGHT - 270, "二、主要财务数据")
        canvas.setFont(SONG, 10.5)
        canvas.drawRightString(WIDTH - 70, HEIGHT - 290, "单位：万元")
        for at, row in enumerate(REPORT_TABLE):
            y = HEIGHT - 310 - 18 * at
            canvas.drawString(70, y, row[0])
            for number, text in enumerate(row[1:]):
                canvas.drawRightString(300 + 110 * number, y, text)
        canvas.showPage()
        furniture(canvas, 2)
        canvas.setFont(SONG, 14)
        canvas.drawString(70, HEIGHT - 90, "三、风险提示")
        canvas.setFont(SONG, 10.5)
        lines(canvas, ["（一）原材料价格波动。", "（二）汇率变动。"], 70, HEIGHT - 115, 18)
        canvas.showPage()

    return canvas_pdf(draw)


REPORT_LINES = (
    "报告期内，公司实现营业收入一百二十三亿元，比上年增长百分之八。增长主要来自海",
    "外市场，其中东南亚地区的销售额第一次超过国内华南地区。公司继续投入研究开发，全",
    "年研发费用占营业收入的百分之五，新获专利四十二项。",
    "下一年度，公司计划在北辰新区建设第二座工厂，预计投资九亿元。",
)
REPORT_TABLE = (
    ("项目", "2023年", "2022年", "增减"),
    ("营业收入", "1,230,000", "1,138,889", "8.00%"),
    ("营业成本", "861,000", "820,000", "5.00%"),
    ("净利润", "98,400", "86,316", "14.00%"),
    ("经营活动现金流量净额", "112,350", "(3,210)", "—"),
    ("研发费用", "61,500", "56,944", "8.00%"),
)


def picture_of(data: bytes, page: int = 0, scale: float = 2.0) -> Image.Image:
    """A page as a picture, as a scanner would give it."""
    pdf = pypdfium2.PdfDocument(data)
    try:
        picture: Image.Image = pdf[page].render(scale=scale, grayscale=True).to_pil()
        return picture.convert("RGB")
    finally:
        pdf.close()


def scan_page(canvas: Canvas, data: bytes, page: int = 0) -> None:
    """Draw a page as the picture of another PDF's page, and nothing else."""
    canvas.drawImage(ImageReader(picture_of(data, page)), 0, 0, WIDTH, HEIGHT)
    canvas.showPage()


LETTER = (
    "Dear Mr Okafor,",
    "thank you for your letter of 3 May. The pump in your cellar is",
    "under warranty until the end of next year, so the repair costs",
    "you nothing. Our technician will come on Thursday at nine.",
)
CHINESE_LETTER = ("尊敬的客户：", "感谢您购买北辰水泵。保修期为四年，", "请保留发票作为凭证。")


def letter(canvas: Canvas) -> None:
    """A letter in English."""
    canvas.setFont("Helvetica-Bold", 20)
    canvas.drawString(80, 740, "Warranty Repair")
    canvas.setFont("Helvetica", 12)
    lines(canvas, LETTER, 80, 690, 18)
    canvas.showPage()


def chinese_letter(canvas: Canvas) -> None:
    """A letter in Chinese, in the words of pictures: to be scanned."""
    for number, line in enumerate(CHINESE_LETTER):
        pictured(canvas, 80, 700 - 24 * number, line, 14)
    canvas.showPage()


def pictured(canvas: Canvas, x: float, y: float, words: str, size: int, *, right: bool = False) -> None:
    """Draw words as a picture, so that no font of the machine is needed; `x` is their left or right end."""
    font = ImageFont.truetype(str(CHINESE_FONT), size * FINE)
    left, top, width, height = font.getbbox(words)
    picture = Image.new("RGB", (int(width - left), int(height - top)), "white")
    ImageDraw.Draw(picture).text((-left, -top), words, fill="black", font=font)
    wide, high = picture.width / FINE, picture.height / FINE
    # The font's line stands where the words' own line would.
    low = y + (font.getmetrics()[0] - height) / FINE
    canvas.drawImage(ImageReader(picture), x - wide if right else x, low, wide, high)


def mixed_scan() -> bytes:
    """Four pages: text, a scanned English letter, a scanned Chinese letter, and a blank one."""

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 12)
        canvas.drawString(80, 700, "Enclosed are two letters about pumps.")
        canvas.showPage()
        scan_page(canvas, canvas_pdf(letter))
        scan_page(canvas, canvas_pdf(chinese_letter))
        canvas.showPage()

    return canvas_pdf(draw)


def raw_pdf(content: bytes, resources: bytes = b"", more: Sequence[bytes] = ()) -> bytes:
    """A PDF of one page by its content stream; `more` are objects from number 6 on."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> " + resources + b" >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica"
        + (b" /ToUnicode 6 0 R" if more else b"")
        + b" >>",
        *more,
    ]
    out, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF"
        % (len(objects) + 1, table, len(objects) + 1, len(out))
    )


def saved(folder: Path, data: bytes) -> Path:
    """The bytes as a file."""
    path = folder / "file"
    path.write_bytes(data)
    return path
