"""Three difficult files, as sales people, teachers and engineers make them."""

from __future__ import annotations

import io
from pathlib import Path

import pptx
from lxml import etree
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from tests.support.read_files import PNG, read_bytes
from tests.unit.ingest.readers.decks import (
    BLANK,
    MATH,
    TITLE,
    TITLE_AND_CONTENT,
    TITLE_ONLY,
    box,
    saved,
    slide_of,
    text_of,
    with_diagram,
)


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
