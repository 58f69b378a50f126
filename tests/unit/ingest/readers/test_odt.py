from __future__ import annotations

from pathlib import Path

import pytest

from services.runtime.errors import InvalidArgument
from tests.unit.ingest.readers.opendocument import EQUATION, h, items, note, odt, p, picture, row, table
from tests.unit.ingest.readers.readings import (
    ENTITIES,
    encrypted_office_file,
    png,
    read,
    refusal,
    swollen,
    zipped,
)

NAME = "made.odt"
NUMBERED = "".join(
    f'<text:outline-level-style text:level="{level}" style:num-format="1" text:display-levels="{level}" style:num-suffix="."/>'
    for level in (1, 2)
)
CLAUSES = '<text:outline-level-style text:level="1" style:num-format="一, 二, 三, ..." style:num-prefix="第" style:num-suffix="条"/>'


def remark(text: str) -> str:
    """A comment of two paragraphs."""
    return (
        '<office:annotation><dc:creator xmlns:dc="http://purl.org/dc/elements/1.1/">Bo Li</dc:creator>'
        f"{p(text)}{p('Sure')}</office:annotation>"
    )


@pytest.mark.parametrize(
    ("block", "markdown"),
    [
        (p("The title", "P1") + h("One") + h("Two", 2), "# The title\n\n# One\n\n## Two\n"),
        (
            p(
                'a <text:span text:style-name="B">bold</text:span> x<text:span text:style-name="Up">2</text:span>'
            ),
            "a **bold** x²\n",
        ),
        (p('a<text:s text:c="3"/>b<text:tab/>c<text:line-break/>d'), "a b c\nd\n"),
        (p('<text:a xlink:href="https://a.b/">link</text:a>'), "[link](https://a.b/)\n"),
        (p("p. <text:page-number>7</text:page-number>, <text:date>today</text:date>"), "p. 7, today\n"),
        (
            p(
                "<text:ruby><text:ruby-base>漢</text:ruby-base><text:ruby-text>kan</text:ruby-text></text:ruby> x"
            ),
            "漢(kan) x\n",
        ),
        (p(f"so {EQUATION} is"), "so $\\frac{a}{2}$ is\n"),
        (p(EQUATION), "$$\\frac{a}{2}$$\n"),
        (
            p(f"one{note('First.')} two{note('Second.')}"),
            "one[^1] two[^2]\n\n[^1]: First.\n\n[^2]: Second.\n",
        ),
        (
            p("x = 1", "Code") + p('<text:s text:c="2"/>y_z * 2', "Code") + p("prose"),
            "```\nx = 1\n  y_z * 2\n```\n\nprose\n",
        ),
        (
            p(
                "anchor <draw:frame><draw:text-box>"
                + p("in the box")
                + p("below")
                + "</draw:text-box></draw:frame>on"
            ),
            "anchor on\n\nin the box\n\nbelow\n",
        ),
        (
            p("a <draw:g><draw:custom-shape>" + p("shape") + "</draw:custom-shape></draw:g>b"),
            "a b\n\nshape\n",
        ),
        (
            "<draw:frame><draw:text-box>" + p("on the page") + "</draw:text-box></draw:frame>" + p("text"),
            "on the page\n\ntext\n",
        ),
        ("<text:section>" + p("in a section") + "</text:section>", "in a section\n"),
        (
            "<text:table-of-content><text:index-body>"
            + p("Entry 1")
            + "</text:index-body></text:table-of-content>"
            + p("x"),
            "Entry 1\n\nx\n",
        ),
        (
            "<text:list><text:list-item>" + h("Listed") + "</text:list-item></text:list>" + p("x"),
            "# Listed\n\nx\n",
        ),
        (p("عربي עברית e\u0301 👩‍👩‍👧 𝛼 ก็ 中文"), "عربي עברית e\u0301 👩‍👩‍👧 𝛼 ก็ 中文\n"),
        (p("text" + remark("Is it?") + " here"), "text [Comment of Bo Li: Is it? Sure] here\n"),
        (h("Fees" + remark("Move")) + p("x"), "# Fees\n\n[Comment of Bo Li: Move Sure]\n\nx\n"),
        (p("co\u00adop\u200berate"), "cooperate\n"),
    ],
)
def test_text_reads_as_a_person_sees_it(tmp_path: Path, block: str, markdown: str) -> None:
    assert read(tmp_path, odt(block), NAME).text == markdown


