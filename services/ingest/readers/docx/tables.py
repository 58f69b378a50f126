"""Tables of a DOCX made even: Pandoc drops cells beyond their grid, and beyond the first row."""

from __future__ import annotations

from lxml import etree

from services.ingest.readers.docx.styles import value
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import W

MOST_SPAN = 256
"""In columns; Word has at most 63."""


def even_rows(body: Element) -> None:
    """Put empty cells where rows of tables leave columns out (ISO/IEC 29500-1, 17.4.14 and 17.4.15)."""
    for table in list(body.iter(f"{W}tbl")):
        rows = list(table.iterchildren(f"{W}tr"))
        widths = [width_with_gaps(row) for row in rows]
        most = max(widths, default=0)
        for row, width in zip(rows, widths, strict=True):
            if width < most:
                row.append(empty_cell(most - width))
        set_grid(table, most)


def set_grid(table: Element, columns: int) -> None:
    """Declare the columns that a table has, whatever it said itself."""
    for grid in list(table.iterchildren(f"{W}tblGrid")):
        table.remove(grid)
    properties = table.find(f"{W}tblPr")
    grid = etree.Element(f"{W}tblGrid")
    for _ in range(columns):
        etree.SubElement(grid, f"{W}gridCol").set(f"{W}w", "1")
    table.insert(0 if properties is None else table.index(properties) + 1, grid)


def width_with_gaps(row: Element) -> int:
    """Make the columns that a row leaves out empty cells; return how many columns it has then."""
    width = 0
    for cell in row.iterchildren(f"{W}tc"):
        span = cell.find(f"{W}tcPr/{W}gridSpan")
        columns = columns_of(span, least=1)
        if span is not None:
            span.set(f"{W}val", str(columns))
        width += columns
    for name, place in (("gridBefore", 0), ("gridAfter", None)):
        gap = row.find(f"{W}trPr/{W}{name}")
        columns = columns_of(gap, least=0)
        if gap is not None:
            gap.getparent().remove(gap)
        if columns:
            cells = list(row.iterchildren(f"{W}tc"))
            at = row.index(cells[0]) if cells and place == 0 else len(row)
            row.insert(at, empty_cell(columns))
        width += columns
    return width


def columns_of(said: Element | None, least: int) -> int:
    """How many columns an element says; the least if it says no number."""
    number = value(said) or ""
    return max(least, min(int(number), MOST_SPAN)) if number.isascii() and number.isdigit() else least


def empty_cell(columns: int) -> Element:
    """A cell without text over some columns."""
    cell = etree.Element(f"{W}tc")
    etree.SubElement(etree.SubElement(cell, f"{W}tcPr"), f"{W}gridSpan").set(f"{W}val", str(columns))
    etree.SubElement(cell, f"{W}p")
    return cell
