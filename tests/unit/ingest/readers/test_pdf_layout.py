from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Frame, ListFlowable, ListItem, PageTemplate, Paragraph, Spacer, Table

from services.ingest.cleaning import apply, clean
from tests.support.pdf_files import BODY, PROSE, canvas_pdf, flowed, lines, paper, report
from tests.unit.ingest.readers.pdf_readings import HEIGHT, drawn, flow, read


def test_a_paper_is_read_column_by_column_with_its_title_table_and_footnote(tmp_path: Path) -> None:
    text = read(tmp_path, paper()).text
    parts = [
        "Journal of Roofs 12 (2024) Attics in summer",
        "# Light Tiles Keep Attics Cool: Four Summers in Three Northern Towns",
        "Anna Berg and Tomas Lind",
        "Abstract. We study",
        "which saves about a tenth of the energy that air conditioning takes on hot days.",
        "## 1 Introduction",
        *PROSE[:2],
        "## 2 Method",
        PROSE[2],
        "| Town | Houses | Light | Dark |\n| --- | --- | --- | --- |\n| Northby | 22 | 31.4 | 37.9 |\n"
        "| Eastwick | 18 | 30.2 | 36.0 |\n| Holmsund | 20 | 29.8 | 35.7 |\n",
        "Table 1: Mean temperature of attics at three in the afternoon, in degrees Celsius.",
        "## 3 Results",
        *((PROSE[3], *PROSE) * 2),
        "1 Corresponding author, anna.berg@example.org",
        "\n\n1\n",
    ]
    at = 0
    for part in parts:
        at = text.index(part, at) + len(part)
    assert sum(line.startswith("#") for line in text.split("\n")) == 4


def test_an_annual_report_keeps_its_headings_and_its_table_without_lines(tmp_path: Path) -> None:
    reading = read(tmp_path, report())
    assert reading.text == (
        "北辰机械股份有限公司 2023 年年度报告\n\n# 第三节 管理层讨论与分析\n\n## 一、经营情况概述\n\n"
        "报告期内，公司实现营业收入一百二十三亿元，比上年增长百分之八。增长主要来自海外市场，其中东南亚地区的销售额第一次"
        "超过国内华南地区。公司继续投入研究开发，全年研发费用占营业收入的百分之五，新获专利四十二项。\n\n"
        "下一年度，公司计划在北辰新区建设第二座工厂，预计投资九亿元。\n\n## 二、主要财务数据\n\n单位：万元\n\n"
        "| 项目 | 2023年 | 2022年 | 增减 |\n| --- | --- | --- | --- |\n| 营业收入 | 1,230,000 | 1,138,889 | 8.00% |\n"
        "| 营业成本 | 861,000 | 820,000 | 5.00% |\n| 净利润 | 98,400 | 86,316 | 14.00% |\n"
        "| 经营活动现金流量净额 | 112,350 | (3,210) | — |\n| 研发费用 | 61,500 | 56,944 | 8.00% |\n\n1 / 2\n\n"
        "北辰机械股份有限公司 2023 年年度报告\n\n## 三、风险提示\n\n（一）原材料价格波动。\n\n（二）汇率变动。\n\n2 / 2\n"
    )
    assert reading.page_at(reading.text.index("三、风险提示")) == 2


def test_three_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    texts = [[f"column {column} line {row} with words" for row in range(12)] for column in range(3)]

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 9)
        for column, column_lines in enumerate(texts):
            lines(canvas, column_lines, 50 + 170 * column, 700 - 5 * column, 12)

    text = " ".join(drawn(tmp_path, draw).split())
    places = [text.index(line) for column_lines in texts for line in column_lines]
    assert places == sorted(places)


