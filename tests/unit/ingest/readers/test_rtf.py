from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.runtime.errors import InvalidArgument
from tests.unit.ingest.readers.readings import encrypted_office_file, png, read, refusal

NAME = "made.rtf"
HEAD = (
    r"{\rtf1\ansi\ansicpg1252\uc1\deff0{\fonttbl{\f0\froman\fcharset0 Times New Roman;}{\f1\fmodern\fcharset0 Courier New;}"
    r"{\f2\fnil\fcharset134 SimSun;}{\f3\fnil\fcharset2 Symbol;}{\f4\fnil\fcharset204 Arial Cyr;}}"
    r"{\stylesheet{\ql Normal;}{\s1\outlinelevel0\b heading 1;}{\s2\outlinelevel1 heading 2;}{\s9 Title;}}"
    r"{\*\listtable{\list{\listlevel\levelnfc0{\leveltext\'02\'00.;}{\levelnumbers\'01;}}\listid1}}"
    r"{\*\listoverridetable{\listoverride\listid1\listoverridecount0\ls1}}"
    "\n{\\info{\\title T}}{\\header\\pard HEADER\\par}{\\footer\\pard FOOTER\\par}\n"
)


def rtf(*lines: str) -> bytes:
    return (HEAD + "\n".join(lines) + "\n}").encode("latin-1")


def item(text: str, label: str, depth: int = 0) -> str:
    """An item as Word writes it, with the number that it shows."""
    return rf"{{\listtext\pard\plain\f3 {label}\tab}}\pard\plain\ls1\ilvl{depth}\fi-360\li720 {text}\par"


def picture() -> str:
    return r"{\*\shppict{\pict\pngblip\picw2\pich2 " + png().hex() + "}}"


@pytest.mark.parametrize(
    ("line", "markdown"),
    [
        (r"\pard\plain\s9 The title\par", "# The title\n"),
        (r"\pard\plain\s1\outlinelevel0\b One\par\pard\plain\s2 Two\par", "# One\n\n## Two\n"),
        (
            r"a {\b bold} {\i word}{\super 2} {\strike off}\line next\par",
            "a **bold** *word*² ~~off~~\nnext\n",
        ),
        (r"caf\'e9 \u8364\'80 \emdash  \ldblquote q\rdblquote\par", "café € — “q”\n"),
        (r"{\f2 \'cd\'cb\'bb\'f5} {\f4\'cf\'f0} \u36864?\u-10179?\u-8640?\par", "退货 Пр 退🙀\n"),
        (r"non\~break a\_b co\-op\par", "non break a-b coop\n"),
        (r"The term is {\deleted two }{\revised four }years.\par", "The term is four years.\n"),
        (r"\pard\plain\f1 x = 1\par\pard\plain\f1   y_z * 2\par", "```\nx = 1\n  y_z * 2\n```\n"),
        (
            r'{\field{\*\fldinst{HYPERLINK "http://a.b/c"}}{\fldrslt link}} p. {\field{\*\fldinst PAGE}{\fldrslt 7}}\par',
            "[link](http://a.b/c) p. 7\n",
        ),
        (
            r"text{\super\chftn}{\footnote\pard\plain {\super\chftn} The note.} on\par",
            "text[^1] on\n\n[^1]: The note.\n",
        ),
        (
            r"\trowd\cellx20\cellx40\intbl A\cell B\cell\row\pard after{\footnote The note.}\par",
            "| A | B |\n| --- | --- |\n\nafter[^1]\n\n[^1]: The note.\n",
        ),
        (
            r"\trowd\cellx20\cellx40\intbl A\cell B{\footnote One.} b{\footnote{\b Two}.}\cell\row\pard{\footnote }c",
            "| A | B[^1] b[^2] |\n| --- | --- |\n\n[^3]c\n\n[^1]: One.\n\n[^2]: **Two**.\n",
        ),
        (r"a{\deleted{\footnote gone}} b{\super\chftn{\footnote\ftnalt End.}}", "a b[^1]\n\n[^1]: End.\n"),
        (r"{\listtext\tab 1.}{\footnote Of an item.}item\par", "1. [^1]item\n\n[^1]: Of an item.\n"),
        (r"a\u0?b \u55357? c\par", "ab c\n"),
        (r"a\{b\}c\\d\par", "a{b}c\\d\n"),
        (r"{\*\unknown not shown}shown\par", "shown\n"),
        ("one\\par\ntwo\\par", "one\n\ntwo\n"),
        (
            r"{\shp{\*\shpinst{\sp{\sn shapeType}{\sv 202}}{\shptxt\pard\plain In the box\par}}}anchor\par",
            "In the box\n\nanchor\n",
        ),
        (r"\u1593?\u1585?\u1576?\u1610? e\u769?\par", "عربي e\u0301\n"),
    ],
)
def test_text_reads_as_a_person_sees_it(tmp_path: Path, line: str, markdown: str) -> None:
    assert read(tmp_path, rtf(line), NAME).text == markdown


