"""Three difficult files, as accountants, shops and offices make them."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.drawing.image import Image

from tests.support.read_files import PNG, read_bytes
from tests.unit.ingest.readers.workbooks import saved, sheet, text_of_sheet


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
