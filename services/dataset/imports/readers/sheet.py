"""XLSX: the first row of a sheet that is not empty names its columns."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any, TypeVar

from python_calamine import CalamineSheet, CalamineWorkbook

from services.dataset.imports.readers.reading import Source
from services.dataset.imports.readers.streams import damaged, seekable
from services.dataset.imports.readers.table import names_of, row_of
from services.dataset.imports.rows import Rows
from services.runtime.archives import check_directory
from services.runtime.errors import InvalidArgument

MOST_BYTES = 2 << 30
"""A workbook, unpacked."""
MOST_CELLS = 8_000_000
"""Cells of the rectangle that a sheet fills, empty ones too: the library keeps them all in memory."""
EXACT = 1e15
"""Whole numbers below are exact in a sheet."""

T = TypeVar("T")


def read(source: Source) -> Rows:
    """The rows of the sheets, with their numbers there.

    Raises:
        InvalidArgument: the file is damaged, encrypted or made to swell, or has no such sheet.
    """
    with opened(source) as book:
        for name in sheets_of(book, source):
            yield from rows_of(library(source, book.get_sheet_by_name, name), f"{source.name}, sheet {name}")


def names_in(source: Source) -> list[str]:
    """The names of the sheets to read.

    Raises:
        InvalidArgument: the file is damaged, encrypted or made to swell, or has no such sheet.
    """
    with opened(source) as book:
        return sheets_of(book, source)


@contextmanager
def opened(source: Source) -> Iterator[CalamineWorkbook]:
    """A workbook, after a look at its directory.

    Raises:
        InvalidArgument: the file is damaged, encrypted or made to swell.
    """
    with seekable(source.path, source.name, source.folder) as path:
        with library(source, zipfile.ZipFile, path) as archive:
            check_directory(archive, source.name, MOST_BYTES)
        yield library(source, CalamineWorkbook.from_path, path)


def sheets_of(book: CalamineWorkbook, source: Source) -> list[str]:
    """The sheets to read.

    Raises:
        InvalidArgument: none has the wanted name.
    """
    wanted = source.options.sheet
    if not wanted:
        return list(book.sheet_names)
    if wanted not in book.sheet_names:
        raise InvalidArgument(
            "SHEET_MISSING",
            f"{source.name}: there is no sheet {wanted!r}; name one of {', '.join(book.sheet_names)}",
            "sheet",
            name=source.name,
            sheet=wanted,
        )
    return [wanted]


def rows_of(sheet: CalamineSheet, name: str) -> Rows:
    """The rows of a sheet that are not empty.

    Raises:
        InvalidArgument: the sheet is too large, or two columns have one name.
    """
    if sheet.total_height * sheet.total_width > MOST_CELLS:
        raise InvalidArgument(
            "SHEET_TOO_LARGE",
            f"{name}: {sheet.total_height} x {sheet.total_width} cells are more than {MOST_CELLS}; "
            "save the sheet as CSV",
            name=name,
        )
    rows = filled(sheet)
    header = next(rows, None)
    if header is None:
        return
    while header[1] and not header[1][-1]:
        header[1].pop()
    names = names_of(header[1], name)
    for number, cells in rows:
        while len(cells) > len(names) and not cells[-1]:
            cells.pop()
        yield number, row_of(names, cells)


def filled(sheet: CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    """The cells of rows that are not empty."""
    for number, values in enumerate(sheet.iter_rows(), 1):
        cells = [text_of(value) for value in values]
        if any(cells):
            yield number, cells


def text_of(value: object) -> str:
    """A cell as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return str(value)


def library(source: Source, call: Callable[..., T], *arguments: Any) -> T:
    """What a library makes of a file.

    Raises:
        InvalidArgument: it cannot read it.
    """
    try:
        return call(*arguments)
    except MemoryError:
        raise
    except Exception as error:
        # A damaged or locked workbook ends in any of a dozen errors.
        raise damaged(source.name, str(error)) from error
