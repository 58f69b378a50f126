"""What calamine does not tell of a sheet: how far it reaches, its errors, and how its numbers are shown.

The XML of a sheet is looked through without being parsed, as it may have hundreds of megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from html import unescape

from services.ingest.readers.xlsx.formulas import Shared
from services.ingest.readers.xlsx.number_formats import NumberFormat

CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br=\"([A-Z]{1,3})(\d{1,7})\"")
FAR_CELL = re.compile(rb" r=\"([A-Z]{2,3})\d{1,7}\"[^>]*[^/]>")
FULL_CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br=\"([A-Z]{1,3})(\d{1,7})\"[^>]*(?<!/)><(?!/)")
MOST_BLOCK_BYTES = 1 << 24
ROW = re.compile(rb"<(?:\w+:)?row\s[^>]*?\br=\"(\d{1,7})\"")
VALUE = re.compile(rb"<(?:\w+:)?v>([^<]*)<")
LONG_NUMBER = re.compile(rb"v>(-?(?:\d{16,40}|\d(?:\.\d{1,20})?[eE]\+?(?:1[5-9]|20)))</(?:\w+:)?v>")
"""A number of more digits than a binary fraction holds, such as an order's."""
LINK = re.compile(rb"<(?:\w+:)?hyperlink\s[^>]*>")
LINK_CELL = re.compile(rb"\sref=\"([A-Z]{1,3})(\d{1,7})")
LINK_ID = re.compile(rb"\s\w+:id=\"([^\"]*)\"")
STYLE = re.compile(rb" s=\"(\d+)\"")
FORMULA = re.compile(
    rb"<(?:\w+:)?f(?:\s[^>]*)?>([^<]+)</(?:\w+:)?f>\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
"""A formula whose value was not stored."""
SHARED = re.compile(
    rb"<(?:\w+:)?f\s([^<>]*?t=\"shared\"[^<>]*?)(?:/>|>([^<]*)</(?:\w+:)?f>)"
    rb"(\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>)?"
)
"""A formula that cells share: its attributes, its text in the first cell, the end of one without value."""
SHARED_INDEX = re.compile(rb"\bsi=\"(\d+)\"")
ERROR_MARK = b' t="e"'
LETTERS = 26


@dataclass
class Marks:
    """What a look through a sheet found.

    Args:
        rows: number of the last row that holds something.
        columns: number of the last column that may hold something.
        cells: by row and column, from 0, an error, a formula without value, or how the number is shown.
        long_numbers: by row and column, from 0, all digits of a number that has many.
        links: by row and column, from 0, the relation that holds an address.
    """

    rows: int = 0
    columns: int = 0
    cells: dict[int, dict[int, str | NumberFormat]] = field(default_factory=dict)
    long_numbers: dict[int, dict[int, str]] = field(default_factory=dict)
    links: dict[int, dict[int, str]] = field(default_factory=dict)


def look_through(pieces: Iterable[bytes], styles: Mapping[int, NumberFormat]) -> Marks:
    """Find what calamine does not tell, in the XML of a sheet."""
    by_number = {b"%d" % index: shown for index, shown in styles.items()}
    marks = Marks(columns=LETTERS)
    shared: dict[bytes, Shared] = {}
    for block in blocks(pieces):
        if by_number:
            find_styled(block, by_number, marks)
        find_errors(block, marks)
        find_formulas(block, marks)
        find_shared(block, shared, marks)
        find_long_numbers(block, marks)
        if b"hyperlink " in block:
            find_links(block, marks)
        for letters in set(FAR_CELL.findall(block)):
            marks.columns = max(marks.columns, column_of(letters))
        last = block.rfind(b"row ")
        match = ROW.match(block, block.rfind(b"<", 0, last)) if last > 0 else None
        if match:
            marks.rows = max(marks.rows, int(match[1]))
    return marks


def find_links(block: bytes, marks: Marks) -> None:
    """Mark the cells that are links."""
    for link in LINK.findall(block):
        cell, relation = LINK_CELL.search(link), LINK_ID.search(link)
        if cell and relation:
            row = marks.links.setdefault(int(cell[2]) - 1, {})
            row[column_of(cell[1]) - 1] = relation[1].decode(errors="replace")


def find_styled(block: bytes, styles: Mapping[bytes, NumberFormat], marks: Marks) -> None:
    """Mark the cells whose style shows a text with the number."""
    for match in STYLE.finditer(block):
        shown = styles.get(match[1])
        if shown:
            mark_cell(block, match.start(), shown, marks)


def find_errors(block: bytes, marks: Marks) -> None:
    """Mark the cells that hold an error."""
    place = block.find(ERROR_MARK)
    while place >= 0:
        value = VALUE.search(block, place, block.find(b"c>", place))
        mark_cell(block, place, value[1].decode(errors="replace") if value else "", marks)
        place = block.find(ERROR_MARK, place + 1)


def find_formulas(block: bytes, marks: Marks) -> None:
    """Mark the cells that hold a formula without a value, as programs write them that cannot calculate."""
    if b"f>" in block:
        for match in FORMULA.finditer(block):
            mark_cell(block, match.start(), "=" + unescape(match[1].decode(errors="replace")), marks)


def find_shared(block: bytes, shared: dict[bytes, Shared], marks: Marks) -> None:
    """Mark the cells without a value whose formula stands in a cell before; remember those formulas."""
    if b'"shared"' not in block:
        return
    for match in SHARED.finditer(block):
        index = SHARED_INDEX.search(match[1])
        if not index or not (match[2] or match[3]):
            continue
        cell = cell_at(block, match.start())
        if not cell:
            continue
        row, column = int(cell[2]), column_of(cell[1])
        if match[2]:
            shared[index[1]] = Shared(unescape(match[2].decode(errors="replace")), row, column)
        elif index[1] in shared:
            mark_cell(block, match.start(), "=" + shared[index[1]].at(row, column), marks)


def find_long_numbers(block: bytes, marks: Marks) -> None:
    """Keep the digits of whole numbers that a binary fraction would lose."""
    for number in LONG_NUMBER.finditer(block):
        cell = cell_at(block, block.rfind(b' r="', 0, number.start()))
        value = Decimal(number[1].decode())
        if cell and value == value.to_integral_value():
            row = marks.long_numbers.setdefault(int(cell[2]) - 1, {})
            row[column_of(cell[1]) - 1] = f"{value:f}".partition(".")[0]


def mark_cell(block: bytes, place: int, mark: str | NumberFormat, marks: Marks) -> None:
    """Mark the cell that has an attribute at a place; rows have the same attributes."""
    match = cell_at(block, place)
    if match:
        marks.cells.setdefault(int(match[2]) - 1, {})[column_of(match[1]) - 1] = mark


def cell_at(block: bytes, place: int) -> re.Match[bytes] | None:
    """The cell that has an attribute at a place."""
    return CELL.match(block, block.rfind(b"<", 0, place)) if place > 0 else None


def blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The XML in blocks of whole rows."""
    rest = b""
    for piece in pieces:
        block = rest + piece
        end = block.rfind(b"row>") + 4
        if end < 4 and len(block) < MOST_BLOCK_BYTES:
            rest = block
            continue
        end = end if end >= 4 else len(block)
        yield block[:end]
        rest = block[end:]
    yield rest


def reach(pieces: Iterable[bytes]) -> tuple[int, int]:
    """The last row and column that hold something: slower, but exact."""
    rows = columns = 0
    for block in blocks(pieces):
        for letters, row in FULL_CELL.findall(block):
            rows, columns = max(rows, int(row)), max(columns, column_of(letters))
    return rows, columns


def column_of(letters: bytes) -> int:
    """Number of a column, from 1: `A` is 1, `AA` is 27."""
    number = 0
    for letter in letters:
        number = number * LETTERS + letter - ord("A") + 1
    return number
