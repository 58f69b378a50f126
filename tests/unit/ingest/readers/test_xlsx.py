from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from services.ingest.readers.xlsx.cells import Shown, shown_by
from services.ingest.readers.xlsx.reader import text_of
from services.runtime.errors import InvalidArgument
from tests.support.read_files import PNG, read_bytes, refusal, repacked, rows_at

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def saved(book: Workbook) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def sheet(*rows: Sequence[object], name: str = "Sheet") -> Worksheet:
    book = openpyxl.Workbook()
    book.active.title = name
    for row in rows:
        book.active.append(row)
    return book.active


def text_of_sheet(folder: Path, page: Worksheet) -> str:
    return read_bytes(folder, saved(page.parent), "a.xlsx").text


def test_a_sheet_is_a_section_with_a_table_whose_rows_have_places(tmp_path: Path) -> None:
    page = sheet(["part", "years"], ["motor", 8], ["belt", 2], name="Warranty")
    reading = read_bytes(tmp_path, saved(page.parent), "a.xlsx")
    assert reading.text == "## Warranty\n\n| part | years |\n| --- | --- |\n| motor | 8 |\n| belt | 2 |\n"
    assert rows_at(reading) == ["| motor | 8 |", "| belt | 2 |"]
    assert (reading.page_starts, reading.syntax) == ([0], "markdown")


def test_each_sheet_is_a_page_in_order_empty_and_hidden_ones_too(tmp_path: Path) -> None:
    page = sheet(["a", "b"], name="One")
    page.parent.create_sheet("Empty")
    hidden = page.parent.create_sheet("Hidden")
    hidden["C5"] = "found"
    hidden.sheet_state = "veryHidden"
    page.parent.create_sheet("Last")["A1"] = "end"
    reading = read_bytes(tmp_path, saved(page.parent), "a.xlsx")
    assert reading.text.split("\n\n")[0] == "## One"
    assert [reading.page_at(reading.text.index(word)) for word in ("## One", "a |", "found", "end")] == [
        1,
        1,
        3,
        4,
    ]
    assert "Empty" not in reading.text
    assert len(reading.page_starts) == 4


def test_an_empty_row_parts_two_tables(tmp_path: Path) -> None:
    page = sheet([None], ["a", "b"], [1, 2], [None, None], [None], ["c", "d", "e"], [3, None, 5])
    assert text_of_sheet(tmp_path, page) == (
        "## Sheet\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| c | d | e |\n| --- | --- | --- |\n| 3 |  | 5 |\n"
    )


def test_columns_that_a_table_does_not_use_are_left_out(tmp_path: Path) -> None:
    page = sheet()
    page["C3"], page["F3"], page["C4"], page["F4"] = "a", "b", 1, 2
    assert text_of_sheet(tmp_path, page) == "## Sheet\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_lines_of_one_cell_above_a_table_are_its_captions(tmp_path: Path) -> None:
    page = sheet(["Sales 2024"], ["# in thousands"], ["a", "b"], [1, 2], ["sum"])
    assert text_of_sheet(tmp_path, page) == (
        "## Sheet\n\nSales 2024\n\n\\# in thousands\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n| sum |  |\n"
    )


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


def test_links_of_cells_keep_their_address(tmp_path: Path) -> None:
    page = sheet(["name", "site"], ["Li", "manual"], ["Wu", "https://example.org/w"])
    page["B2"].hyperlink = "https://example.org/m"
    page["B3"].hyperlink = "https://example.org/w"
    page["A3"].hyperlink = "#Sheet!A1"
    assert text_of_sheet(tmp_path, page).splitlines()[-2:] == [
        "| Li | [manual](https://example.org/m) |",
        "| Wu | https://example.org/w |",
    ]


def test_a_merged_cell_stands_once_and_the_others_are_empty(tmp_path: Path) -> None:
    page = sheet(["item", "2023", None], [None, "Q1", "Q2"], ["sales", 1, 2])
    page.merge_cells("B1:C1")
    page.merge_cells("A1:A2")
    assert text_of_sheet(tmp_path, page).splitlines()[2:] == [
        "| item | 2023 |  |",
        "| --- | --- | --- |",
        "|  | Q1 | Q2 |",
        "| sales | 1 | 2 |",
    ]


def test_pictures_notes_text_boxes_and_charts_stand_at_their_row(tmp_path: Path) -> None:
    page = sheet(["a", "b"], [1, 2], [], [], [], [], [], ["c", "d"], [3, 4])
    page.add_image(Image(io.BytesIO(PNG)), "A5")
    page["B2"].comment = Comment("checked by Li", "me")
    chart = BarChart()
    chart.title = "Sales"
    chart.add_data(Reference(page, min_col=2, min_row=1, max_row=2), titles_from_data=True)
    page.add_chart(chart, "A20")
    reading = read_bytes(tmp_path, saved(page.parent), "a.xlsx")
    order = ["| 1 | 2 |", "Note on B2: checked by Li", "](images/", "| 3 | 4 |", "Chart: Sales"]
    assert [reading.text.index(part) for part in order] == sorted(reading.text.index(part) for part in order)
    [image] = reading.images
    assert (image.media_type, image.size_bytes) == ("image/png", len(PNG))


