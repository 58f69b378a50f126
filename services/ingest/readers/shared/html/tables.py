"""The cells of an HTML table in rows and columns, merged ones taken apart."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from services.ingest.readers.shared.elements import Element

MOST_SPAN = 256
"""Pages write 1000 for "all columns"; columns where no cell begins are left out in the end."""
SECTIONS = ("thead", "tbody", "tfoot")


class TooManyCells(ValueError):
    """A table is larger than it may be."""


def grid(table: Element, text_of: Callable[[Element], str], most_cells: int = sys.maxsize) -> list[list[str]]:
    """The texts of a table's cells by row; a merged cell has its text at its first place only.

    Raises:
        TooManyCells: there are more than `most_cells`, with the places that merged cells take.
    """
    count = 0
    rows: list[list[str]] = []
    held: dict[int, int] = {}
    width = 0
    for row in rows_of(table):
        texts: list[str] = []
        taken = held
        held = {column: more - 1 for column, more in taken.items() if more > 1}
        for cell in row.iterchildren("td", "th"):
            while len(texts) in taken:
                texts.append("")
            place = len(texts)
            width = max(width, place + 1)
            columns, more = span(cell, "colspan"), span(cell, "rowspan") - 1
            texts += [text_of(cell)] + [""] * (columns - 1)
            if more:
                held.update(dict.fromkeys(range(place, place + columns), more))
            if count + len(texts) > most_cells:
                raise TooManyCells
        count += len(texts)
        rows.append(texts)
    return [row[:width] for row in rows]


def rows_of(table: Element) -> Iterator[Element]:
    """The rows of a table, not of those inside it: head, body, foot."""
    for part in SECTIONS:
        for child in table.iterchildren("tr", *SECTIONS):
            if child.tag == part:
                yield from child.iterchildren("tr")
            elif child.tag == "tr" and part == "tbody":
                yield child


def span(cell: Element, name: str) -> int:
    """Over how many columns or rows a cell goes."""
    said = str(cell.get(name) or "1").strip()
    most = MOST_SPAN if name == "colspan" else 1 << 16
    return max(1, min(int(said), most)) if said.isascii() and said.isdigit() else 1