def test_headings_show_their_numbers(tmp_path: Path) -> None:
    data = odt(h("A"), h("B", 2), h("C", 2), h("D"), h("E", 2), outline=NUMBERED)
    assert read(tmp_path, data, NAME).text == "# 1. A\n\n## 1.1. B\n\n## 1.2. C\n\n# 2. D\n\n## 2.1. E\n"


def test_lists_keep_their_depth_and_numbers(tmp_path: Path) -> None:
    data = odt(
        items("Dots", p("a") + items("Dots", p("b")), p("c")),
        items("Numbers", p("one") + items("Numbers", p("inner")), p("two")),
        p("between"),
        items("Numbers", p("three"), more='text:continue-numbering="true"'),
    )
    assert read(tmp_path, data, NAME).text == (
        "- a\n  - b\n- c\n\n1. one\n   - a. inner\n2. two\n\nbetween\n\n3. three\n"
    )


def test_tables_keep_merged_cells_line_breaks_and_inner_tables(tmp_path: Path) -> None:
    inner = table(row(p("in"), p("ner")), row(p("3"), p("4")))
    data = odt(
        table(
            row('@table:number-columns-spanned="2"@' + p("both"), "", p("C")),
            row(
                '@table:number-rows-spanned="2"@' + p("rows"),
                p("a|b"),
                p("one<text:line-break/>two") + p("three"),
            ),
            row("", p("x"), inner),
        )
    )
    assert read(tmp_path, data, NAME).text == (
        "| both |  | C |\n| --- | --- | --- |\n| rows | a\\|b | one<br>two<br>three |\n|  | x | in \\| ner<br>3 \\| 4 |\n"
    )


def test_inner_tables_keep_words_apart_links_and_pictures(tmp_path: Path) -> None:
    link = '<text:a xlink:href="https://a.b/">link</text:a>'
    inner = table(
        row(p("First line") + p("second line"), p("a<text:line-break/>b<text:tab/>c")),
        row(p(picture("Pictures/a.png", "pic")), items("Dots", p(link), p("two"))),
    )
    reading = read(tmp_path, odt(table(row(p("outer"), inner)), files={"Pictures/a.png": png()}), NAME)
    [image] = reading.images
    assert reading.text == (
        "| outer | First line second line \\| a b c<br>"
        f"![pic](images/{image.name}) \\| [link](https://a.b/) two |\n| --- | --- |\n"
    )


def test_repeated_cells_keep_the_others_in_their_columns(tmp_path: Path) -> None:
    twice = '@table:number-columns-repeated="2"@'
    data = odt(
        table(
            row(p("A"), p("B"), p("C")),
            row(twice + p("same"), p("x")),
            row(twice, p("y")),
            row(p("z"), '@table:number-columns-repeated="16000"@'),
        )
    )
    assert read(tmp_path, data, NAME).text == (
        "| A | B | C |\n| --- | --- | --- |\n| same | same | x |\n|  |  | y |\n| z |  |  |\n"
    )


def test_a_cell_repeated_beyond_measure_does_no_harm(tmp_path: Path) -> None:
    data = odt(table(row('@table:number-columns-repeated="200000000"@' + p("a"), p("b"))))
    assert read(tmp_path, data, NAME).text.startswith("| a | a |")


def test_pictures_keep_their_place_and_their_words(tmp_path: Path) -> None:
    data = odt(
        p("before"), p(picture("Pictures/a.png", "a red dot")), p("after"), files={"Pictures/a.png": png()}
    )
    reading = read(tmp_path, data, NAME)
    assert reading.text == f"before\n\n![a red dot](images/{reading.images[0].name})\n\nafter\n"
    assert (tmp_path / "images" / reading.images[0].name).read_bytes() == png()


def test_deleted_text_goes_and_inserted_text_stays(tmp_path: Path) -> None:
    data = odt(
        '<text:tracked-changes><text:changed-region text:id="c1"><text:deletion>'
        + p("two")
        + "</text:deletion></text:changed-region></text:tracked-changes>",
        p(
            'The term is <text:change text:change-id="c1"/><text:change-start text:change-id="c2"/>four<text:change-end text:change-id="c2"/> years.'
        ),
    )
    assert read(tmp_path, data, NAME).text == "The term is four years.\n"


