"""XLSX: each sheet a section and a page; its cells as tables, an empty row between two of them."""

from __future__ import annotations

import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

from python_calamine import CalamineSheet, CalamineWorkbook

from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared import archives, markdown, opc
from services.ingest.readers.shared.images import Images
from services.ingest.readers.shared.text_builder import TextBuilder
from services.ingest.readers.xlsx.cells import Marks, look_through, reach
from services.ingest.readers.xlsx.number_formats import NumberFormat, formats_of, scaled
from services.ingest.readers.xlsx.objects import Placed, attribute, objects_of
from services.runtime.errors import InvalidArgument

MOST_CELLS = 8_000_000
"""Cells of the rectangle that a sheet fills, empty ones too: the library keeps them all in memory."""
SIGNIFICANT = ".15g"
"""As many digits as a sheet keeps; more are noise of binary fractions."""
EXACT = 10**17
LEAST_PERCENT_DECIMALS = 2

T = TypeVar("T")
Row = tuple[int, list[str]]
"""Number of a row from 0, and its cells."""


def read(source: Source) -> Reading:
    """Convert to Markdown: the values that were last computed, hidden sheets too; macros are no text.

    Raises:
        InvalidArgument: the file is damaged or encrypted, or holds no text, or too much.
    """
    writer = Writer(source)
    with archives.opened(source) as archive:
        archives.check_markup(archive, source)
        parts = sheet_parts(archive, source)
        styles = styles_of(archive, source)
        book = library(source, CalamineWorkbook.from_path, source.path)
        for name in book.sheet_names:
            part = parts.get(name, "")
            marks = marks_of(archive, part, source, styles, name)
            objects = objects_of(archive, part, source, writer.images) if part else []
            sheet = library(source, book.get_sheet_by_name, name)
            writer.write_sheet(name, rows_of(sheet, marks), objects)
    text = writer.builder.text()
    images = writer.images.placed(text)
    return checked(Reading(text, writer.pages, writer.rows, images=images), source.name)


class Writer:
    """The Markdown of a workbook in the making, with the places of its pages and rows."""

    def __init__(self, source: Source) -> None:
        self.builder = TextBuilder(source)
        self.images = Images(source.folder)
        self.pages: list[int] = []
        self.rows: list[int] = []

    def write_sheet(self, name: str, rows: Iterator[Row], objects: Sequence[Placed]) -> None:
        """A sheet: its objects stand before the table that begins below them, or at the end."""
        left = deque(objects)
        titled = False
        for block in blocks_of(rows):
            if not titled:
                self.pages.append(self.builder.add_block(markdown.heading(2, name)))
                titled = True
            while left and left[0][0] < block[0][0]:
                self.builder.add_block(left.popleft()[1])
            self.write_block([cells for _, cells in block])
        if not titled:
            # An empty sheet is a page without text.
            title = markdown.heading(2, name) if left else ""
            self.pages.append(self.builder.add_block(title))
        for _, text in left:
            self.builder.add_block(text)

    def write_block(self, rows: list[list[str]]) -> None:
        """Rows without an empty one between them: lines of one cell first, then a table."""
        used = sorted({column for row in rows for column, text in enumerate(row) if text})
        first = 0
        while len(used) > 1 and first < len(rows) and sum(map(bool, rows[first])) == 1:
            self.builder.add_block(markdown.paragraph("".join(rows[first])))
            first += 1
        if len(rows) == len(used) == 1:
            self.builder.add_block(markdown.paragraph("".join(rows[0])))
            return
        for number, row in enumerate(rows[first:]):
            # A row that ends in formulas without a value is longer than the others.
            line = markdown.line([row[column] if column < len(row) else "" for column in used], 0)
            if number == 0:
                self.builder.add_block(line + markdown.delimiter_line(len(used)))
            else:
                self.rows.append(self.builder.length)
                self.builder.add(line)