def test_a_heading_over_both_columns_in_the_middle_of_a_page_parts_them(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 9)
        for band, top in enumerate((740, 500)):
            canvas.setFont("Helvetica-Bold", 16)
            canvas.drawString(50, top + 24, f"Part {band} of the journal over all of its two columns")
            canvas.setFont("Helvetica", 9)
            for column in range(2):
                lines(
                    canvas,
                    [f"band {band} column {column} line {row} of the running text" for row in range(10)],
                    50 + 270 * column,
                    top,
                    12,
                )

    text = drawn(tmp_path, draw)
    marks = [
        text.index(mark)
        for mark in (
            "Part 0",
            "band 0 column 0 line 0",
            "band 0 column 0 line 9",
            "band 0 column 1 line 0",
            "band 0 column 1 line 9",
            "Part 1",
            "band 1 column 0 line 0",
            "band 1 column 1 line 9",
        )
    ]
    assert marks == sorted(marks)


def test_text_is_read_by_place_and_not_in_the_order_in_which_it_was_drawn(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 600, "third.")
        canvas.drawString(72, 700, "First")
        canvas.drawString(72, 650, "second,")

    assert drawn(tmp_path, draw).split() == ["First", "second,", "third."]


def test_lists_keep_their_marks_and_their_levels(tmp_path: Path) -> None:
    inner = ListFlowable(
        [
            ListItem(
                Paragraph(
                    "keep the receipt in a dry and dark place, for years if need be, and show it to whoever asks for it at the desk",
                    BODY,
                )
            ),
            ListItem(Paragraph("keep the box", BODY)),
        ],
        bulletType="bullet",
    )
    story = [
        Paragraph("To return a pump:", BODY),
        ListFlowable(
            [ListItem(Paragraph("call us", BODY)), ListItem([Paragraph("wait", BODY), inner])],
            bulletType="1",
            bulletFormat="%s.",
        ),
        Paragraph("That is all.", BODY),
    ]
    assert read(tmp_path, flow(story)).text == (
        "To return a pump:\n\n1. call us\n2. wait\n   - keep the receipt in a dry and dark place, for years if need be, and "
        "show it to whoever asks for it at the desk\n   - keep the box\n\nThat is all.\n"
    )


def test_a_list_whose_numbers_have_no_point_is_a_list(tmp_path: Path) -> None:
    def items(*texts: str) -> list[ListItem]:
        return [ListItem(Paragraph(text, BODY)) for text in texts]

    story = [
        Table([["Town", "Houses", "Light"], ["Kiel", "22", "31.4"], ["Northby", "18", "30.2"]]),
        Spacer(1, 40),
        ListFlowable(items("call us", "wait", "go on"), bulletType="1"),
        ListFlowable(items("a box", "a lid"), bulletType="bullet"),
        ListFlowable(items("first of two", "second of two"), bulletType="1"),
    ]
    assert read(tmp_path, flow(story)).text == (
        "| Town | Houses | Light |\n| --- | --- | --- |\n| Kiel | 22 | 31.4 |\n| Northby | 18 | 30.2 |\n\n"
        "1. call us\n2. wait\n3. go on\n- a box\n- a lid\n1. first of two\n2. second of two\n"
    )


