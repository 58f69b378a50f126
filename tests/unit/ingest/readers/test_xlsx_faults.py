from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image

from services.runtime.errors import InvalidArgument
from tests.support.read_files import PNG, read_bytes, refusal, repacked, rows_at
from tests.unit.ingest.readers.workbooks import saved, sheet, text_of_sheet

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@pytest.mark.full
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
