from __future__ import annotations

from pathlib import Path

import pytest
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml

from services.ingest.readers.shared.numerals import formatted
from tests.unit.ingest.readers import word
from tests.unit.ingest.readers.docx_readings import text_of


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


@pytest.mark.parametrize("properties", ["", '<w:tblPr><w:tblLook w:firstRow="0"/></w:tblPr>'])
@pytest.mark.parametrize("columns", [None, 0, 1, 3])
def test_rows_of_any_length_keep_all_cells_in_their_columns(
    tmp_path: Path, properties: str, columns: int | None
) -> None:
    def row(*cells: str, gaps: str = "") -> str:
        return f"<w:tr><w:trPr>{gaps}</w:trPr>{''.join(cells)}</w:tr>"

    def cell(text: str, columns: int = 1) -> str:
        span = f'<w:gridSpan w:val="{columns}"/>'
        return f"<w:tc><w:tcPr>{span}</w:tcPr><w:p>{word.run(text)}</w:p></w:tc>"

    grid = "" if columns is None else f"<w:tblGrid>{'<w:gridCol/>' * columns}</w:tblGrid>"
    rows = (
        row(cell("a"), gaps='<w:gridAfter w:val="2"/>'),
        row(cell("b"), cell("c")),
        row(cell("d"), cell("e"), cell("f"), cell("g")),
        row(cell("h"), gaps='<w:gridBefore w:val="3"/>'),
        row(cell("i", 3), cell("j")),
        row(cell("k"), gaps='<w:gridBefore w:val="1"/><w:gridAfter w:val="2"/>'),
    )

    def write(document: Document) -> None:
        document.element.body.insert(
            0, parse_xml(f"<w:tbl {word.SPACES}>{properties}{grid}{''.join(rows)}</w:tbl>")
        )

    assert (
        text_of(tmp_path, write)
        == """| a |  |  |  |
| --- | --- | --- | --- |
| b | c |  |  |
| d | e | f | g |
|  |  |  | h |
| i |  |  | j |
|  | k |  |  |
"""
    )


def test_a_cell_over_more_columns_than_there_can_be_does_no_harm(tmp_path: Path) -> None:
    wide = f'<w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr><w:p>{word.run("a")}</w:p></w:tc>'
    far = f'<w:trPr><w:gridBefore w:val="-7"/></w:trPr><w:tc><w:p>{word.run("b")}</w:p></w:tc>'

    def write(document: Document) -> None:
        document.element.body.insert(
            0, parse_xml(f"<w:tbl {word.SPACES}><w:tr>{wide}</w:tr><w:tr>{far}</w:tr></w:tbl>")
        )

    assert text_of(tmp_path, write).replace("|  ", "") == "| a |\n| --- | --- |\n| b |\n"


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