def test_one_picture_on_two_sheets_is_kept_once_and_placed_twice(tmp_path: Path) -> None:
    page = sheet(["a", "b"])
    page.add_image(Image(io.BytesIO(PNG)), "A5")
    page.parent.create_sheet("Two").add_image(Image(io.BytesIO(PNG)), "A1")
    images = read_bytes(tmp_path, saved(page.parent), "a.xlsx").images
    assert len(images) == 2
    assert len({image.name for image in images}) == 1


# Three difficult files, as accountants, shops and offices make them.


def test_a_financial_statement_keeps_titles_headers_percents_and_remarks(tmp_path: Path) -> None:
    page = sheet(
        ["华东机电有限公司"],
        ["合并利润表"],
        ["编制日期：", None, None, dt.date(2024, 12, 31)],
        [],
        ["项目", "2023年度", None, "2024年度", None],
        [None, "金额", "占比", "金额", "占比"],
        ["一、营业收入", 120_500_000.0, 1, 138_250_000.5, 1],
        ["减：营业成本\n（含税金）", 80_333_333.33, 2 / 3, 90_100_000, 0.6517],
        ["二、营业利润", 40_166_666.67, 1 / 3, None, None],
        [],
        ["注：\n1. 本表未经审计。\n2. 金额单位：元。"],
        name="利润表",
    )
    page.merge_cells("A1:E1")
    page.merge_cells("B5:C5")
    page.merge_cells("D5:E5")
    for cell in ("C7", "C8", "C9", "E7", "E8"):
        page[cell].number_format = "0.00%"
    for cell in ("B7", "D7"):
        page[cell].number_format = '"¥"#,##0.00'
    page.add_image(Image(io.BytesIO(PNG)), "G2")
    reading = read_bytes(tmp_path, saved(page.parent), "利润表.xlsx")
    lines = reading.text.splitlines()
    assert lines[:7] == [
        "## 利润表",
        "",
        "华东机电有限公司",
        "",
        "合并利润表",
        "",
        "| 编制日期： | 2024-12-31 |",
    ]
    start = lines.index("| 项目 | 2023年度 |  | 2024年度 |  |")
    assert lines[start + 1 : start + 6] == [
        "| --- | --- | --- | --- | --- |",
        "|  | 金额 | 占比 | 金额 | 占比 |",
        "| 一、营业收入 | ¥120500000 | 100% | ¥138250000.5 | 100% |",
        "| 减：营业成本<br>（含税金） | 80333333.33 | 66.67% | 90100000 | 65.17% |",
        "| 二、营业利润 | 40166666.67 | 33.33% |  |  |",
    ]
    assert lines[-3:] == ["注：", "1. 本表未经审计。", "2. 金额单位：元。"]
    assert reading.text.index("](images/") < reading.text.index("| 项目")


def test_a_catalogue_keeps_hidden_sheets_codes_links_and_gaps(tmp_path: Path) -> None:
    page = sheet(["SKU", "Name", "Price"], name="Tools & parts")
    page.append(["007", "Hammer | 500 g", 12.5])
    page.append([])
    page.append(["SKU", "Name", "Price", "Stock"])
    page.append(["1-2", "=HYPERLINK", 3, 0])
    page["B5"].value = "Nail\tpack"
    page["A2"].number_format = "@"
    other = page.parent.create_sheet("Old stock")
    other.sheet_state = "hidden"
    other.append(["SKU", "Until"])
    other.append(["X9", dt.datetime(2023, 6, 30, 17, 45)])
    page.parent.create_sheet("Notes")["B7"] = "call 0800 123"
    reading = read_bytes(tmp_path, saved(page.parent), "catalogue.xlsx")
    assert reading.text == (
        "## Tools & parts\n\n"
        "| SKU | Name | Price |\n| --- | --- | --- |\n| 007 | Hammer \\| 500 g | 12.5 |\n\n"
        "| SKU | Name | Price | Stock |\n| --- | --- | --- | --- |\n| 1-2 | Nail\tpack | 3 | 0 |\n\n"
        "## Old stock\n\n| SKU | Until |\n| --- | --- |\n| X9 | 2023-06-30 17:45 |\n\n"
        "## Notes\n\ncall 0800 123\n"
    )
    assert [reading.page_at(start) for start in reading.row_starts] == [1, 1, 2]