def blocks_of(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Rows that follow one another without an empty one between them."""
    block: list[Row] = []
    for number, cells in rows:
        if block and number != block[-1][0] + 1:
            yield block
            block = []
        if any(cells):
            block.append((number, cells))
        elif block:
            yield block
            block = []
    if block:
        yield block


def rows_of(sheet: CalamineSheet, marks: Marks) -> Iterator[Row]:
    """The rows of a sheet, from its first, as texts."""
    first_column = sheet.start[1] if sheet.start else 0
    number = -1
    for number, values in enumerate(sheet.iter_rows()):
        cells = [text_of(value) for value in values]
        for column, digits in marks.long_numbers.get(number, {}).items():
            place = column - first_column
            if 0 <= place < len(values) and isinstance(values[place], int | float):
                cells[place] = digits
        for column, mark in marks.cells.get(number, {}).items():
            place = column - first_column
            if place >= len(cells) and isinstance(mark, str):
                cells += [""] * (place - len(cells)) + [mark]
            elif 0 <= place < len(values):
                cells[place] = marked(values[place], cells[place], mark)
        for column, address in marks.links.get(number, {}).items():
            place = column - first_column
            if 0 <= place < len(cells):
                cells[place] = markdown.link(cells[place], address)
        yield number, cells
    for below in sorted(one for one in marks.cells if one > number):
        texts = {column: mark for column, mark in marks.cells[below].items() if isinstance(mark, str)}
        if texts:
            yield below, [texts.get(column, "") for column in range(first_column, max(texts) + 1)]


def marked(value: object, text: str, mark: str | NumberFormat) -> str:
    """A cell as the sheet shows it: an error by its name, a number with its sign and in its unit."""
    if isinstance(mark, str):
        return text or mark
    if not isinstance(value, int | float) or isinstance(value, bool):
        return text
    shown, signed = mark.shown(value)
    if shown is None:
        return text
    if shown.hides:
        return shown.before
    if shown.percent:
        decimals = max(shown.decimals, LEAST_PERCENT_DECIMALS)
        text = text_of(round(value * 100, decimals))
    if shown.scale:
        text = scaled(text, shown.scale)
    sign = "-" if signed and text.startswith("-") else ""
    whole, point, fraction = text.removeprefix("-").partition(".")
    filled = whole.zfill(shown.digits) if whole.isdigit() else whole
    return f"{sign}{shown.before}{filled}{point}{fraction}{shown.after}"


def text_of(value: object) -> str:
    """A value of a cell: dates as in ISO 8601, whole numbers without point, no noise of binary fractions."""
    match value:
        case str():
            return value.strip()
        case float():
            is_whole = abs(value) < EXACT and value.is_integer()
            return str(int(value)) if is_whole else format(value, SIGNIFICANT)
        case bool():
            return str(value).upper()
        case datetime():
            return date_time(value)
        case timedelta():
            seconds = round(value.total_seconds())
            hours, rest = divmod(abs(seconds), 3600)
            return f"{'-' if seconds < 0 else ''}{hours}:{rest // 60:02}:{rest % 60:02}"
        case time():
            return time_of(datetime.combine(date.min, value)) if value < time.max else value.isoformat()
        case _:
            return str(value)


def date_time(value: datetime) -> str:
    """A point in time, to the second: a sheet keeps it as a fraction of a day."""
    rounded = (value + timedelta(microseconds=500_000)).replace(microsecond=0) if value.year < 9999 else value
    return (
        rounded.date().isoformat() if rounded.time() == time.min else f"{rounded:%Y-%m-%d} {time_of(rounded)}"
    )


def time_of(value: datetime) -> str:
    """A time of day, without seconds where there are none."""
    return f"{value:%H:%M:%S}".removesuffix(":00") if value.second == 0 else f"{value:%H:%M:%S}"


def sheet_parts(archive: zipfile.ZipFile, source: Source) -> Mapping[str, str]:
    """The part of each sheet, by name."""
    books = opc.targets(opc.relations(archive, "", source), "officeDocument")
    book = books[0] if books else "xl/workbook.xml"
    relations = opc.relations(archive, book, source)
    found = {}
    for sheet in archives.xml(archives.read(archive, book, source), source).iter("{*}sheet"):
        relation = relations.get(attribute(sheet, "id"))
        if relation and relation.target in archive.NameToInfo:
            found[sheet.get("name", "")] = relation.target
    return found


def styles_of(archive: zipfile.ZipFile, source: Source) -> Mapping[int, NumberFormat]:
    """The styles whose numbers are shown with a text."""
    part = "xl/styles.xml"
    if part not in archive.NameToInfo:
        return {}
    return formats_of(archives.xml(archives.read(archive, part, source), source))


def marks_of(
    archive: zipfile.ZipFile, part: str, source: Source, styles: Mapping[int, NumberFormat], name: str
) -> Marks:
    """What the library does not tell of a sheet.

    Raises:
        InvalidArgument: the sheet is damaged, or its last cell lies too far out.
    """
    if not part:
        return Marks()
    marks = look_through(archives.pieces(archive, part, source), styles)
    if marks.rows * marks.columns > MOST_CELLS:
        rows, columns = reach(archives.pieces(archive, part, source))
        if rows * columns > MOST_CELLS:
            raise too_far(source, name, rows, columns)
    if marks.links:
        relations = opc.relations(archive, part, source)
        for links in marks.links.values():
            for column, relation_id in links.items():
                relation = relations.get(relation_id)
                links[column] = relation.target if relation and relation.is_outside else ""
    return marks


def library(source: Source, call: Callable[[Any], T], argument: object) -> T:
    """What the library answers.

    Raises:
        InvalidArgument: it cannot read the file.
    """
    try:
        return call(argument)
    except (MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # It has errors of its own for zip, XML and cells; a defect of it is a panic, which is no Exception.
        raise archives.unreadable(source, str(error)) from error


def too_far(source: Source, sheet: str, rows: int, columns: int) -> InvalidArgument:
    """The error for a sheet that is mostly empty, but very large."""
    return InvalidArgument(
        "SHEET_TOO_LARGE",
        f"{source.name}: the sheet {sheet!r} reaches to row {rows}, column {columns}: {rows * columns} "
        f"cells, at most {MOST_CELLS} are taken; delete what stands far out, or split the sheet",
        name=source.name,
        sheet=sheet,
        row=str(rows),
        column=str(columns),
    )
