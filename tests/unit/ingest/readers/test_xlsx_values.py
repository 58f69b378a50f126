from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.formula.translate import Translator
from openpyxl.utils import get_column_letter

from services.ingest.readers.xlsx.formulas import Shared
from services.ingest.readers.xlsx.number_formats import Shown, shown_by
from services.ingest.readers.xlsx.reader import text_of
from tests.support.read_files import read_bytes, repacked
from tests.unit.ingest.readers.workbooks import saved, sheet, text_of_sheet


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        (100.0, "100"),
        (-0.0, "0"),
        (1234567890123456.0, "1234567890123456"),
        (1e21, "1e+21"),
        (2.50, "2.5"),
        (float("inf"), "inf"),
        (True, "TRUE"),
        (dt.date(2024, 1, 31), "2024-01-31"),
        (dt.datetime(2024, 1, 31), "2024-01-31"),
        (dt.datetime(2024, 1, 31, 8, 30), "2024-01-31 08:30"),
        (dt.datetime(2024, 1, 31, 8, 29, 59, 999_999), "2024-01-31 08:30"),
        (dt.datetime(2024, 1, 31, 8, 30, 5), "2024-01-31 08:30:05"),
        (dt.datetime(9999, 12, 31, 23, 59, 59, 999_999), "9999-12-31 23:59:59"),
        (dt.time(8, 30), "08:30"),
        (dt.time(8, 30, 7), "08:30:07"),
        (dt.timedelta(hours=30), "30:00:00"),
        (dt.timedelta(hours=-1), "-1:00:00"),
        ("  x ", "x"),
        ("", ""),
    ],
)
def test_values_are_written_as_a_sheet_shows_them(value: object, text: str) -> None:
    assert text_of(value) == text


def test_values_survive_the_file(tmp_path: Path) -> None:
    page = sheet(
        [
            "a",
            0.1 + 0.2,
            dt.date(2024, 1, 31),
            dt.datetime(2024, 1, 31, 8, 30),
            True,
            "x\ny",
            "a|b",
            dt.time(8, 5),
        ],
        [None, CellRichText("a ", TextBlock(InlineFont(b=True), "bold"), " c"), dt.timedelta(hours=30), 1e-7],
    )
    assert text_of_sheet(tmp_path, page).splitlines()[2:] == [
        "| a | 0.3 | 2024-01-31 | 2024-01-31 08:30 | TRUE | x<br>y | a\\|b | 08:05 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "|  | a bold c | 30:00:00 | 1e-07 |  |  |  |  |",
    ]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("0%", Shown("", "%", True, 0)),
        ("0.0%;[Red]-0.0%", Shown("", "%", True, 1)),
        ("¥#,##0.00", Shown("¥", "", False, 2)),
        ('0"台"', Shown("", "台", False, 0)),
        ("_-[$€-407]* #,##0.00_-", Shown("€", "", False, 2)),
        ('"$"#,##0_);[Red]\\("$"#,##0\\)', Shown("$", "", False, 0)),
        ('#,##0.0" kg"', Shown("", " kg", False, 1)),
        ('"a;b"0', Shown("a;b", "", False, 0)),
        ("#,##0.00", None),
        ("General", None),
        ('yyyy"年"m"月"d"日"', None),
        ("[h]:mm", None),
        ("0.00E+00", None),
        ("00000", Shown("", "", False, 0, 5)),
        ("00.0", Shown("", "", False, 1, 2)),
        ("000-00", None),
        ("@", None),
    ],
)
def test_a_number_format_says_what_stands_around_the_number(code: str, shown: Shown | None) -> None:
    assert shown_by(code) == shown


