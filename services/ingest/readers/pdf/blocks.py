"""Runs of text, tables and pictures of a page become blocks in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.ingest.readers.pdf.layout import (
    Flow,
    Placed,
    Rows,
    Run,
    falls,
    flows_of,
    line_of,
    rows_in,
    rows_of,
)
from services.ingest.readers.pdf.lines import ENTRY, Block, blocks_of, is_marker
from services.ingest.readers.pdf.marks import with_marks
from services.ingest.readers.pdf.objects import Drawn
from services.ingest.readers.pdf.tables import Rule, aligned_tables, bands_of, grids_of, ruled_table
from services.ingest.readers.pdf.text import Layer, fit

NEAR_NUMBER = 2.5
"""The text of a list item is at most so many font sizes behind its number."""


def ruled_tables(layer: Layer, drawn: Drawn) -> tuple[list[Placed], Any]:
    """The tables between drawn lines, and which words are in none."""
    free = None
    tables: list[Placed] = []
    if not drawn.upright or not layer.starts:
        return tables, free
    middles = (layer.boxes[:, :2] + layer.boxes[:, 2:]) / 2
    for grid in grids_of(drawn.level, drawn.upright):
        left, top, right, bottom = grid.box
        inside = (
            (middles[:, 0] > left)
            & (middles[:, 0] < right)
            & (middles[:, 1] > top)
            & (middles[:, 1] < bottom)
        )
        if free is not None:
            inside &= free
        words = word_runs(layer, inside)
        made = ruled_table(grid, words)
        if made:
            tables.append(made)
            free = ~inside if free is None else free & ~inside
    return tables, free


def word_runs(layer: Layer, chosen: Any) -> list[Run]:
    """Words as runs, each by itself."""
    return [
        Run(fit(with_marks(layer, layer.starts[at], layer.ends[at])), left, top, right, bottom, bottom - top)
        for at, (left, top, right, bottom) in zip(
            np.flatnonzero(chosen).tolist(), layer.boxes[chosen].tolist(), strict=True
        )
    ]


def laid_out(
    runs: list[Run], placed: list[Placed], titles: dict[str, int], level: Sequence[Rule]
) -> list[Block]:
    """Runs, tables and pictures of a page as blocks in reading order."""
    if not placed and falls(runs):
        return blocks_of(runs, titles)
    items: Flow = [*runs, *placed]
    rows = rows_of(runs)
    blocks: list[Block] = []
    for flow in flows_of(items, rows):
        blocks += flow_blocks(flow, rows if flow is items else rows_in(flow), titles, level)
    return blocks


def flow_blocks(flow: Flow, rows: Rows, titles: dict[str, int], level: Sequence[Rule]) -> list[Block]:
    """The blocks of a column, or of a band over all columns; `rows` are the runs in it."""
    rows = pointed(rows, level)
    placed = sorted((item for item in flow if isinstance(item, Placed)), key=lambda item: item.top)
    tables = aligned_tables(rows, level)
    blocks: list[Block] = []
    lines: list[Run] = []

    def end_lines() -> None:
        blocks.extend(blocks_of(lines, titles))
        lines.clear()

    starts = {start: (end, table) for start, end, table in tables}
    at = 0
    while at < len(rows):
        while placed and placed[0].top < rows[at][0].top:
            end_lines()
            first = placed.pop(0)
            blocks.append(Block(first.kind, first.text))
        if at in starts:
            end_lines()
            at, table = starts[at]
            blocks.append(Block("table", table.text))
        else:
            lines.append(line_of(rows[at]))
            at += 1
    end_lines()
    return blocks + [Block(item.kind, item.text) for item in placed]


def pointed(rows: Rows, level: Sequence[Rule]) -> Rows:
    """The lines of a flow, with a point behind the numbers of lists that have none, as reportlab writes them.

    Args:
        rows: the lines, from top to bottom.
        level: level lines that are drawn on the page: what they enclose is a table.
    """
    if not any(row[0].text == "1" and is_near(row) for row in rows):
        return rows
    bands = bands_of(level)
    found = list(rows)
    at = 0
    while at < len(rows):
        items = items_from(rows, at)
        top, bottom = rows[at][0].top, rows[at][0].bottom
        ruled = any(high <= bottom and top <= low for high, low in bands)
        if len(items) > 1 and not ruled and not (at and is_head(rows[at - 1], rows[at])):
            for number, place in enumerate(items, 1):
                first = rows[place][0]
                text = f"{number}.{first.text[len(str(number)) :]}"
                found[place] = [first._replace(text=text), *rows[place][1:]]
        at = items[-1] + 1 if items else at + 1
    return found


def items_from(rows: Rows, start: int) -> list[int]:
    """Which lines begin the items 1, 2, 3 and so on of a list that begins at a line; none if none does."""
    items: list[int] = []
    for at in range(start, len(rows)):
        row, number = rows[at], str(len(items) + 1)
        begins = (row[0].text == number and is_near(row)) or (
            bool(items) and len(row) == 1 and row[0].text.startswith(f"{number} ")
        )
        if begins and (not items or abs(row[0].left - rows[start][0].left) < 1):
            if row[-1].bold or ENTRY.search(row[-1].text):
                return []
            items.append(at)
        elif not items or len(row) > 1 or row[0].left < rows[start][1].left - 1:
            break
    return items


def is_near(row: Sequence[Run]) -> bool:
    """Whether a line is two texts, the second as near to the first as that of an item to its number."""
    return len(row) == 2 and row[1].left - row[0].right < NEAR_NUMBER * row[1].size


def is_head(above: Sequence[Run], row: Sequence[Run]) -> bool:
    """Whether a line is the head of the table that begins below it."""
    under = len(above) == 2 and abs(row[1].left - above[1].left) < 1
    return under and not above[0].text.isdecimal() and not is_marker(above[0].text)
