from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pptx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.presentation import Presentation
from pptx.slide import Slide
from pptx.util import Inches

from services.runtime.errors import InvalidArgument
from tests.support.read_files import PNG, read_bytes, refusal, repacked

TITLE, TITLE_AND_CONTENT, TWO_CONTENTS, TITLE_ONLY, BLANK = 0, 1, 3, 5, 6
MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
PML = "http://schemas.openxmlformats.org/presentationml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def slide_of(deck: Presentation, layout: int, title: str = "") -> Slide:
    slide = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    return slide


def box(slide: Slide, text: str, left: float, top: float) -> Any:
    shape = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.4))
    shape.text_frame.text = text
    return shape


def saved(deck: Presentation) -> bytes:
    stream = io.BytesIO()
    deck.save(stream)
    return stream.getvalue()


def text_of(folder: Path, deck: Presentation) -> str:
    return read_bytes(folder, saved(deck), "a.pptx").text


def test_each_slide_is_a_section_and_a_page_empty_and_hidden_ones_too(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    first = slide_of(deck, TITLE, "Quarterly report")
    first.placeholders[1].text = "A subtitle"
    slide_of(deck, BLANK)
    slide_of(deck, TITLE_ONLY, "Hidden")._element.set("show", "0")
    box(slide_of(deck, BLANK), "no title", 1, 1)
    reading = read_bytes(tmp_path, saved(deck), "a.pptx")
    assert reading.text == "## Quarterly report\n\nA subtitle\n\n## Hidden\n\nno title\n"
    assert len(reading.page_starts) == 4
    assert [reading.page_at(reading.text.index(word)) for word in ("subtitle", "Hidden", "no title")] == [
        1,
        3,
        4,
    ]


def test_a_title_of_two_lines_is_one_heading(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide_of(deck, TITLE_ONLY, "one\vtwo")
    assert text_of(tmp_path, deck) == "## one two\n"


def test_bullets_keep_their_levels(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    frame = slide_of(deck, TITLE_AND_CONTENT, "List").placeholders[1].text_frame
    frame.text = "a"
    for text, level in (("b\vmore", 1), ("c", 2), ("", 0), ("d", 0)):
        paragraph = frame.add_paragraph()
        paragraph.text, paragraph.level = text, level
    assert text_of(tmp_path, deck) == "## List\n\n- a\n  - b\n    more\n    - c\n- d\n"


def test_numbers_count_and_paragraphs_without_bullet_are_none(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    frame = slide_of(deck, TITLE_AND_CONTENT).placeholders[1].text_frame
    frame.text = "intro"
    for text in ("first", "second"):
        frame.add_paragraph().text = text
    for paragraph, mark in zip(frame.paragraphs, ("buNone", "buAutoNum", "buAutoNum"), strict=True):
        etree.SubElement(paragraph._p.get_or_add_pPr(), f"{{{DRAWING}}}{mark}")
    assert text_of(tmp_path, deck) == "intro\n\n1. first\n2. second\n"


def test_text_boxes_have_no_bullets_and_no_markdown_by_accident(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    box(slide_of(deck, BLANK), "# not a heading\n---", 1, 1)
    assert text_of(tmp_path, deck) == "\\# not a heading\n\n\\---\n"


def test_shapes_are_read_from_top_to_bottom_and_beside_each_other_from_left_to_right(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    for text, left, top in (
        ("five", 1, 5),
        ("two", 4, 1.0),
        ("one", 1, 1.1),
        ("four", 6, 3),
        ("three", 2, 3.05),
    ):
        box(slide, text, left, top)
    assert text_of(tmp_path, deck).split() == ["one", "two", "three", "four", "five"]


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TWO_CONTENTS, "Pros and cons")
    slide.placeholders[2].text = "con"
    slide.placeholders[1].text = "pro\npro too"
    assert text_of(tmp_path, deck) == "## Pros and cons\n\n- pro\n- pro too\n\n- con\n"


def test_groups_in_groups_are_read_in_their_place(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    box(slide, "below", 1, 6)
    group = slide.shapes.add_group_shape()
    inner = group.shapes.add_group_shape()
    for parent, text, top in ((inner, "inner", 3), (group, "outer", 2)):
        shape = parent.shapes.add_textbox(Inches(1), Inches(top), Inches(1), Inches(0.4))
        shape.text_frame.text = text
    assert text_of(tmp_path, deck).split() == ["outer", "inner", "below"]


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


def test_notes_and_comments_follow_their_slide(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_ONLY, "One")
    slide.notes_slide.notes_text_frame.text = "Say hello.\nThen wait."
    comments = f'<p:cmLst xmlns:p="{PML}"><p:cm><p:text>Too long?</p:text></p:cm></p:cmLst>'
    part = Part(
        PackURI("/ppt/comments/comment1.xml"), "application/xml", slide.part.package, comments.encode()
    )
    slide.part.relate_to(part, RELATIONSHIP_TYPE.COMMENTS)
    slide_of(deck, TITLE_ONLY, "Two")
    assert text_of(tmp_path, deck) == (
        "## One\n\nNotes: Say hello.\nThen wait.\n\nComment: Too long?\n\n## Two\n"
    )


def test_links_keep_their_address(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    shape = box(slide_of(deck, BLANK), "see ", 1, 1)
    run = shape.text_frame.paragraphs[0].add_run()
    run.text = "the manual"
    run.hyperlink.address = "https://example.org/m"
    assert text_of(tmp_path, deck) == "see [the manual](https://example.org/m)\n"


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


def with_diagram(deck: Presentation, slide: Slide) -> None:
    """Put a diagram (SmartArt) of two points, one below the other, and a third on a slide."""
    points = "".join(
        f'<d:pt modelId="{at}" type="{kind}"><d:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></d:t></d:pt>'
        for at, (text, kind) in enumerate(
            [("", "doc"), ("plan", "node"), ("draft", "node"), ("build", "node")]
        )
    )
    links = "".join(
        f'<d:cxn modelId="c{at}" srcId="{parent}" destId="{child}" srcOrd="{order}"/>'
        for at, (parent, child, order) in enumerate([(0, 3, 1), (0, 1, 0), (1, 2, 0)])
    )
    model = f'<d:dataModel xmlns:d="{DIAGRAM}" xmlns:a="{DRAWING}"><d:ptLst>{points}</d:ptLst><d:cxnLst>{links}</d:cxnLst></d:dataModel>'
    part = Part(PackURI("/ppt/diagrams/data1.xml"), "application/xml", deck.part.package, model.encode())
    relation = slide.part.relate_to(part, f"{RELATIONS}/diagramData")
    slide.shapes._spTree.append(
        etree.fromstring(
            f'<p:graphicFrame xmlns:p="{PML}" xmlns:a="{DRAWING}"><p:nvGraphicFramePr><p:cNvPr id="9" name="D"/>'
            '<p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr><p:xfrm><a:off x="0" y="9"/><a:ext cx="1" cy="1"/>'
            f'</p:xfrm><a:graphic><a:graphicData uri="{DIAGRAM}"><d:relIds xmlns:d="{DIAGRAM}" xmlns:r="{RELATIONS}" '
            f'r:dm="{relation}"/></a:graphicData></a:graphic></p:graphicFrame>'
        )
    )


def test_a_diagram_is_a_list_of_lists(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    with_diagram(deck, slide_of(deck, BLANK))
    assert text_of(tmp_path, deck) == "- plan\n  - draft\n- build\n"


def test_slide_numbers_are_no_text_but_other_fields_are(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    for kind, text in (("sldNum", "17"), ("ftr", "Confidential")):
        shape = box(slide, text, 1, 7)
        place = shape._element.nvSpPr.nvPr
        etree.SubElement(place, f"{{{PML}}}ph", type=kind, idx="11")
    assert text_of(tmp_path, deck) == "Confidential\n"


# Three difficult files, as sales people, teachers and engineers make them.


def test_a_sales_deck_keeps_chart_table_group_picture_and_notes_in_order(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide_of(deck, TITLE, "2024 年度销售报告").placeholders[1].text = "华东大区\n王伟"
    slide = slide_of(deck, TITLE_ONLY, "业绩")
    table = slide.shapes.add_table(2, 3, Inches(0.5), Inches(1.5), Inches(4), Inches(1)).table
    for at, text in enumerate(["区域", "目标", "完成\n（万元）", "上海", "1,200", "1,350"]):
        table.cell(at // 3, at % 3).text = text
    data = CategoryChartData()
    data.categories = ["Q1", "Q2"]
    data.add_series("上海", (600, 750))
    slide.shapes.add_chart(XL_CHART_TYPE.LINE, Inches(5), Inches(1.5), Inches(4), Inches(3), data)
    group = slide.shapes.add_group_shape()
    for text, left in (("增长 12.5%", 1), ("目标 10%", 4)):
        shape = group.shapes.add_textbox(Inches(left), Inches(5), Inches(2), Inches(0.5))
        shape.text_frame.text = text
    slide.shapes.add_picture(io.BytesIO(PNG), Inches(1), Inches(6))
    slide.notes_slide.notes_text_frame.text = "先讲增长，再讲目标。"
    reading = read_bytes(tmp_path, saved(deck), "销售报告.pptx")
    order = ["# 2024 年度销售报告", "华东大区", "王伟", "## 业绩", "| 上海 | 1,200 | 1,350 |", "| Q2 | 750 |"]
    order += ["增长 12.5%", "目标 10%", "](images/", "Notes: 先讲增长"]
    assert [reading.text.index(part) for part in order] == sorted(reading.text.index(part) for part in order)
    assert "| 区域 | 目标 | 完成<br>（万元） |" in reading.text
    assert reading.page_at(reading.text.index("Q2")) == 2


def test_a_lecture_keeps_nested_lists_formulas_links_and_hidden_slides(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_AND_CONTENT, "Newton’s laws")
    frame = slide.placeholders[1].text_frame
    frame.text = "First law"
    for text, level in (("a body at rest stays at rest", 1), ("unless a force acts", 2), ("Second law: ", 0)):
        paragraph = frame.add_paragraph()
        paragraph.text, paragraph.level = text, level
    letters = "".join(f"<m:r><m:t>{text}</m:t></m:r>" for text in ("F", "=", "ma"))
    frame.paragraphs[-1]._p.append(
        etree.fromstring(
            '<a14:m xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main">'
            f'<m:oMath xmlns:m="{MATH}">{letters}</m:oMath></a14:m>'
        )
    )
    hidden = slide_of(deck, TITLE_AND_CONTENT, "Answers")
    hidden._element.set("show", "0")
    run = hidden.placeholders[1].text_frame.paragraphs[0].add_run()
    run.text = "solutions"
    run.hyperlink.address = "https://example.org/s"
    assert text_of(tmp_path, deck) == (
        "## Newton’s laws\n\n- First law\n  - a body at rest stays at rest\n    - unless a force acts\n"
        "- Second law: $F=ma$\n\n## Answers\n\n- [solutions](https://example.org/s)\n"
    )


def test_a_plan_without_titles_keeps_boxes_diagrams_rtl_and_emoji(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    box(slide, "Phase 1\v> done", 1, 1)
    box(slide, "עברית e\u0301 🙂 𠮷", 5, 1.05)
    with_diagram(deck, slide)
    box(slide, "1. not renumbered", 1, 4)
    reading = read_bytes(tmp_path, saved(deck), "plan.pptx")
    assert reading.text == (
        "- plan\n  - draft\n- build\n\nPhase 1\n\\> done\n\nעברית e\u0301 🙂 𠮷\n\n1. not renumbered\n"
    )


# Faults.


def test_slides_without_text_hold_none(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide_of(deck, BLANK)
    assert refusal(tmp_path, saved(deck), "a.pptx").reason == "TEXT_EMPTY"
    assert refusal(tmp_path, saved(pptx.Presentation()), "a.pptx").reason == "TEXT_EMPTY"


def test_a_text_that_becomes_too_long_is_refused(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    for _ in range(5):
        box(slide_of(deck, BLANK), "x" * 30, 1, 1)
    assert refusal(tmp_path, saved(deck), "a.pptx", 100).reason == "TEXT_TOO_LARGE"


@cache
def with_everything() -> bytes:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_AND_CONTENT, "All")
    slide.placeholders[1].text = "a\nb"
    slide.notes_slide.notes_text_frame.text = "note"
    slide.shapes.add_picture(io.BytesIO(PNG), Inches(1), Inches(3.5))
    slide.shapes.add_table(2, 2, 0, 0, Inches(1), Inches(1)).table.cell(0, 0).text = "cell"
    data = CategoryChartData()
    data.categories = ["x"]
    data.add_series("s", (1,))
    slide.shapes.add_chart(XL_CHART_TYPE.PIE, 0, 0, Inches(3), Inches(3), data)
    with_diagram(deck, slide)
    return saved(deck)


@pytest.mark.parametrize(
    "parts",
    [
        {"ppt__presentation_xml": None},
        {"ppt__presentation_xml": b"<p"},
        {"ppt__slides__slide1_xml": None},
        {"ppt__slides__slide1_xml": b"no xml"},
        {"ppt__slideLayouts__slideLayout2_xml": None},
    ],
)
def test_a_damaged_deck_says_so(tmp_path: Path, parts: dict[str, bytes | None]) -> None:
    assert refusal(tmp_path, repacked(with_everything(), **parts), "a.pptx").reason == "PPTX_UNREADABLE"


def test_entities_in_a_slide_are_refused(tmp_path: Path) -> None:
    bad = b'<!DOCTYPE a [<!ENTITY x "y">]><sld/>'
    error = refusal(tmp_path, repacked(with_everything(), ppt__slides__slide1_xml=bad), "a.pptx")
    assert error.reason == "XML_BOMB"


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_no_damage_to_a_part_ends_in_an_unforeseen_error(tmp_path: Path, data: st.DataObject) -> None:
    whole = with_everything()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        names = [
            name
            for name in archive.namelist()
            if "slide1." in name or "/charts/" in name or "diagrams" in name
        ]
        name = data.draw(st.sampled_from([name for name in names if name.endswith((".xml", ".rels"))]))
        part = bytearray(archive.read(name))
    place = data.draw(st.integers(0, len(part) - 1))
    part[place : place + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=4))
    key = name.replace("/", "__")
    key = f"{key.removesuffix('.xml')}_xml" if key.endswith(".xml") else key
    try:
        read_bytes(tmp_path, repacked(whole, **{key: bytes(part)}), "a.pptx")
    except InvalidArgument as error:
        assert error.reason in {"PPTX_UNREADABLE", "TEXT_EMPTY", "XML_BOMB"}