def test_percents_currencies_and_units_are_shown(tmp_path: Path) -> None:
    page = sheet(["a", "b", "c", "d", "e"], [0.125, 1 / 3, -99.5, 3, 7])
    for cell, code in (("A2", "0.0%"), ("B2", "0%"), ("C2", "¥#,##0.00"), ("D2", '0"台"'), ("E2", "0.00")):
        page[cell].number_format = code
    assert text_of_sheet(tmp_path, page).splitlines()[-1] == "| 12.5% | 33.33% | -¥99.5 | 3台 | 7 |"


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ('#,##0.0,,"M"', 243_235_962_000, "243235.962M"),
        ('#,##0,"K"', 1_234_567, "1234.567K"),
        ("0.0,", 1_234_567, "1234.567"),
        ("0,.0", 1_234_567, "1234.567"),
        ('0.00,,,"bn"', 243_236_000_000, "243.236bn"),
        ('0!.0,"万"', 123_456, "12.3456万"),
        ('0\\.0,"万"', -123_456, "-12.3456万"),
        ('0"."00"元"', 1999, "19.99元"),
        ('¥#,##0,,"百万"', 5_000_000, "¥5百万"),
        ('#,##0,"K";(#,##0,"K")', -1500, "-1.5K"),
        ('"profit "0;"loss "0', 3, "profit 3"),
        ('"profit "0;"loss "0', -3, "loss 3"),
        ('"profit "0;"loss "0', 0, "profit 0"),
        ('0;-0;"nil"', 0, "nil"),
        ('0;-0;"nil"', -7, "-7"),
        ('"Yes";;"No"', 1, "Yes"),
        ('"Yes";;"No"', 0, "No"),
        ('"Yes";;"No"', -1, "-1"),
        ('_ "¥"* #,##0_ ;_ "¥"* -#,##0_ ;_ "¥"* "-"??_ ;_ @_ ', -5, "¥-5"),
        ('_ "¥"* #,##0_ ;_ "¥"* -#,##0_ ;_ "¥"* "-"??_ ;_ @_ ', 0, "¥0"),
        ('0"台";-0"台";', 0, "0台"),
        ("$0;-$0;0", 0, "0"),
        (";;;", 5, "5"),
        ('[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', 2_500_000, "2.5M"),
        ('[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', 2500, "2.5K"),
        ('[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', 25, "25"),
        ('[>=1000000]0.0,,"M";[>=1000]0.0,"K";0', -25, "-25"),
        ('[<0]"loss "0;"profit "0', -3, "loss 3"),
        ('[<0]"loss "0;"profit "0', 3, "profit 3"),
        ('0.0%" of sales"', 0.25, "25% of sales"),
        ('General"台"', 3, "3台"),
        ('0"万"0000"元"', 123_456, "123456"),
        ('000-000" x"', 123_456, "123456"),
        ('# ?/?" in"', 0.125, "0.125 in"),
    ],
)
def test_a_number_stands_in_the_unit_that_its_format_names(
    tmp_path: Path, code: str, value: float, text: str
) -> None:
    page = sheet(["a", "b"], ["n", value])
    page["B2"].number_format = code
    assert text_of_sheet(tmp_path, page).splitlines()[-1] == f"| n | {text} |"


def test_leading_zeros_of_a_number_format_are_shown(tmp_path: Path) -> None:
    page = sheet(["a", "b", "c", "d"], [123, -7, 1.5, 1234567])
    for cell, code in (("A2", "00000"), ("B2", '"No."000'), ("C2", "00.0"), ("D2", "00000")):
        page[cell].number_format = code
    assert text_of_sheet(tmp_path, page).splitlines()[-1] == "| 00123 | -No.007 | 01.5 | 1234567 |"


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("1801234567890123456", "1801234567890123456"),
        ("-110101199003071234", "-110101199003071234"),
        ("62220212345678901", "62220212345678901"),
        ("1.801234567890124e+18", "1801234567890124000"),
        ("1.23E18", "1230000000000000000"),
        ("1.2345678901234567E+15", "1.23456789012346e+15"),
        ("1E+21", "1e+21"),
        ("0.30000000000000004", "0.3"),
    ],
)
def test_whole_numbers_keep_all_digits_that_are_stored(tmp_path: Path, stored: str, text: str) -> None:
    page = sheet(["order", "n"], [77, "1801234567890123456"], [77, None])
    page["A3"].number_format = "000"
    data = saved(page.parent)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").replace(b"<v>77<", f"<v>{stored}<".encode())
    lines = read_bytes(tmp_path, repacked(data, xl__worksheets__sheet1_xml=xml), "a.xlsx").text.splitlines()
    assert lines[-2] == f"| {text} | 1801234567890123456 |"


def test_errors_of_formulas_stand_where_their_value_would(tmp_path: Path) -> None:
    page = sheet(["a", "b"], [1, "#DIV/0!"], ["#N/A", "#REF!"])
    for cell in ("B2", "A3", "B3"):
        page[cell].data_type = "e"
    assert text_of_sheet(tmp_path, page).splitlines()[-2:] == ["| 1 | #DIV/0! |", "| #N/A | #REF! |"]