def test_numbers_of_headings_get_no_point(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for at, title in enumerate(("Attics", "Roofs")):
            canvas.drawString(72, 700 - 100 * at, str(at + 1))
            canvas.drawString(90, 700 - 100 * at, title)
            lines(canvas, [PROSE[at][:90], PROSE[at][90:170]], 72, 680 - 100 * at)

    text = drawn(tmp_path, draw)
    assert "1 Attics" in text
    assert "2 Roofs" in text


def test_a_table_whose_rows_are_numbered_stays_a_table(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for at, row in enumerate((("No", "Town"), ("1", "Kiel"), ("2", "Northby"), ("3", "Eastwick"))):
            canvas.drawString(72, 700 - 16 * at, row[0])
            canvas.drawString(100, 700 - 16 * at, row[1])

    assert drawn(tmp_path, draw) == (
        "| No | Town |\n| --- | --- |\n| 1 | Kiel |\n| 2 | Northby |\n| 3 | Eastwick |\n"
    )


@pytest.mark.parametrize("mark", ["•", "-", "*", "·"])
def test_any_bullet_becomes_a_dash(tmp_path: Path, mark: str) -> None:
    text = drawn(
        tmp_path, lambda canvas: lines(canvas, ["Needed:", f"{mark} one spoon", f"{mark} two forks"], 72, 700)
    )
    assert text == "Needed:\n\n- one spoon\n- two forks\n"


def test_headings_have_levels_by_their_size(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        y = 800.0
        for text, size in (
            ("Title", 24),
            ("Chapter", 18),
            ("Section", 14),
            ("text of the section that is long", 10),
            ("Chapter two", 18),
            ("more text, which is long as well", 10),
        ):
            canvas.setFont("Helvetica", size)
            canvas.drawString(72, y, text)
            y -= 40

    headings = [line for line in drawn(tmp_path, draw).split("\n") if line.startswith("#")]
    assert headings == ["# Title", "## Chapter", "### Section", "## Chapter two"]


@pytest.mark.parametrize(
    ("above", "below", "count"),
    [
        ("Report on the trees of the town", "1.1 Scope of the work", 2),
        ("Report on the trees of the town", "1. Scope", 2),
        ("Trees", "Chapter 3: Of the care of old trees", 2),
        ("Trees", "Appendix B", 2),
        ("1. Trees", "1.1 Oaks and limes", 2),
        ("城市树木报告", "第一章 总则", 2),
        ("Report on the trees of the town", "and what became of them", 1),
        ("What we learned from more than", "10 Years of planting trees", 1),
        ("A comparison of the rules in", "1.2 and those of older times", 1),
        ("The trees of the town in the light of", "Section 4 of the law", 1),
        ("The Oaks of Northby and Eastwick,", "Chapter II", 1),
        ("The Rise and Fall", "A History of Limes", 1),
    ],
)
def test_a_numbered_heading_is_apart_from_a_title_right_above_it(
    tmp_path: Path, above: str, below: str, count: int
) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica" if above.isascii() else "STSong-Light", 18)
        lines(canvas, [above, below], 72, 800, 22)
        canvas.setFont("Helvetica", 10)
        lines(canvas, ["The town has planted trees for as long as anyone can remember."] * 9, 72, 740, 12)

    headings = [line for line in drawn(tmp_path, draw).split("\n") if line.startswith("#")]
    apart = [f"# {above}", f"# {below}"]
    assert headings == (apart if count == 2 else [f"# {above} {below}"])


def test_a_bold_line_of_its_own_is_a_heading_and_a_bold_word_is_none(tmp_path: Path) -> None:
    story = [
        Paragraph("<b>Warranty</b>", BODY),
        Paragraph(f"<b>Note:</b> {PROSE[0]}", BODY),
        Paragraph(PROSE[1], BODY),
    ]
    text = read(tmp_path, flow(story)).text
    assert text.startswith("# Warranty\n\nNote: Houses in")
    assert text.count("#") == 1


def test_bookmarks_name_headings_and_their_levels(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 11)
        for level, title in ((0, "Warranty"), (1, "What it covers"), (1, "What it does not cover")):
            canvas.bookmarkPage(title)
            canvas.addOutlineEntry(title, title, level)
        lines(
            canvas,
            [
                "Warranty",
                "It lasts four years from the day of sale.",
                "What it covers",
                "All parts.",
                "What it does not cover",
                "Broken glass.",
            ],
            72,
            700,
            16,
        )

    assert drawn(tmp_path, draw) == (
        "# Warranty\n\nIt lasts four years from the day of sale.\n\n## What it covers\n\nAll parts.\n\n"
        "## What it does not cover\n\nBroken glass.\n"
    )


def test_a_running_header_in_large_type_is_no_heading(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(4):
            canvas.setFont("Helvetica", 16)
            canvas.drawString(72, 800, "ACME Handbook")
            canvas.setFont("Helvetica", 10)
            lines(
                canvas, [f"Page {number} tells of pumps in many words", "that stand on two lines."], 72, 700
            )
            canvas.showPage()

    text = drawn(tmp_path, draw)
    assert text.count("ACME Handbook") == 4
    assert "#" not in text


@pytest.mark.parametrize("pages", [2, 5])
@pytest.mark.parametrize("foot", ["Page {}", "Page {} of 6", "- page {} -", "ACME Report, p. {}"])
def test_a_page_number_in_large_type_is_no_heading(tmp_path: Path, foot: str, pages: int) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(1, pages + 1):
            canvas.setFont("Helvetica", 14)
            canvas.drawString(72, 740, f"Chapter {number}")
            canvas.drawString(250, 40, foot.format(number))
            canvas.setFont("Helvetica", 10)
            lines(canvas, ["The pumps are told of here in many words", "that stand on two lines."], 72, 700)
            canvas.showPage()

    found = drawn(tmp_path, draw).split("\n")
    headings = [line for line in found if line.startswith("#")]
    assert headings == [f"# Chapter {number}" for number in range(1, pages + 1)]
    assert sum("page" in line.lower() or "p. " in line for line in found) == pages


def test_a_line_that_looks_like_markdown_is_no_heading(tmp_path: Path) -> None:
    assert (
        drawn(tmp_path, lambda canvas: canvas.drawString(72, 700, "# 1 in the list")) == "\\# 1 in the list\n"
    )


def test_typewriting_is_code_with_its_indentation(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        canvas.drawString(72, 720, "The program is short:")
        canvas.setFont("Courier", 10)
        lines(canvas, ["def double(x):", "    y = x  +  x", "", "    return y"], 72, 690, 12)
        canvas.setFont("Helvetica", 10)
        canvas.drawString(72, 620, "That is all.")

    assert drawn(tmp_path, draw) == (
        "The program is short:\n\n```\ndef double(x):\n    y = x  +  x\n\n    return y\n```\n\nThat is all.\n"
    )


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (["the infor-", "mation is here."], "the information is here."),
        (
            ["a well-", "known man knows the well and is known."],
            "a well-known man knows the well and is known.",
        ),
        (["an over-", "view, and this overview is long."], "an overview, and this overview is long."),
        (["a non-", "stick pan, as non-stick pans are."], "a non-stick pan, as non-stick pans are."),
        (["the years 1999-", "2004 were dry."], "the years 1999-2004 were dry."),
        (["the NATO-", "backed plan failed."], "the NATO-backed plan failed."),
        (["a self-", "employed man."], "a self-employed man."),
        (["twenty-", "one houses."], "twenty-one houses."),
        (["state-of-the-", "art tools."], "state-of-the-art tools."),
        (["the long-", "term plan."], "the long-term plan."),
        # Nobody knows, so the line end stays, and nothing is lost.
        (["the re-", "entry is here."], "the re-\nentry is here."),
        (["all the know-", "ledge is here."], "all the know-\nledge is here."),
    ],
)
def test_a_word_broken_at_a_line_end_is_joined_where_that_is_safe(
    tmp_path: Path, texts: list[str], text: str
) -> None:
    assert drawn(tmp_path, lambda canvas: lines(canvas, texts, 72, 700)) == text + "\n"


def test_a_broken_word_stays_one_line_in_a_heading(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 20)
        lines(canvas, ["On the re-", "entry of ships"], 72, 760, 24)
        canvas.setFont("Helvetica", 10)
        lines(canvas, [PROSE[0][:90], PROSE[0][90:180]], 72, 660)

    assert drawn(tmp_path, draw).startswith("# On the re-entry of ships\n\n")


def test_cleaning_mends_the_words_that_reading_leaves_broken(tmp_path: Path) -> None:
    text = drawn(tmp_path, lambda canvas: lines(canvas, ["all the know-", "ledge is here."], 72, 700))
    changes = clean(text, [0], ["hyphenation"], "markdown")
    assert apply(text, changes) == "all the knowledge is here.\n"


def test_lines_that_end_by_themselves_stay_lines(tmp_path: Path) -> None:
    address = ["Northby Pumps Ltd", "12 Harbour Street", "Northby"]
    assert drawn(tmp_path, lambda canvas: lines(canvas, address, 72, 700)) == "\n".join(address) + "\n"


def test_an_entry_of_a_table_of_contents_stays_a_line(tmp_path: Path) -> None:
    entries = [f"{at} A chapter about pumps {'.' * 60} {at * 10}" for at in range(1, 4)]
    assert drawn(tmp_path, lambda canvas: lines(canvas, entries, 72, 700)).split("\n")[:3] == entries


def test_paragraphs_are_parted_by_white_or_by_an_indent(tmp_path: Path) -> None:
    first = [
        "A paragraph that goes on over the whole width of the page and then",
        "some more, until its end comes at the end of this line, right here.",
    ]

    def apart(canvas: Canvas) -> None:
        lines(canvas, first, 72, 700)
        lines(canvas, first, 72, 660)

    def indented(canvas: Canvas) -> None:
        for at in range(2):
            canvas.drawString(90, 700 - 28 * at, first[0][:-6])
            canvas.drawString(72, 686 - 28 * at, first[1])

    assert drawn(tmp_path, apart) == "\n\n".join([" ".join(first)] * 2) + "\n"
    assert drawn(tmp_path, indented) == "\n\n".join([first[0][:-6] + " " + first[1]] * 2) + "\n"


SPOTS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(1, 31), st.integers(0, 9), st.sampled_from([6, 8, 10, 10, 10, 14, 22])
    ),
    min_size=1,
    max_size=60,
    # On top of one another, nobody could read them.
    unique_by=lambda spot: spot[:2],
)
RULES = st.lists(st.tuples(*[st.integers(20, 800)] * 4), max_size=12)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPOTS, RULES)
def test_no_word_is_lost_or_doubled_wherever_it_stands(
    tmp_path: Path, spots: list[tuple[int, int, int, int]], rules: list[tuple[int, int, int, int]]
) -> None:
    words = [f"w{at}x{number}" for at, (*_, size) in enumerate(spots) for number in range(48 // (size + 2))]

    def draw(canvas: Canvas) -> None:
        for at, (column, row, shift, size) in enumerate(spots):
            canvas.setFont("Helvetica", size)
            text = " ".join(f"w{at}x{number}" for number in range(48 // (size + 2)))
            canvas.drawString(20 + 190 * column + shift, 25 * row, text)
        for x, y, width, height in rules:
            canvas.rect(x, y, width / 4, height / 4)

    text = read(tmp_path, canvas_pdf(draw)).text
    found = Counter(re.findall(r"w\d+x\d+", text))
    assert found == Counter(words)


def test_the_foot_of_a_page_of_columns_stands_after_both(tmp_path: Path) -> None:
    path = tmp_path / "columns.pdf"
    canvas = Canvas(str(path), pagesize=A4)
    for x, word in ((60, "left"), (320, "right")):
        for line in range(48):
            canvas.drawString(x, 780 - 14 * line, f"The {word} column goes on with line {line}.")
    for x, words in ((60, "Confidential"), (290, "7"), (500, "v1.2")):
        canvas.drawString(x, 40, words)
    canvas.save()
    text = read(tmp_path, path.read_bytes()).text
    assert text.index("left column goes on with line 47") < text.index("right column goes on with line 0")
    assert text.index("right column goes on with line 47") < text.index("Confidential")
    assert text.rstrip().endswith("v1.2")


@pytest.mark.parametrize("shift", range(0, 18, 3))
@pytest.mark.parametrize("before", [2, 9])
def test_a_table_without_lines_stays_in_its_column(tmp_path: Path, before: int, shift: int) -> None:
    style = getSampleStyleSheet()["BodyText"]
    words = "A sentence of several words that is broken in the narrow column of the page. " * 4
    texts = [Paragraph(f"P{at:03d} begins. {words} E{at:03d}.", style) for at in range(14)]
    table = Table([["City", "Pop", "Area"], ["Paris", "2.1", "105"], ["Rome", "2.8", "1285"]])
    story = [Spacer(1, shift + 1), *texts[:before], Spacer(1, 6), table, *texts[before:]]
    columns = [Frame(left, 57, 226, HEIGHT - 133) for left in (57, 312)]
    text = read(tmp_path, flowed(story, [PageTemplate("two", columns)])).text
    places = [text.index(f"{end}{at:03d}") for at in range(14) for end in "PE"]
    table_at = text.index(
        "| City | Pop | Area |\n| --- | --- | --- |\n| Paris | 2.1 | 105 |\n| Rome | 2.8 | 1285 |"
    )
    assert sorted([*places, table_at]) == [*places[: 2 * before], table_at, *places[2 * before :]]