def test_a_chinese_list_with_errors_rich_text_and_surrogates_keeps_all(tmp_path: Path) -> None:
    page = sheet(
        ["序号", "姓名", "比率", "备注"],
        [1, "欧阳娜娜", "#DIV/0!", CellRichText("见", TextBlock(InlineFont(b=True), "附件"), "一")],
        [2, "𠮷野家 🙂", "#VALUE!", "עברית e\u0301"],
        [3, "", "#N/A", "  两端空格  "],
        name="名单 (2024)",
    )
    for cell in ("C2", "C3", "C4"):
        page[cell].data_type = "e"
    assert text_of_sheet(tmp_path, page).splitlines() == [
        "## 名单 (2024)",
        "",
        "| 序号 | 姓名 | 比率 | 备注 |",
        "| --- | --- | --- | --- |",
        "| 1 | 欧阳娜娜 | #DIV/0! | 见附件一 |",
        "| 2 | 𠮷野家 🙂 | #VALUE! | עברית e\u0301 |",
        "| 3 |  | #N/A | 两端空格 |",
    ]


# Faults.


def test_a_tall_sheet_is_read_in_bounded_memory(tmp_path: Path) -> None:
    rows = "".join(
        f'<row r="{row}"><c r="A{row}" t="inlineStr"><is><t>name {row}</t></is></c><c r="B{row}"><v>{row / 7}</v></c></row>'
        for row in range(1, 100_001)
    )
    xml = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    data = repacked(saved(sheet(["a"]).parent), xl__worksheets__sheet1_xml=xml.encode())
    reading = read_bytes(tmp_path, data, "tall.xlsx")
    assert len(reading.row_starts) == 99_999
    assert rows_at(reading)[-1] == "| name 100000 | 14285.7142857143 |"


def test_a_text_that_becomes_too_long_is_refused_early(tmp_path: Path) -> None:
    page = sheet(*(["x" * 50] * 3 for _ in range(100)))
    assert refusal(tmp_path, saved(page.parent), "a.xlsx", 1000).reason == "TEXT_TOO_LARGE"


def test_a_cell_far_out_is_told_by_its_place(tmp_path: Path) -> None:
    page = sheet(["a"], name="wide")
    page["XFD1048576"] = "far"
    error = refusal(tmp_path, saved(page.parent), "a.xlsx")
    assert error.reason == "SHEET_TOO_LARGE"
    assert (error.metadata["sheet"], error.metadata["row"], error.metadata["column"]) == (
        "wide",
        "1048576",
        "16384",
    )


def test_a_far_cell_that_only_has_a_format_does_no_harm(tmp_path: Path) -> None:
    from openpyxl.styles import Font

    page = sheet(["a"], ["b"])
    page["XFD1048576"].font = Font(bold=True)
    assert text_of_sheet(tmp_path, page) == "## Sheet\n\n| a |\n| --- |\n| b |\n"


def test_an_empty_workbook_holds_no_text(tmp_path: Path) -> None:
    assert refusal(tmp_path, saved(sheet().parent), "a.xlsx").reason == "TEXT_EMPTY"


def test_entities_in_a_sheet_are_refused(tmp_path: Path) -> None:
    bad = b'<!DOCTYPE a [<!ENTITY x "y">]><worksheet/>'
    error = refusal(tmp_path, repacked(saved(sheet(["a"]).parent), xl__worksheets__sheet1_xml=bad), "a.xlsx")
    assert error.reason == "XML_BOMB"


@pytest.mark.parametrize(
    "parts",
    [
        {"xl__workbook_xml": None},
        {"xl__workbook_xml": b"<workbook"},
        {"xl__worksheets__sheet1_xml": None},
        {"xl__worksheets__sheet1_xml": b"<worksheet><sheetData><row><c><v>"},
        {"xl__styles_xml": b"no xml"},
    ],
)
def test_a_damaged_workbook_says_so(tmp_path: Path, parts: dict[str, bytes | None]) -> None:
    data = repacked(saved(sheet(["a"]).parent), **parts)
    assert refusal(tmp_path, data, "a.xlsx").reason == "XLSX_UNREADABLE"


@cache
def with_everything() -> bytes:
    page = sheet(["a", 1.5], ["b", 0.5])
    page["B2"].number_format = "0%"
    page.add_image(Image(io.BytesIO(PNG)), "A5")
    page["A1"].comment = Comment("note", "me")
    return saved(page.parent)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_no_damage_to_a_part_ends_in_an_unforeseen_error(tmp_path: Path, data: st.DataObject) -> None:
    whole = with_everything()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        name = data.draw(
            st.sampled_from([name for name in archive.namelist() if name.endswith((".xml", ".rels"))])
        )
        part = bytearray(archive.read(name))
    place = data.draw(st.integers(0, len(part) - 1))
    part[place : place + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=4))
    key = name.replace("/", "__").removesuffix(".xml")
    changed = repacked(whole, **{f"{key}_xml" if name.endswith(".xml") else key: bytes(part)})
    try:
        read_bytes(tmp_path, changed, "a.xlsx")
    except InvalidArgument as error:
        assert error.reason in {"XLSX_UNREADABLE", "TEXT_EMPTY", "XML_BOMB", "SHEET_TOO_LARGE", "TEXT_BINARY"}


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
