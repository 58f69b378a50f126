"""Tables of a PDF page: by the lines that are drawn between cells, or by the white between columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.ingest.readers.pdf.layout import CELL_CHARS, Placed, Run, letters, line_of, rows_of
from services.ingest.readers.pdf.lines import is_marker, joined
from services.ingest.readers.shared.markdown import table

NEAR = 3.0
"""Lines less than this many points apart are one."""
MOST_LINES = 300
"""A drawing with more lines than this in one direction is no table."""
MOST_CELLS = 10_000
MOST_ROWS = 1000
"""A page with more rows is not searched for tables without lines."""
LEAST_CELL = 4.0
ALIGNED_ROWS = 3
LONG_GAP = 2.6
"""Rows further apart than this many heights of a line are of different tables."""
CORRIDOR = 0.8
"""Columns without lines have at least this much white between them, in font sizes."""
PROSE_CELL = 60
"""Cells of a table without lines are seldom longer."""


class Rule(NamedTuple):
    """A drawn line, level (`at` is its height, from left to right) or upright (from top to bottom)."""

    at: float
    start: float
    end: float


@dataclass(frozen=True)
class Grid:
    """Where the lines of a table run.

    Args:
        across: sides of the columns, from left to right.
        down: sides of the rows, from top to bottom.
        level: lines between rows.
        upright: lines between columns.
    """

    across: list[float]
    down: list[float]
    level: list[Rule]
    upright: list[Rule]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.across[0], self.down[0], self.across[-1], self.down[-1]


def merged(rules: Sequence[Rule]) -> list[Rule]:
    """Rules with those that lie on or after one another made one."""
    found: list[Rule] = []
    for rule in sorted(rules):
        for at in range(len(found) - 1, -1, -1):
            last = found[at]
            if rule.at - last.at > NEAR:
                found.append(rule)
                break
            if rule.start <= last.end + NEAR and last.start <= rule.end + NEAR:
                found[at] = Rule(last.at, min(last.start, rule.start), max(last.end, rule.end))
                break
        else:
            found.append(rule)
    return found


def grids_of(level: Sequence[Rule], upright: Sequence[Rule]) -> list[Grid]:
    """The tables that drawn lines make: lines that cross belong together."""
    level, upright = merged(level), merged(upright)
    if not 0 < len(upright) <= MOST_LINES or not 1 < len(level) <= MOST_LINES:
        return []
    groups: list[tuple[set[int], set[int]]] = []
    for row, crossing in enumerate(crossings(level, upright)):
        mine = [group for group in groups if group[1] & crossing]
        together = {row}.union(*(rows for rows, _ in mine)), crossing.union(*(columns for _, columns in mine))
        groups = [group for group in groups if group not in mine] + [together]
    grids = [
        grid([level[at] for at in rows], [upright[at] for at in columns])
        for rows, columns in groups
        if columns
    ]
    return [
        one
        for one in grids
        if len(one.across) > 2 and len(one.down) > 1 and len(one.across) * len(one.down) <= MOST_CELLS
    ]


def crossings(level: Sequence[Rule], upright: Sequence[Rule]) -> list[set[int]]:
    """The numbers of the upright lines that meet each level line."""
    height, left, right = np.array(level).T[:, :, None]
    place, top, bottom = np.array(upright).T
    met = (
        (left - NEAR <= place) & (place <= right + NEAR) & (top - NEAR <= height) & (height <= bottom + NEAR)
    )
    return [set(np.flatnonzero(row).tolist()) for row in met]


def grid(level: list[Rule], upright: list[Rule]) -> Grid:
    """The grid of lines; where no line closes a side, the ends of the crossing ones do."""
    across = [rule.at for rule in upright] + [side for rule in level for side in (rule.start, rule.end)]
    down = [rule.at for rule in level] + [side for rule in upright for side in (rule.start, rule.end)]
    return Grid(apart(across), apart(down), level, upright)


def apart(places: list[float]) -> list[float]:
    """Places in order, without those that are near the one before."""
    found: list[float] = []
    for place in sorted(places):
        if not found or place - found[-1] > LEAST_CELL:
            found.append(place)
    return found


def ruled_table(lines: Grid, words: Sequence[Run]) -> Placed | None:
    """The table in a grid, of the words in it; None if fewer than two cells hold text."""
    columns, rows = len(lines.across) - 1, len(lines.down) - 1
    owner = owners(lines)
    held: dict[int, list[Run]] = {}
    for word in words:
        column = slot(lines.across, (word.left + word.right) / 2)
        row = slot(lines.down, (word.top + word.bottom) / 2)
        held.setdefault(owner[row * columns + column], []).append(word)
    if len(held) < 2:
        return None
    ends = {cell: lines.across[place % columns + 1] for place, cell in enumerate(owner)}
    texts: list[list[str]] = []
    for row in range(rows):
        places = range(row * columns, (row + 1) * columns)
        cells = [rows_of(held.get(place, ())) for place in places]
        texts += split_rows(cells) or [
            [
                cell_text(cell, left, ends.get(place, 0.0))
                for cell, left, place in zip(cells, lines.across, places, strict=False)
            ]
        ]
    return Placed("table", table(without_empty(texts)), *lines.box)


def owners(lines: Grid) -> list[int]:
    """For each cell the first cell of those that it is merged with: no line is drawn between them."""
    columns, rows = len(lines.across) - 1, len(lines.down) - 1
    owner = list(range(columns * rows))

    def root(cell: int) -> int:
        while owner[cell] != cell:
            cell = owner[cell]
        return cell

    def unite(one: int, other: int) -> None:
        first, second = sorted((root(one), root(other)))
        owner[second] = first

    for column, row in np.argwhere(~drawn(lines.upright, lines.across[1:-1], lines.down)).tolist():
        unite(row * columns + column, row * columns + column + 1)
    for row, column in np.argwhere(~drawn(lines.level, lines.down[1:-1], lines.across)).tolist():
        unite(row * columns + column, (row + 1) * columns + column)
    return [root(cell) for cell in range(columns * rows)]


def drawn(rules: Sequence[Rule], places: Sequence[float], sides: Sequence[float]) -> NDArray[np.bool_]:
    """Whether a line is drawn at each place, beside the middle of each cell; shape (places, cells).

    Args:
        rules: the lines.
        places: where lines may be.
        sides: of the cells along such a line.
    """
    at, start, end = np.array(rules).T[:, :, None]
    middles = (np.array(sides[:-1]) + np.array(sides[1:])) / 2
    here = np.abs(at - places) <= LEAST_CELL
    passed = (start <= middles) & (middles <= end)
    found: NDArray[np.bool_] = here.T @ passed
    return found


def slot(sides: Sequence[float], place: float) -> int:
    """Between which sides a place lies."""
    return bisect_right(sides, place, 1, len(sides) - 1) - 1


def split_rows(cells: list[list[list[Run]]]) -> list[list[str]] | None:
    """Rows without drawn lines between them: all cells hold equally many lines, three or more."""
    counts = {len(cell) for cell in cells}
    if len(counts) > 1 or min(counts) < ALIGNED_ROWS:
        return None
    for lines in zip(*cells, strict=True):
        heights = [line[0].bottom for line in lines]
        if max(heights) - min(heights) > NEAR:
            return None
    return [[line_of(line).text for line in lines] for lines in zip(*cells, strict=True)]


def cell_text(rows: list[list[Run]], left: float, right: float) -> str:
    r"""The text of a cell between two sides: lines that its width broke are joined, others stay."""
    if not rows:
        return ""
    if len(rows) == 1:
        return line_of(rows[0]).text
    texts = [line_of(row) for row in rows]
    margin = max(min(min(line.left for line in texts) - left, right - max(line.right for line in texts)), 0.0)
    return joined(texts, right - margin, in_cell=True)


def without_empty(rows: list[list[str]]) -> list[list[str]]:
    """The rows without rows and columns that hold no text."""
    filled = [any(row[at] for row in rows) for at in range(len(rows[0]))]
    kept = [[text for text, full in zip(row, filled, strict=True) if full] for row in rows]
    return [row for row in kept if any(row)]


def aligned_tables(rows: list[list[Run]], level: Sequence[Rule]) -> list[tuple[int, int, Placed]]:
    """Tables without upright lines: rows whose texts stand below one another, with white between the columns.

    Args:
        rows: the lines of a flow, from top to bottom.
        level: level lines that are drawn on the page.

    Returns:
        For each table its first row, one past its last, and itself.
    """
    found: list[tuple[int, int, Placed]] = []
    if len(rows) > MOST_ROWS or all(len(row) < 2 for row in rows):
        return found
    for top, bottom in bands_of(level):
        inside = [at for at, row in enumerate(rows) if top <= (row[0].top + row[0].bottom) / 2 <= bottom]
        if inside and not any(start < inside[-1] + 1 and inside[0] < end for start, end, _ in found):
            made = aligned_table(rows[inside[0] : inside[-1] + 1], ruled=True)
            if made:
                found.append((inside[0], inside[-1] + 1, made))
    edges = [edges_of(row) for row in rows]
    at = 0
    while at < len(rows):
        if not found and len(rows[at]) < 2:
            at += 1
            continue
        taken = next((end for start, end, _ in found if start <= at < end), 0)
        end = taken or min([end_of_table(rows, edges, at), *(start for start, _, _ in found if start > at)])
        made = aligned_table(rows[at:end]) if end - at > 1 and not taken else None
        if made:
            found.append((at, end, made))
        at = end if made or taken else at + 1
    return found


def bands_of(level: Sequence[Rule]) -> list[tuple[float, float]]:
    """Top and bottom of what level lines of one width enclose, as in a table without upright lines."""
    groups: list[list[Rule]] = []
    for rule in merged(level):
        for group in groups:
            if abs(group[0].start - rule.start) <= NEAR and abs(group[0].end - rule.end) <= NEAR:
                group.append(rule)
                break
        else:
            groups.append([rule])
    return [(group[0].at, group[-1].at) for group in groups if len(group) > 1]


def edges_of(row: list[Run]) -> tuple[float, float]:
    """Top and bottom of a line."""
    if len(row) == 1:
        return row[0].top, row[0].bottom
    return min([run.top for run in row]), max([run.bottom for run in row])


def end_of_table(rows: list[list[Run]], edges: Sequence[tuple[float, float]], start: int) -> int:
    """One past the last row of the table that may start at a row; the row itself if none does.

    Args:
        rows: the lines of a flow, from top to bottom.
        edges: top and bottom of each.
        start: number of the row.
    """
    if len(rows[start]) < 2:
        return start
    end, singles = start + 1, 0
    for at in range(start + 1, len(rows)):
        row, gap = rows[at], edges[at][0] - edges[at - 1][1]
        if gap > 0 and gap > LONG_GAP * max(run.bottom - run.top for run in row):
            break
        singles = singles + 1 if len(row) == 1 else 0
        if singles > 2 or (singles and letters(row[0].text) > PROSE_CELL):
            break
        if not singles:
            end = at + 1
    return end


def aligned_table(rows: list[list[Run]], ruled: bool = False) -> Placed | None:
    """The table of rows, or None if their texts do not stand in columns.

    Args:
        rows: the lines.
        ruled: whether lines above and below show that it is a table.
    """
    wide = [row for row in rows if len(row) > 1]
    if len(wide) < 2 or all(run.mono for row in wide for run in row):
        return None
    most = max(len(row) for row in wide)
    size = min(run.size for run in rows[0])
    full = [row for row in wide if len(row) == most] if most > 2 else wide
    if len(full) < 2:
        full = [row for row in wide if len(row) >= most - 1]
    sides = columns_of(full, CORRIDOR * size)
    if len(sides) < 2 or (len(wide) < ALIGNED_ROWS and len(sides) < 3 and not ruled):
        return None
    texts = cells_of(rows, sides)
    filled = [sum(bool(row[at]) for row in texts) for at in range(len(sides))]
    if min(filled) < 2 or looks_like_prose(texts):
        return None
    runs = [run for row in rows for run in row]
    return Placed(
        "table",
        table(texts),
        min(run.left for run in runs),
        min(run.top for run in runs),
        max(run.right for run in runs),
        max(run.bottom for run in runs),
    )


def columns_of(rows: list[list[Run]], gap: float) -> list[tuple[float, float]]:
    """Left and right of the columns: stretches that texts cover, with white between them in all rows."""
    found: list[tuple[float, float]] = []
    for left, right in sorted((run.left, run.right) for row in rows for run in row):
        if found and left - found[-1][1] < gap:
            found[-1] = found[-1][0], max(right, found[-1][1])
        else:
            found.append((left, right))
    return found


def cells_of(rows: list[list[Run]], sides: list[tuple[float, float]]) -> list[list[str]]:
    """The texts by column; a lone text in a later column goes on with the cell above."""
    texts: list[list[str]] = []
    for row in rows:
        cells = [""] * len(sides)
        places = [column_of(run, sides) for run in row]
        for place, run in zip(places, row, strict=True):
            cells[place] = f"{cells[place]} {run.text}".strip()
        if texts and len(row) == 1 and places[0] > 0 and texts[-1][places[0]]:
            texts[-1][places[0]] += "\n" + cells[places[0]]
        else:
            texts.append(cells)
    return texts


def column_of(run: Run, sides: list[tuple[float, float]]) -> int:
    """The column that a text covers first, or the nearest."""
    for at, (left, right) in enumerate(sides):
        if run.left < right and run.right > left:
            return at
    return min(range(len(sides)), key=lambda at: abs(sum(sides[at]) - run.left - run.right))


def looks_like_prose(texts: list[list[str]]) -> bool:
    """Whether the columns are a list with its numbers, or lines of text side by side."""
    if all(not row[0] or is_marker(row[0]) for row in texts):
        return True
    long = [[letters(row[at]) for row in texts if row[at]] for at in range(len(texts[0]))]
    return sum(sorted(column)[len(column) // 2] > CELL_CHARS for column in long) > 1