def test_a_contract_keeps_clause_numbers_changes_and_notes(tmp_path: Path) -> None:
    data = odt(
        "<text:tracked-changes>" + p("DELETED") + "</text:tracked-changes>",
        p("SERVICE AGREEMENT", "P1"),
        h("Term"),
        h("Start", 2),
        p(f"The term is twenty-four months{note('As amended.')}."),
        items("Numbers", p("It ends:") + items("Numbers", p("on notice; or"), p("on breach of 1.1."))),
        h("Fees"),
        table(row(p("Service"), p("Fee")), row(p("Support|Basic"), p("€ 100<text:line-break/>per month"))),
        p("Signed: ____________"),
        outline=NUMBERED,
    )
    assert (
        read(tmp_path, data, NAME).text
        == """# SERVICE AGREEMENT

# 1. Term

## 1.1. Start

The term is twenty-four months[^1].

1. It ends:
   - a. on notice; or
   - b. on breach of 1.1.

# 2. Fees

| Service | Fee |
| --- | --- |
| Support\\|Basic | € 100<br>per month |

Signed: ____________

[^1]: As amended.
"""
    )


def test_a_chinese_annual_report_keeps_numbers_tables_and_pictures(tmp_path: Path) -> None:
    data = odt(
        p("某某公司2025年度报告", "P1"),
        h("公司简介"),
        p("公司成立于１９９８年。"),
        h("主要指标"),
        table(
            row(
                '@table:number-rows-spanned="2"@' + p("项目"),
                '@table:number-columns-spanned="2"@' + p("本期"),
                "",
            ),
            row("", p("金额"), p("占比")),
            row(p("其中：<text:line-break/>主营"), p("1,234.56"), p("100%")),
        ),
        p(picture("Pictures/图.png", "收入构成")),
        outline=CLAUSES,
        files={"Pictures/图.png": png()},
    )
    reading = read(tmp_path, data, NAME)
    assert (
        reading.text
        == f"""# 某某公司2025年度报告

# 第一条 公司简介

公司成立于１９９８年。

# 第二条 主要指标

| 项目 | 本期 |  |
| --- | --- | --- |
|  | 金额 | 占比 |
| 其中：<br>主营 | 1,234.56 | 100% |

![收入构成](images/{reading.images[0].name})
"""
    )


def test_a_manual_keeps_lists_boxes_formulas_and_code(tmp_path: Path) -> None:
    data = odt(
        h("Pump"),
        p("Read this first.<draw:frame><draw:text-box>" + p("WARNING") + "</draw:text-box></draw:frame>"),
        items("Numbers", p("Open valve A.") + items("Dots", p("slowly"), p("fully")), p("Press start.")),
        p(f"The flow is {EQUATION}."),
        p("pump --start", "Code"),
        p('<text:s text:c="2"/>--rate=5', "Code"),
        table(
            row(p("Part"), p("Sizes")), row(p("Seal"), table(row(p("in"), p("mm")), row(p("1"), p("25.4"))))
        ),
    )
    assert (
        read(tmp_path, data, NAME).text
        == r"""# Pump

Read this first.

WARNING

1. Open valve A.
   - slowly
   - fully
2. Press start.

The flow is $\frac{a}{2}$.

```
pump --start
  --rate=5
```

| Part | Sizes |
| --- | --- |
| Seal | in \| mm<br>1 \| 25.4 |
"""
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ODT_UNREADABLE"),
        (b"no odt", "ODT_UNREADABLE"),
        (zipped({"a": "b"}), "ODT_UNREADABLE"),
        (zipped({"content.xml": "<office"}), "ODT_UNREADABLE"),
        (zipped({"content.xml": f"{ENTITIES}<office>&b;</office>"}), "XML_BOMB"),
        (
            odt(
                p("x"), manifest='<m:file-entry m:full-path="content.xml"><m:encryption-data/></m:file-entry>'
            ),
            "FILE_ENCRYPTED",
        ),
        (encrypted_office_file(), "FILE_ENCRYPTED"),
        (odt(), "TEXT_EMPTY"),
        (odt(p("x"))[:400], "ODT_UNREADABLE"),
        (swollen(odt(p("x")), "Pictures/x.png"), "ARCHIVE_BOMB"),
    ],
)
def test_a_file_of_no_use_says_why(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, NAME) == reason


def test_a_file_with_any_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    whole = odt(h("Title"), p(f"text{note('note')}"), table(row(p("a"), p("b"))))
    for place in range(0, len(whole), len(whole) // 40):
        data = bytearray(whole)
        data[place] ^= 0x55
        try:
            read(tmp_path, bytes(data), NAME)
        except InvalidArgument as error:
            assert error.reason in {
                "ODT_UNREADABLE",
                "FILE_ENCRYPTED",
                "ARCHIVE_BOMB",
                "XML_BOMB",
                "TEXT_EMPTY",
            }
