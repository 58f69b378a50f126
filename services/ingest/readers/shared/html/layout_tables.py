"""Tables that hold no data: they only put blocks beside each other."""

from __future__ import annotations

from collections.abc import Iterable

from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.marks import GONE


def open_layout(root: Element) -> Element:
    """Let tables that hold tables and have no head stand as plain blocks, in place: they only lay out."""
    for table in root.iter("table"):
        inside = table.iter("table")
        next(inside)
        cells = [cell for cell in table.iter("td", "th") if owner(cell) is table]
        if next(inside, None) is not None and all(cell.tag == "td" for cell in cells):
            open_up(table, cells)
    return root


def mend_table(table: Element) -> None:
    """Make a listing with line numbers a code block, and a table of one cell or for layout, plain blocks."""
    cells = [cell for cell in table.iter("td", "th") if owner(cell) is table]
    codes = [cell for cell in cells if cell.find(".//pre") is not None]
    named = " ".join([table.get("class", ""), *(cell.get("class", "") for cell in cells[:2])])
    if (
        len(cells) == 2
        and codes
        and any(word in named for word in ("highlight", "lineno", "gutter", "rouge"))
    ):
        cells[0].tag = GONE
        open_up(table, cells)
    elif len(cells) == 1 or table.get("role") in {"presentation", "none"}:
        open_up(table, cells)


def open_up(table: Element, cells: Iterable[Element]) -> None:
    """Let the cells of a table stand as blocks below each other."""
    for part in table.iter("thead", "tbody", "tfoot", "tr", "caption"):
        if owner(part) is table:
            part.tag = "div"
    for cell in cells:
        if cell.tag != GONE:
            cell.tag = "div"
    table.tag = "div"


def owner(part: Element) -> Element | None:
    """The table that a part belongs to."""
    return next(part.iterancestors("table"), None)
