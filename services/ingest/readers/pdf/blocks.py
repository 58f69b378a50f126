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
from services.ingest.readers.pdf.lines import Block, blocks_of
from services.ingest.readers.pdf.marks import with_marks
from services.ingest.readers.pdf.objects import Drawn
from services.ingest.readers.pdf.tables import Rule, aligned_tables, grids_of, ruled_table
from services.ingest.readers.pdf.text import Layer, fit


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
