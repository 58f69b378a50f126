from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.readers.docx.numbering import formatted
from tests.unit.ingest.readers import word
from tests.unit.ingest.readers.readings import (
    ENTITIES,
    changed,
    encrypted_office_file,
    png,
    read,
    refusal,
    swollen,
    zipped,
)

NAME = "made.docx"


def text_of(folder: Path, write: Callable[[Document], object]) -> str:
    return read(folder, word.made(write), NAME).text


def test_headings_come_from_styles_their_heirs_and_the_outline(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        styles = document.styles
        styles.add_style("Clause Title", WD_STYLE_TYPE.PARAGRAPH).base_style = styles["Heading 2"]
        styles.add_style("标题 3", WD_STYLE_TYPE.PARAGRAPH)
        outlined = styles.add_style("章", WD_STYLE_TYPE.PARAGRAPH)
        outlined.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {word.SPACES} w:val="0"/>'))
        document.add_paragraph("The whole", style="Title")
        document.add_heading("One", 1)
        document.add_paragraph("Heir", style="Clause Title")
        document.add_paragraph("Localised", style="标题 3")
        document.add_paragraph("Outlined", style="章")
        direct = document.add_paragraph("Direct")
        direct._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {word.SPACES} w:val="3"/>'))
        document.add_heading("Deep", 9)
        document.add_paragraph("", style="Heading 1")
        document.add_paragraph("Below", style="Subtitle")

    assert text_of(tmp_path, write) == (
        "# The whole\n\n# One\n\n## Heir\n\n### Localised\n\n# Outlined\n\n#### Direct\n\n###### Deep\n\nBelow\n"
    )


def test_lists_keep_their_depth_and_go_on_counting(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        for text, style in (
            ("a", "List Bullet"),
            ("b", "List Bullet 2"),
            ("c", "List Bullet"),
            ("1st", "List Number"),
        ):
            document.add_paragraph(text, style=style)
        document.add_paragraph("between")
        document.add_paragraph("2nd", style="List Number")

    assert text_of(tmp_path, write) == "- a\n  - b\n- c\n\n1. 1st\n\nbetween\n\n2. 2nd\n"


def test_numbers_that_markdown_cannot_count_are_written_out(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        word.with_list(
            document,
            77,
            word.level(0, "chineseCounting", "第%1条"),
            word.level(1, "decimal", "%1.%2", more="<w:isLgl/>"),
            word.level(2, "lowerLetter", "(%3)"),
            word.level(3, "decimal", "%4."),
        )
        for text, depth in (
            ("总则", 0),
            ("目的", 1),
            ("定义", 1),
            ("first", 2),
            ("second", 2),
            ("x", 3),
            ("y", 3),
            ("付款", 0),
            ("期限", 1),
        ):
            word.numbered(document.add_paragraph(text), 77, depth)
        word.numbered(document.add_heading("附则", 1), 77, 0)

    assert text_of(tmp_path, write).split("\n\n") == [
        "第一条 总则",
        "1.1 目的",
        "1.2 定义",
        "- (a) first\n- (b) second\n  1. x\n  2. y",
        "第二条 付款",
        "2.1 期限",
        "# 第三条 附则\n",
    ]


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        (10, "chineseCounting", "十"),
        (21, "chineseCountingThousand", "二十一"),
        (105, "chineseCounting", "一百零五"),
        (1010, "chineseCounting", "一千零一十"),
        (110, "chineseCounting", "一百一十"),
        (21, "ideographDigital", "二一"),
        (12, "chineseLegalSimplified", "壹拾贰"),
        (3, "ideographTraditional", "丙"),
        (3, "decimalEnclosedCircle", "③"),
        (28, "lowerLetter", "bb"),
        (1994, "upperRoman", "MCMXCIV"),
        (12, "ordinal", "12th"),
        (22, "ordinal", "22nd"),
        (7, "decimalZero", "07"),
        (7, "somethingNew", "7"),
    ],
)
def test_numbers_are_written_as_word_writes_them(number: int, kind: str, text: str) -> None:
    assert formatted(number, kind) == text


def test_tables_keep_merged_cells_line_breaks_and_inner_tables(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        table = document.add_table(rows=3, cols=3)
        table.cell(0, 0).merge(table.cell(0, 1)).text = "both"
        table.cell(0, 2).text = "C"
        table.cell(1, 0).merge(table.cell(2, 0)).text = "two rows"
        table.cell(1, 1).text = "a|b"
        table.cell(1, 2).text = "one\ntwo"
        table.cell(2, 1).text = "first"
        table.cell(2, 1).add_paragraph("second")
        inner = table.cell(2, 2).add_table(1, 2)
        inner.cell(0, 0).text, inner.cell(0, 1).text = "in", "ner"

    assert text_of(tmp_path, write).splitlines() == [
        "| both |  | C |",
        "| --- | --- | --- |",
        r"| two rows | a\|b | one<br>two |",
        r"|  | first<br>second | in \| ner |",
    ]


def test_pictures_keep_their_place_and_their_words(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        document.add_paragraph("before")
        document.add_picture(io.BytesIO(png()))
        document.element.body.find(".//{*}docPr").set("descr", "a red square")
        document.add_paragraph("between")
        table = document.add_table(1, 2)
        table.cell(0, 0).text = "x"
        table.cell(0, 1).paragraphs[0].add_run().add_picture(io.BytesIO(png(3)))

    reading = read(tmp_path, word.made(write), NAME)
    square, cell = reading.images
    assert reading.text == (
        f"before\n\n![a red square](images/{square.name})\n\nbetween\n\n| x | ![](images/{cell.name}) |\n| --- | --- |\n"
    )
    assert (tmp_path / "images" / square.name).read_bytes() == png()
    assert square.media_type == "image/png"


def test_charts_and_diagrams_say_what_they_show(tmp_path: Path) -> None:
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    def drawn(document: Document, name: str, xml: str, element: str) -> None:
        part = Part(PackURI(f"/word/{name}.xml"), "application/xml", xml.encode(), document.part.package)
        identity = document.part.relate_to(part, f"{word.RELATIONSHIPS}/{name}")
        graphic = f'<a:graphic><a:graphicData uri="x">{element.format(identity)}</a:graphicData></a:graphic>'
        word.add(
            document.add_paragraph("before"),
            f"<w:r><w:drawing><wp:inline>{graphic}</wp:inline></w:drawing></w:r>",
        )

    def points(*values: str) -> str:
        inner = "".join(f'<c:pt idx="{at}"><c:v>{value}</c:v></c:pt>' for at, value in enumerate(values))
        return f"<c:strRef><c:strCache>{inner}</c:strCache></c:strRef>"

    chart = (
        '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><c:chart><c:title><a:t>Sales</a:t></c:title>'
        f"<c:ser><c:tx>{points('2025')}</c:tx><c:cat>{points('North', 'South')}</c:cat>"
        f"<c:val>{points('1.5', '2')}</c:val></c:ser></c:chart></c:chartSpace>"
    )
    diagram = (
        '<d:dataModel xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><d:ptLst><d:pt modelId="1"><a:t>Boss</a:t></d:pt>'
        '<d:pt modelId="2"><a:t>Clerk</a:t></d:pt></d:ptLst><d:cxnLst><d:cxn srcId="1" destId="2" srcOrd="0"/></d:cxnLst></d:dataModel>'
    )

    def write(document: Document) -> None:
        drawn(
            document,
            "chart",
            chart,
            '<c:chart xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" r:id="{}"/>',
        )
        drawn(
            document,
            "data",
            diagram,
            '<d:relIds xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram" r:dm="{}"/>',
        )
        document.add_paragraph("after")

    assert text_of(tmp_path, write) == (
        "before\n\nChart: Sales\n\n|  | 2025 |\n| --- | --- |\n| North | 1.5 |\n| South | 2 |\n\n"
        "before\n\n- Boss\n  - Clerk\n\nafter\n"
    )


def test_notes_stand_at_the_end_under_their_numbers(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        word.with_notes(
            document,
            "The first.",
            f"<w:p>{word.run('The ')}{word.FRACTION}</w:p><w:p>{word.run('More.')}</w:p>",
        )
        word.with_notes(document, "The end.", kind="endnotes")
        paragraph = document.add_paragraph("One")
        for xml in (
            word.note(2),
            word.run(" two"),
            word.note(1),
            word.run(" three"),
            word.note(1, "endnote"),
        ):
            word.add(paragraph, xml)

    assert text_of(tmp_path, write) == (
        "One[^1] two[^2] three[^3]\n\n[^1]: The $\\frac{a + b}{c^{2}}$\n\n    More.\n\n[^2]: The first.\n\n[^3]: The end.\n"
    )


def test_equations_become_latex(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        word.add(document.add_paragraph("so "), word.FRACTION)
        word.add(document.add_paragraph(), word.SUM)

    assert text_of(tmp_path, write) == "so $\\frac{a + b}{c^{2}}$\n\n$$\\sum_{i = 1}^{n}i$$\n"


def test_code_is_told_by_its_style_and_by_its_letters(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        document.styles.add_style("Source Code", WD_STYLE_TYPE.PARAGRAPH)
        document.add_paragraph("def f():\n    return  1", style="Source Code")
        document.add_paragraph("x = 2", style="Source Code")
        document.add_paragraph("prose with ").add_run("f()").font.name = "Consolas"
        for line in ("# no heading", "a_b * c_d"):
            document.add_paragraph().add_run(line).font.name = "Courier New"

    assert text_of(tmp_path, write) == (
        "```\ndef f():\n    return  1\nx = 2\n```\n\nprose with `f()`\n\n```\n# no heading\na_b * c_d\n```\n"
    )


def test_the_paragraph_of_a_text_box_and_the_box_are_both_there_once(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        paragraph = document.add_paragraph("anchor ")
        word.add(paragraph, word.text_box("In the box", "and below"))
        word.add(paragraph, word.run("goes on"))

    assert text_of(tmp_path, write) == "anchor goes on\n\nIn the box\n\nand below\n"


def test_insertions_stay_and_deletions_go(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        paragraph = document.add_paragraph("The term is ")
        word.add(paragraph, word.deleted("two"))
        word.add(paragraph, word.inserted("four"))
        word.add(paragraph, word.run(" years."))
        word.add(paragraph, '<w:moveFrom w:id="5" w:author="x">' + word.run("from") + "</w:moveFrom>")
        word.add(paragraph, '<w:moveTo w:id="6" w:author="x">' + word.run(" Moved.") + "</w:moveTo>")
        joined = document.add_paragraph("one ")
        joined._p.get_or_add_pPr().append(
            parse_xml(f'<w:rPr {word.SPACES}><w:del w:id="7" w:author="x"/></w:rPr>')
        )
        document.add_paragraph("paragraph")
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, ("a", "b", "gone", "too"), strict=True):
            cell.text = text
        table.rows[1]._tr.get_or_add_trPr().append(parse_xml(f'<w:del {word.SPACES} w:id="8" w:author="x"/>'))

    assert text_of(tmp_path, write) == (
        "The term is four years. Moved.\n\none paragraph\n\n| a | b |\n| --- | --- |\n"
    )


def test_what_lies_around_text_does_not_take_it_away(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        paragraph = document.add_paragraph()
        for xml in (
            f"<w:sdt><w:sdtContent>{word.run('control ')}</w:sdtContent></w:sdt>",
            f'<w:smartTag w:element="x">{word.run("tag ")}</w:smartTag>',
            f'<w:fldSimple w:instr="REF x">{word.run("result ")}</w:fldSimple>',
            "<w:r><w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby></w:r>",
            '<w:r><w:t xml:space="preserve"> co</w:t><w:softHyphen/><w:t>op a</w:t><w:noBreakHyphen/><w:t>b</w:t></w:r>',
            '<w:r><w:tab/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>',
        ):
            word.add(paragraph, xml)
        field = document.add_paragraph("page ")
        for xml in (
            '<w:r><w:fldChar w:fldCharType="begin"/></w:r>',
            "<w:r><w:instrText>PAGEREF _x</w:instrText></w:r>",
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>',
            word.run("12"),
            '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        ):
            word.add(field, xml)

    assert text_of(tmp_path, write) == "control tag result 漢(kan) coop a-b ✔\n\npage 12\n"


def test_links_keep_words_and_target(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        link = document.part.relate_to(
            "https://a.b/?c=1&d=2", f"{word.RELATIONSHIPS}/hyperlink", is_external=True
        )
        paragraph = document.add_paragraph("see ")
        word.add(paragraph, f'<w:hyperlink r:id="{link}">{word.run("this")}</w:hyperlink>')
        for xml in (
            word.run(" and "),
            '<w:r><w:fldChar w:fldCharType="begin"/></w:r>',
            '<w:r><w:instrText> HYPERLINK "https://e.f/" </w:instrText></w:r>',
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>',
            word.run("that"),
            '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        ):
            word.add(paragraph, xml)

    assert text_of(tmp_path, write) == "see [this](https://a.b/?c=1&d=2) and [that](https://e.f/)\n"


def test_headers_footers_and_comments_are_no_text(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        document.add_paragraph("text")
        document.sections[0].header.paragraphs[0].text = "HEADER"
        document.sections[0].footer.paragraphs[0].text = "FOOTER"

    assert text_of(tmp_path, write) == "text\n"


def test_letters_of_all_scripts_come_through(tmp_path: Path) -> None:
    text = "عربي עברית e\u0301 👩‍👩‍👧 𝛼 ก็ 中文 \ufdd1"
    assert text_of(tmp_path, lambda document: document.add_paragraph(text)) == text + "\n"


def test_a_long_document_is_read_in_parts_without_a_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(document: Document) -> None:
        word.with_notes(document, *(f"Note {number}." for number in range(40)))
        for number in range(40):
            document.add_heading(f"Part {number}", 1)
            word.add(document.add_paragraph("words " * 400), word.note(number + 1))
            document.add_paragraph("item", style="List Number")

    data = word.made(write)
    whole = read(tmp_path, data, NAME).text
    monkeypatch.setattr("services.ingest.readers.docx.reader.PART_BYTES", 5000)
    assert read(tmp_path, data, NAME).text == whole
    assert "40. item" in whole and "[^40]: Note 39." in whole and whole.count("words") == 16_000


def contract(document: Document) -> None:
    """A contract with numbered clauses, tracked changes and footnotes."""
    word.with_list(
        document,
        80,
        word.level(0, "upperRoman", "Article %1.", more='<w:suff w:val="space"/>'),
        word.level(1, "decimal", "%1.%2", more="<w:isLgl/>"),
        word.level(2, "lowerLetter", "(%3)"),
    )
    word.with_notes(document, "As amended on 1 May.", "Subject to Annex B.")
    document.add_paragraph("SERVICE AGREEMENT", style="Title")
    word.numbered(document.add_heading("Term", 1), 80, 0)
    clause = word.numbered(document.add_paragraph("The term is "), 80, 1)
    word.add(clause, word.deleted("twelve"))
    word.add(clause, word.inserted("twenty-four"))
    word.add(clause, word.run(" months"))
    word.add(clause, word.note(1))
    word.add(clause, word.run("."))
    word.numbered(document.add_paragraph("It ends:"), 80, 1)
    word.numbered(document.add_paragraph("on notice; or"), 80, 2)
    word.numbered(document.add_paragraph("on breach of 1.1."), 80, 2)
    word.numbered(document.add_heading("Fees", 1), 80, 0)
    fees = word.numbered(document.add_paragraph("Fees are due monthly"), 80, 1)
    word.add(fees, word.note(2))
    table = document.add_table(rows=3, cols=2)
    for cell, text in zip(
        table._cells, ("Service", "Fee", "Support|Basic", "€ 100\nper month", "Audit", "€ 5,000"), strict=True
    ):
        cell.text = text
    document.add_paragraph("Signed: ____________  Date: ____________")


def test_a_contract_keeps_clause_numbers_changes_and_notes(tmp_path: Path) -> None:
    assert (
        text_of(tmp_path, contract)
        == """# SERVICE AGREEMENT

# Article I. Term

1.1 The term is twenty-four months[^1].

1.2 It ends:

- (a) on notice; or
- (b) on breach of 1.1.

# Article II. Fees

2.1 Fees are due monthly[^2]

| Service | Fee |
| --- | --- |
| Support\\|Basic | € 100<br>per month |
| Audit | € 5,000 |

Signed: ____________ Date: ____________

[^1]: As amended on 1 May.

[^2]: Subject to Annex B.
"""
    )


def annual_report(document: Document) -> None:
    """A Chinese annual report: numbered headings, merged table heads, pictures, a chart's caption."""
    word.with_list(
        document, 81, word.level(0, "chineseCounting", "第%1节"), word.level(1, "chineseCounting", "%2、")
    )
    document.add_paragraph("某某股份有限公司2025年年度报告", style="Title")
    word.numbered(document.add_heading("公司简介", 1), 81, 0)
    document.add_paragraph("公司成立于１９９８年，注册资本５亿元。")
    word.numbered(document.add_heading("主要财务指标", 1), 81, 0)
    word.numbered(document.add_heading("利润表", 2), 81, 1)
    table = document.add_table(rows=4, cols=4)
    table.cell(0, 0).merge(table.cell(1, 0)).text = "项目"
    table.cell(0, 1).merge(table.cell(0, 2)).text = "本期"
    table.cell(0, 3).merge(table.cell(1, 3)).text = "上期"
    for place, text in (
        ((1, 1), "金额"),
        ((1, 2), "占比"),
        ((2, 0), "营业收入"),
        ((2, 1), "1,234.56"),
        ((2, 2), "100%"),
        ((2, 3), "1,100.00"),
        ((3, 0), "其中：\n主营业务"),
        ((3, 1), "1,000.00"),
        ((3, 2), "81%"),
        ((3, 3), "—"),
    ):
        table.cell(*place).text = text
    document.add_paragraph("图1　收入构成", style="Caption")
    document.add_picture(io.BytesIO(png()))
    word.numbered(document.add_heading("现金流量", 2), 81, 1)
    document.add_paragraph("经营活动产生的现金流量净额为人民币３.２亿元。")


def test_a_chinese_annual_report_keeps_numbers_tables_and_pictures(tmp_path: Path) -> None:
    reading = read(tmp_path, word.made(annual_report), NAME)
    assert (
        reading.text
        == f"""# 某某股份有限公司2025年年度报告

# 第一节 公司简介

公司成立于１９９８年，注册资本５亿元。

# 第二节 主要财务指标

## 一、 利润表

| 项目 | 本期 |  | 上期 |
| --- | --- | --- | --- |
|  | 金额 | 占比 |  |
| 营业收入 | 1,234.56 | 100% | 1,100.00 |
| 其中：<br>主营业务 | 1,000.00 | 81% | — |

图1　收入构成

![](images/{reading.images[0].name})

## 二、 现金流量

经营活动产生的现金流量净额为人民币３.２亿元。
"""
    )


def manual(document: Document) -> None:
    """A manual: nested lists, text boxes, equations, code, a table in a table."""
    document.add_heading("Pump P-200", 1)
    word.add(document.add_paragraph("Read this first. "), word.text_box("WARNING", "Cut the power."))
    document.add_heading("Start", 2)
    for text, style in (
        ("Open valve A.", "List Number"),
        ("slowly", "List Bullet 2"),
        ("fully", "List Bullet 2"),
        ("Press start.", "List Number"),
    ):
        document.add_paragraph(text, style=style)
    document.add_heading("Flow", 2)
    word.add(document.add_paragraph("The flow is "), word.FRACTION)
    word.add(document.add_paragraph(), word.SUM)
    document.add_heading("Interface", 2)
    for line in ("pump --start", "  --rate=5 # l/min"):
        document.add_paragraph().add_run(line).font.name = "Consolas"
    table = document.add_table(1, 1)
    table.cell(0, 0).text = "Note: keep it dry."
    outer = document.add_table(2, 2)
    outer.cell(0, 0).text, outer.cell(0, 1).text, outer.cell(1, 0).text = "Part", "Sizes", "Seal"
    inner = outer.cell(1, 1).add_table(2, 2)
    for cell, text in zip(inner._cells, ("in", "mm", "1", "25.4"), strict=True):
        cell.text = text


def test_a_manual_keeps_lists_boxes_formulas_and_code(tmp_path: Path) -> None:
    assert (
        text_of(tmp_path, manual)
        == r"""# Pump P-200

Read this first.

WARNING

Cut the power.

## Start

1. Open valve A.
   - slowly
   - fully
2. Press start.

## Flow

The flow is $\frac{a + b}{c^{2}}$

$$\sum_{i = 1}^{n}i$$

## Interface

```
pump --start
  --rate=5 # l/min
```

Note: keep it dry.

| Part | Sizes |
| --- | --- |
| Seal | in \| mm<br>1 \| 25.4 |
"""
    )


WRAPPED = st.recursive(
    st.just("{}"),
    lambda inner: st.sampled_from(
        [
            "<w:sdt><w:sdtContent>%s</w:sdtContent></w:sdt>",
            '<w:ins w:id="1" w:author="x">%s</w:ins>',
            '<w:hyperlink w:anchor="x">%s</w:hyperlink>',
            '<w:fldSimple w:instr="REF x">%s</w:fldSimple>',
            '<w:smartTag w:element="x">%s</w:smartTag>',
            '<w:customXml w:element="x">%s</w:customXml>',
            '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>DATE</w:instrText></w:r>'
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>%s<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        ]
    ).flatmap(lambda outer: inner.map(lambda text: outer % text)),
    max_leaves=3,
)
STYLES = [
    "Normal",
    "Heading 1",
    "Title",
    "Subtitle",
    "List Bullet",
    "List Number 2",
    "Quote",
    "Caption",
    "Body Text",
    "macro",
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(STYLES), WRAPPED, st.sampled_from(["body", "cell", "box"])),
        min_size=1,
        max_size=8,
    )
)
def test_no_word_is_ever_lost(tmp_path: Path, blocks: list[tuple[str, str, str]]) -> None:
    def write(document: Document) -> None:
        for number, (style, wrapping, place) in enumerate(blocks):
            holder = document.add_table(1, 2).cell(0, 1) if place == "cell" else document
            paragraph = holder.add_paragraph(f"before{number} ", style=style)
            content = word.text_box(f"box{number}") if place == "box" else word.run(f"inside{number}")
            word.add(
                paragraph, f"<w:sdt><w:sdtContent>{wrapping.replace('{}', content)}</w:sdtContent></w:sdt>"
            )
            word.add(paragraph, word.run(f" after{number}"))

    text = text_of(tmp_path, write)
    for number, (_, _, place) in enumerate(blocks):
        for word_ in (
            f"before{number}",
            f"box{number}" if place == "box" else f"inside{number}",
            f"after{number}",
        ):
            assert text.count(word_) == 1, text


def small() -> bytes:
    return word.made(lambda document: document.add_paragraph("text"))


def test_macros_are_not_text_and_do_no_harm(tmp_path: Path) -> None:
    import zipfile

    buffer = io.BytesIO(small())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("word/vbaProject.bin", b"\xd0\xcf\x11\xe0 Sub AutoOpen()")
    macro = changed(
        buffer.getvalue(),
        "[Content_Types].xml",
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
    )
    assert read(tmp_path, macro, NAME).text == "text\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "DOCX_UNREADABLE"),
        (b"not a docx", "DOCX_UNREADABLE"),
        (b"PK\x03\x04 broken", "DOCX_UNREADABLE"),
        (zipped({"something.txt": "else"}), "DOCX_UNREADABLE"),
        (zipped({"word/document.xml": "<w:document"}), "DOCX_UNREADABLE"),
        (zipped({"word/document.xml": "<document/>"}), "DOCX_UNREADABLE"),
        (zipped({"word/document.xml": f"{ENTITIES}<document>&b;</document>"}), "XML_BOMB"),
        (encrypted_office_file(), "FILE_ENCRYPTED"),
    ],
)
def test_a_file_of_no_use_says_why(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, NAME) == reason


def test_an_empty_document_holds_no_text(tmp_path: Path) -> None:
    assert refusal(tmp_path, word.made(lambda _: None), NAME) == "TEXT_EMPTY"


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    assert refusal(tmp_path, swollen(small(), "word/media/image1.png"), NAME) == "ARCHIVE_BOMB"


def test_a_document_beyond_the_limits_of_pandoc_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = word.made(lambda document: document.add_paragraph("words " * 200_000))
    monkeypatch.setattr("services.ingest.readers.shared.pandoc.HEAP_MIB", 3)
    assert refusal(tmp_path, data, NAME) == "PARSE_OUT_OF_MEMORY"
    monkeypatch.setattr("services.ingest.readers.shared.pandoc.HEAP_MIB", 700)
    monkeypatch.setattr("services.ingest.readers.shared.pandoc.SECONDS", 0.001)
    assert refusal(tmp_path, data, NAME) == "PARSE_TIMED_OUT"


def test_a_file_cut_off_anywhere_ends_in_an_error_of_ours(tmp_path: Path) -> None:
    whole = small()
    for share in range(1, 10):
        assert refusal(tmp_path, whole[: len(whole) * share // 10], NAME) == "DOCX_UNREADABLE"


def test_a_file_with_any_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    from services.runtime.errors import InvalidArgument

    whole = word.made(contract)
    for place in range(0, len(whole), len(whole) // 60):
        data = bytearray(whole)
        data[place] ^= 0x55
        try:
            read(tmp_path, bytes(data), NAME)
        except InvalidArgument as error:
            assert error.reason in {
                "DOCX_UNREADABLE",
                "FILE_ENCRYPTED",
                "ARCHIVE_BOMB",
                "XML_BOMB",
                "TEXT_EMPTY",
            }