def with_formula(value: str) -> bytes:
    """A workbook whose one formula has a value that was computed by Excel."""
    page = sheet(["n", "sum"], [1, "=SUM(A2:A9)"])
    data = saved(page.parent)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").decode()
    return repacked(
        data, xl__worksheets__sheet1_xml=xml.replace("<v></v>", value).replace("<v />", value).encode()
    )


def test_a_formula_is_its_last_value(tmp_path: Path) -> None:
    text = read_bytes(tmp_path, with_formula("<v>41.5</v>"), "a.xlsx").text
    assert text.splitlines()[-1] == "| 1 | 41.5 |"


def test_a_formula_whose_value_was_not_stored_is_shown_itself(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Part", "Price", "With tax"], ["bolt", 3, "=B2*1.2"], ["nut", 5, "=B3*1.2"]):
        sheet.append(row)
    sheet["B4"] = '=SUM(B2:B3)&" <in all>"'
    path = tmp_path / "book.xlsx"
    book.save(path)
    text = read_bytes(tmp_path, path.read_bytes(), "book.xlsx").text
    assert "| bolt | 3 | =B2*1.2 |" in text
    assert "| nut | 5 | =B3*1.2 |" in text
    assert '=SUM(B2:B3)&" <in all>"' in text.replace("\\", "")


@pytest.mark.parametrize(
    ("formula", "moved"),
    [
        ("A1*2+$A$1+A$1+$A1", "=B3*2+$A$1+B$1+$A3"),
        ("SUM(A1:C3)/LOG10(Z1)", "=SUM(B3:D5)/LOG10(AA3)"),
        ("SUM(A:A)+SUM($B:C)+SUM(1:$2)", "=SUM(B:B)+SUM($B:D)+SUM(3:$2)"),
        ("\"A1 of \"&A1&'Sheet A1'!B2&Sheet2!B2", "=\"A1 of \"&B3&'Sheet A1'!C4&Sheet2!C4"),
        ("RATE_A1+Table1[Q1]+A1.5x+TRUE", "=RATE_A1+Table1[Q1]+A1.5x+TRUE"),
        ("XFD1+A1", "=#REF!+B3"),
    ],
)
def test_a_shared_formula_moves_with_its_cell(formula: str, moved: str) -> None:
    assert "=" + Shared(formula, 2, 2).at(4, 3) == moved


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "$"]), st.integers(5, 700), st.sampled_from(["", "$"]), st.integers(5, 99999)
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_shared_formulas_move_as_another_program_moves_them(
    cells: list[tuple[str, int, str, int]], row: int, column: int
) -> None:
    names = [f"{held}{get_column_letter(at)}{fixed}{line}" for held, at, fixed, line in cells]
    formula = f'IF({"+".join(names)}>1,"{names[0]}",SUM({names[0]}:{names[-1]}))'
    expected = Translator(f"={formula}", "E5").translate_formula(f"{get_column_letter(column)}{row}")
    assert "=" + Shared(formula, 5, 5).at(row, column) == expected


def test_a_shared_formula_without_a_value_is_shown_as_its_cell_has_it(tmp_path: Path) -> None:
    page = sheet(["n", "twice"], [1, "B2"], [2, "B3"], [3, "B4"], [4, "B5"])
    data = saved(page.parent)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").decode()
    contents = (
        '<f t="shared" ref="B2:B5" si="0">A2*2&amp;"&lt;"</f><v></v>',
        '<f t="shared" si="0"/>',
        '<f t="shared" si="0"></f><v/>',
        '<f t="shared" si="0"/><v>8</v>',
    )
    for row, content in enumerate(contents, 2):
        xml = re.sub(f'<c r="B{row}"[^>]*>.*?</c>', f'<c r="B{row}">{content}</c>', xml)
    text = read_bytes(tmp_path, repacked(data, xl__worksheets__sheet1_xml=xml.encode()), "a.xlsx").text
    assert text.splitlines()[4:] == [
        '| 1 | =A2*2&"<" |',
        '| 2 | =A3*2&"<" |',
        '| 3 | =A4*2&"<" |',
        "| 4 | 8 |",
    ]