def test_lists_show_the_numbers_that_word_shows(tmp_path: Path) -> None:
    data = rtf(
        item("one", "1."),
        item("inner", "a)", 1),
        item("bullet", r"\'b7", 2),
        item("two", "2."),
        r"\pard\plain between\par",
        item("three", "3."),
    )
    assert read(tmp_path, data, NAME).text == (
        "1. one\n   - a) inner\n     - bullet\n2. two\n\nbetween\n\n3. three\n"
    )


def test_tables_keep_their_cells(tmp_path: Path) -> None:
    data = rtf(
        r"\trowd\clmgf\cellx1000\clmrg\cellx2000\cellx3000\pard\intbl both\cell\cell C\cell\row",
        r"\trowd\cellx1000\cellx2000\cellx3000\pard\intbl a|b\cell one\par two\line three\cell {\b x}\cell\row",
        r"\pard\plain after\par",
    )
    assert read(tmp_path, data, NAME).text == (
        "| both |  | C |\n| --- | --- | --- |\n| a\\|b | one<br>two<br>three | **x** |\n\nafter\n"
    )


def test_pictures_keep_their_place(tmp_path: Path) -> None:
    reading = read(tmp_path, rtf(r"before\par", picture() + r"\par after\par"), NAME)
    assert reading.text == f"before\n\n![image](images/{reading.images[0].name})\n\nafter\n"
    assert (tmp_path / "images" / reading.images[0].name).read_bytes() == png()


CONTRACT = rtf(
    r"\pard\plain\s9 SERVICE AGREEMENT\par",
    item(r"\s1\outlinelevel0 Term", "Article I."),
    item(
        r"The term is {\deleted twelve}{\revised twenty-four} months{\super\chftn}{\footnote\pard\plain {\super\chftn} As amended.}.",
        "1.1",
        1,
    ),
    item("It ends:", "1.2", 1),
    item("on notice; or", "(a)", 2),
    item("on breach of 1.1.", "(b)", 2),
    item(r"\s1\outlinelevel0 Fees", "Article II."),
    r"\trowd\cellx1000\cellx2000\pard\plain\intbl Service\cell Fee\cell\row",
    r"\trowd\cellx1000\cellx2000\pard\plain\intbl Support|Basic\cell \u8364? 100\line per month\cell\row",
    r"\pard\plain Signed: ____________\par",
)
REPORT = rtf(
    r"\pard\plain\s9\f2 \'c4\'b3\'c4\'b3\'b9\'ab\'cb\'be 2025 \'c4\'ea\'b6\'c8\'b1\'a8\'b8\'e6\par",
    r"{\listtext\pard\plain\f2 \'b5\'da\'d2\'bb\'bd\'da\tab}\pard\plain\ls1\ilvl0\s1\outlinelevel0\f2 \'d6\'f7\'d2\'aa\'d6\'b8\'b1\'ea\par",
    r"\trowd\clvmgf\cellx1000\clmgf\cellx2000\clmrg\cellx3000\pard\plain\intbl\f2 \'cf\'ee\'c4\'bf\cell \'b1\'be\'c6\'da\cell\cell\row",
    r"\trowd\clvmrg\cellx1000\cellx2000\cellx3000\pard\plain\intbl\f2 \cell \'bd\'f0\'b6\'ee\cell \'d5\'bc\'b1\'c8\cell\row",
    r"\trowd\cellx1000\cellx2000\cellx3000\pard\plain\intbl\f2 \'ca\'d5\'c8\'eb\cell 1,234.56\cell 100%\cell\row",
    r"\pard\plain " + picture() + r"\par",
)
MANUAL = rtf(
    r"\pard\plain\s1\outlinelevel0 Pump\par",
    r"{\shp{\*\shpinst{\shptxt\pard\plain WARNING\par}}}\pard\plain Read this first.\par",
    item("Open valve A.", "1."),
    item("slowly", r"\'b7", 1),
    item("Press start.", "2."),
    r"\pard\plain\f1 pump --start\par\pard\plain\f1   --rate=5\par",
    r"\trowd\cellx1000\cellx3000\pard\plain\intbl Part\cell Sizes\cell\row",
    r"\trowd\cellx1000\cellx3000\pard\plain\intbl Seal\cell {\pard\intbl\itap2 in\nestcell mm\nestcell{\*\nesttableprops\trowd\cellx500\cellx900\nestrow}}\pard\intbl\itap1 end\cell\row",
)


