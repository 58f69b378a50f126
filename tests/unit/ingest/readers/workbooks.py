"""Workbooks for the tests of the XLSX reader."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import openpyxl
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from tests.support.read_files import read_bytes


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
