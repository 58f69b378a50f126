from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pptx
import pytest
from lxml import etree
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.util import Inches

from services.ingest.readers.shared.charts import chart_text
from tests.support.read_files import PNG, read_bytes
from tests.unit.ingest.readers import drawn
from tests.unit.ingest.readers.decks import (
    BLANK,
    DRAWING,
    MATH,
    PML,
    TITLE_ONLY,
    box,
    saved,
    slide_of,
    text_of,
    with_diagram,
)


def test_a_table_keeps_line_breaks_pipes_and_merged_cells(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_ONLY, "Table")
    table = slide.shapes.add_table(3, 3, Inches(1), Inches(2), Inches(5), Inches(2)).table
    for row, texts in enumerate([["item", "2024", ""], ["", "Q1", "Q2"], ["a|b", "1\n2", ""]]):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(0, 0).merge(table.cell(1, 0))
    assert text_of(tmp_path, deck) == (
        "## Table\n\n| item | 2024 |  |\n| --- | --- | --- |\n|  | Q1 | Q2 |\n| a\\|b | 1<br>2 |  |\n"
    )


def test_a_chart_is_its_title_and_its_data(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    data = CategoryChartData()
    data.categories = ["东区", "西区"]
    data.add_series("2023", (1.1 + 2.2, 5))
    data.add_series("2024", (None, 7))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, 0, 0, Inches(3), Inches(3), data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "销售"
    assert text_of(tmp_path, deck) == (
        "Chart: 销售\n\n|  | 2023 | 2024 |\n| --- | --- | --- |\n| 东区 | 3.3 |  |\n| 西区 | 5 | 7 |\n"
    )


def test_a_scatter_chart_is_its_points(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    data = XyChartData()
    series = data.add_series("y")
    series.add_data_point(1, 2.5)
    series.add_data_point(2, 3)
    slide_of(deck, BLANK).shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, 0, 0, Inches(3), Inches(3), data)
    assert "| 1 | 2.5 |\n| 2 | 3 |\n" in text_of(tmp_path, deck)


def test_a_chart_names_its_axes_and_shows_days_as_dates(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    data = CategoryChartData()
    data.categories = [dt.date(2024, 1, 31), dt.date(2024, 2, 29)]
    data.add_series("south", (1, 2.5))
    frame = slide_of(deck, BLANK).shapes.add_chart(XL_CHART_TYPE.LINE, 0, 0, Inches(3), Inches(3), data)
    frame.chart.category_axis.axis_title.text_frame.text = "month"
    frame.chart.value_axis.axis_title.text_frame.text = "in millions"
    assert text_of(tmp_path, deck) == (
        "Chart: (in millions)\n\n| month | south |\n| --- | --- |\n| 2024-01-31 | 1 |\n| 2024-02-29 | 2.5 |\n"
    )


def test_days_of_a_chart_are_counted_from_1904_where_it_says_so() -> None:
    space = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
    points = "".join(
        f'<c:pt idx="{at}"><c:v>{day}</c:v></c:pt>' for at, day in enumerate(("1", "1.5", "soon"))
    )
    root = etree.fromstring(
        f"<c:chartSpace {space}><c:date1904/><c:chart><c:scatterChart><c:ser><c:xVal><c:formatCode>d/m/yy"
        f"</c:formatCode>{points}</c:xVal></c:ser></c:scatterChart><c:valAx><c:axPos val='l'/><c:title><c:v>up</c:v>"
        "</c:title></c:valAx><c:valAx><c:axPos val='b'/><c:title><c:v>along</c:v></c:title></c:valAx></c:chart>"
        "</c:chartSpace>"
    )
    assert chart_text(root) == (
        "Chart: (up)\n\n| along |  |\n| --- | --- |\n| 1904-01-02 |  |\n| 1904-01-02 12:00:00 |  |\n| soon |  |"
    )


def test_pictures_keep_their_place_and_their_words(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_ONLY, "Photo")
    box(slide, "above", 1, 2)
    box(slide, "below", 1, 5)
    picture = slide.shapes.add_picture(io.BytesIO(PNG), Inches(1), Inches(3.5))
    picture._element.nvPicPr.cNvPr.set("descr", "a red [point]")
    reading = read_bytes(tmp_path, saved(deck), "a.pptx")
    [image] = reading.images
    assert (image.media_type, image.size_bytes) == ("image/png", len(PNG))
    assert reading.text == f"## Photo\n\nabove\n\n![a red point](images/{image.name})\n\nbelow\n"


@pytest.mark.parametrize(
    ("omml", "latex"),
    [
        ("<m:f><m:num>{a}</m:num><m:den>{b}</m:den></m:f>", r"\frac{a}{b}"),
        ("<m:sSup><m:e>{a}</m:e><m:sup>{b}</m:sup></m:sSup>", "a^{b}"),
        ("<m:phant><m:e>{a}</m:e></m:phant>{b}", "ab"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_formulas_become_latex(tmp_path: Path, omml: str, latex: str, wrapped: bool) -> None:
    deck = pptx.Presentation()
    shape = box(slide_of(deck, BLANK), "so ", 1, 1)
    letters = {letter: f"<m:r><m:t>{letter}</m:t></m:r>" for letter in "ab"}
    shape.text_frame.paragraphs[0]._p.append(
        etree.fromstring(
            '<a14:m xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main">'
            f'<m:oMathPara xmlns:m="{MATH}"><m:oMath>{omml.format(**letters)}</m:oMath></m:oMathPara></a14:m>'
        )
    )
    if wrapped:
        # PowerPoint offers a picture of the formula to programs that do not know it.
        choices = etree.fromstring(
            '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
            '<mc:Choice Requires="a14"/><mc:Fallback/></mc:AlternateContent>'
        )
        element = shape._element
        element.addprevious(choices)
        choices[0].append(element)
    assert text_of(tmp_path, deck) == f"so ${latex}$\n"


def test_a_diagram_is_a_list_of_lists(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    with_diagram(deck, slide_of(deck, BLANK))
    assert text_of(tmp_path, deck) == "- plan\n  - draft\n- build\n"


@pytest.mark.parametrize("present", [True, False])
def test_a_chart_of_a_newer_kind_is_its_data_or_else_what_stands_for_it(
    tmp_path: Path, present: bool
) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    identity = "none"
    if present:
        part = Part(
            PackURI("/ppt/charts/chartEx1.xml"),
            "application/vnd.ms-office.chartex+xml",
            deck.part.package,
            drawn.WATERFALL.encode(),
        )
        identity = slide.part.relate_to(part, drawn.CHARTEX_RELATION)
    frame = (
        f'<p:graphicFrame xmlns:p="{PML}" xmlns:a="{DRAWING}"><p:nvGraphicFramePr><p:cNvPr id="9" name="c"/>'
        '<p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr><p:xfrm><a:off x="0" y="0"/><a:ext cx="1" cy="1"/></p:xfrm>'
        f"{drawn.chart_element(identity)}</p:graphicFrame>"
    )
    old = box(slide, "This chart is not available", 1, 1)._element
    both = etree.fromstring(drawn.either(frame, ""))
    old.addprevious(both)
    both[1].append(old)
    text = text_of(tmp_path, deck)
    assert text == (drawn.WATERFALL_TEXT if present else "This chart is not available\n")