def test_a_contract_keeps_clause_numbers_changes_and_notes(tmp_path: Path) -> None:
    assert (
        read(tmp_path, CONTRACT, NAME).text
        == """# SERVICE AGREEMENT

# Article I. Term

1.1 The term is twenty-four months[^1].

1.2 It ends:

- (a) on notice; or
- (b) on breach of 1.1.

# Article II. Fees

| Service | Fee |
| --- | --- |
| Support\\|Basic | € 100<br>per month |

Signed: ____________

[^1]: As amended.
"""
    )


def test_a_chinese_annual_report_keeps_numbers_tables_and_pictures(tmp_path: Path) -> None:
    reading = read(tmp_path, REPORT, NAME)
    assert (
        reading.text
        == f"""# 某某公司 2025 年度报告

# 第一节 主要指标

| 项目 | 本期 |  |
| --- | --- | --- |
|  | 金额 | 占比 |
| 收入 | 1,234.56 | 100% |

![image](images/{reading.images[0].name})
"""
    )


def test_a_manual_keeps_lists_boxes_and_code(tmp_path: Path) -> None:
    text = read(tmp_path, MANUAL, NAME).text
    assert text.startswith("""# Pump

WARNING

Read this first.

1. Open valve A.
   - slowly
2. Press start.

```
pump --start
  --rate=5
```

| Part | Sizes |
| --- | --- |
| Seal |""")
    assert "in \\| mm" in text and "end" in text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "RTF_UNREADABLE"),
        (b"plain text", "RTF_UNREADABLE"),
        (encrypted_office_file(), "RTF_UNREADABLE"),
        (rb"{\rtf1 }", "TEXT_EMPTY"),
    ],
)
def test_a_file_of_no_use_says_why(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, NAME) == reason


def test_a_file_cut_off_or_changed_is_read_or_refused(tmp_path: Path) -> None:
    for place in range(10, len(CONTRACT), len(CONTRACT) // 25):
        broken = bytearray(CONTRACT)
        broken[place] ^= 0x55
        for data in (CONTRACT[:place], bytes(broken)):
            try:
                read(tmp_path, data, NAME)
            except InvalidArgument as error:
                assert error.reason in {"RTF_UNREADABLE", "TEXT_EMPTY", "TEXT_BINARY"}


def test_no_depth_is_too_much(tmp_path: Path) -> None:
    assert read(tmp_path, rtf("{" * 5000 + "deep" + "}" * 5000 + r" end\par"), NAME).text == "deep end\n"


def test_time_grows_with_the_file_and_no_faster(tmp_path: Path) -> None:
    def seconds(lines: int) -> float:
        data = rtf(*([r"some {\b words} and \'e9\u36864? more of it\par"] * lines))
        start = time.process_time()
        read(tmp_path, data, NAME)
        return time.process_time() - start

    seconds(10)
    assert seconds(5000) < 40 * seconds(500) + 1


@pytest.mark.parametrize(
    ("line", "markdown"),
    [
        (r"angle {\f3 a} and {\f3\'b3b}, {\f0 a}\par", "angle α and ≥β, a\n"),
        (r"{\f3\u61537 ?\u-3998?} \u945?\par", "αβ α\n"),
        (
            r"x {\field{\*\fldinst SYMBOL 97 \\f \"Symbol\" \\s 12}{\fldrslt{\f3 a}}} y\par",
            "x α y\n",
        ),
        (
            r"clause{\*\atnid AL}{\*\atnauthor Ann \'e9}\chatn{\*\annotation{\*\atndate 123}{\*\atnref 1}"
            r"\pard\plain check {\b this}\par now\par} goes on\par",
            "clause [Comment of Ann é: check this now] goes on\n",
        ),
        (r"clause{\*\annotation said}\par next\par", "clause [Comment: said]\n\nnext\n"),
    ],
)
def test_symbols_and_comments_come_through(tmp_path: Path, line: str, markdown: str) -> None:
    assert read(tmp_path, rtf(r"\pard\plain " + line), NAME).text == markdown
