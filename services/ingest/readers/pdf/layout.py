"""Reading order of a page: what stands in which column, above or below what.

The page is cut as people read it: things that cross the gutter between two columns part the page into
bands, and in each band the left column comes before the right one. It is the idea of the recursive XY-cut
(Nagy and Seth, 1984), with the spanning parts as cuts.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from statistics import median
from typing import NamedTuple, TypeAlias

import numpy as np

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
"""Characters of Chinese and Japanese, twice as wide as a Latin letter."""
PROSE_CHARS = 18
"""Lines of a column of prose have at least so many letters, in the width of Latin ones."""
PROSE_COVER = 0.5
"""They fill at least this share of the column."""
COLUMN_LINES = 3
LEAST_ITEMS = 2 * COLUMN_LINES
MOST_ITEMS = 3000
"""A page with more parts is a drawing or worse, and has no columns."""
CELL_CHARS = 25
AROUND = 1.5
"""What stands beside a row of a table is looked at so many heights of the row above and below it."""
MOST_AROUND = 4
"""Lines that may stand so near, above and below."""
MOST_FOOT_ROWS = 2
MOST_FOOT_CHARS = 40
FOOT_GAP = 1.7
"""A foot is apart from the text by so many line heights."""


class Run(NamedTuple):
    """Words on one line; sides in points from the top left of the upright page."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool = False
    mono: bool = False


class Placed(NamedTuple):
    """A table or picture that has its place among the runs; its Markdown is made."""

    kind: str
    text: str
    left: float
    top: float
    right: float
    bottom: float


Item: TypeAlias = Run | Placed
Flow: TypeAlias = list[Item]
"""Items of a column, or of a band over all columns."""
Rows: TypeAlias = list[list[Run]]
"""Runs by line, from top to bottom."""


def flows_of(items: Flow, rows: Rows) -> list[Flow]:
    """What is on a page as flows in reading order; the items of a flow are in no order.

    Args:
        items: all that is on the page.
        rows: the runs among them by line.
    """
    # Columns show in lines side by side; a page with a header in two parts has none.
    if sum(len(row) > 1 for row in rows) < COLUMN_LINES:
        return [items]
    feet = foot_of(rows)
    if not feet:
        return regions(items, rows)
    return [*regions([item for item in items if item not in feet]), list(feet)]


def foot_of(rows: Sequence[Sequence[Run]]) -> set[Run]:
    """The short lines at the foot of a page, apart from its text: they belong to no column."""
    tops = [min(run.top for run in row) for row in rows]
    pitch = median(low - high for high, low in pairwise(tops)) if len(tops) > COLUMN_LINES else 0.0
    for count in range(1, MOST_FOOT_ROWS + 1):
        if pitch and tops[-count] - tops[-count - 1] > FOOT_GAP * pitch:
            feet = {run for row in rows[-count:] for run in row}
            return feet if all(len(run.text) <= MOST_FOOT_CHARS for run in feet) else set()
    return set()


def falls(runs: Sequence[Run]) -> bool:
    """Whether each run stands below the one before, so that there is nothing to put in order."""
    return all(after.top >= before.bottom - 0.3 * before.size for before, after in pairwise(runs))


def regions(items: Flow, rows: Rows | None = None) -> list[Flow]:
    """Cut at the gutter, if there is one, and go on with the parts; `rows` are the runs among the items."""
    gutter = gutter_of(items)
    if gutter is None or not both_sides(items, gutter):
        return [items]
    cut = [
        (spanning, *sides_of(band, gutter))
        for spanning, band in bands(items, rows_in(items) if rows is None else rows, gutter)
    ]
    if not any(not spanning and is_prose(left) and is_prose(right) for spanning, left, right in cut):
        return [items]
    flows: list[Flow] = []
    across: Flow = []
    for spanning, left, right in cut:
        if spanning or (
            left and right and not (may_be_prose(rows_in(left)) and may_be_prose(rows_in(right)))
        ):
            across += left + right
            continue
        flows += parts(across, items)
        across = []
        flows += [flow for side in (left, right) if side for flow in regions(side)]
    return flows + parts(across, items)


def both_sides(items: Flow, gutter: float) -> bool:
    """Whether so much stands on both sides of a gutter that it may be two columns."""
    runs = [item for item in items if isinstance(item, Run)]
    left, right = sides_of([run for run in runs if run.left >= gutter - 1 or run.right <= gutter + 1], gutter)
    return len(left) >= COLUMN_LINES and len(right) >= COLUMN_LINES


def sides_of(band: Flow, gutter: float) -> tuple[Flow, Flow]:
    """The items left and right of a gutter."""
    left: Flow = []
    right: Flow = []
    for item in band:
        (left if (item.left + item.right) / 2 < gutter else right).append(item)
    return left, right


def parts(across: Flow, whole: Flow) -> list[Flow]:
    """The flows of what spans the columns."""
    if not across:
        return []
    return regions(across) if len(across) < len(whole) else [across]


def gutter_of(items: Flow) -> float | None:
    """Where a gutter may stand: the emptiest place in the middle of the page, the widest of several."""
    if not LEAST_ITEMS <= len(items) <= MOST_ITEMS:
        return None
    lefts, rights = [item.left for item in items], [item.right for item in items]
    left = min(lefts)
    width = max(rights) - left
    bins = int(width) + 2
    if not 0 < width < 1e5:
        return None
    starts, ends = (np.array((lefts, rights)) - left).astype(np.int64)
    cover = np.bincount(starts, minlength=bins + 1) - np.bincount(
        np.minimum(ends + 1, bins), minlength=bins + 1
    )
    inner = np.cumsum(cover)[bins // 5 : bins - bins // 5]
    if not inner.size:
        return None
    least = inner.min()
    if least > 0.6 * len(items):
        return None
    empty = np.zeros(len(inner) + 2, np.bool_)
    np.equal(inner, least, out=empty[1:-1])
    edges = np.flatnonzero(empty[1:] != empty[:-1])
    widths = edges[1::2] - edges[::2]
    widest = int(widths.argmax())
    return left + bins // 5 + int(edges[2 * widest] + widths[widest] // 2)


def bands(items: Flow, rows: Rows, gutter: float) -> list[tuple[bool, Flow]]:
    """The items from top to bottom, those that cross the gutter parted from those beside it."""
    across = [item for item in items if item.left < gutter - 1 and item.right > gutter + 1]
    across += table_rows(rows, gutter)
    chosen = {id(item) for item in across}
    spans = merged([(item.top, item.bottom) for item in across])
    chosen |= {id(item) for item in last_lines(items, across, chosen)}

    tops, bottoms = [top for top, _ in spans], [bottom for _, bottom in spans]

    def spanning(item: Item) -> bool:
        half = 0.5 * (item.bottom - item.top)
        near = range(bisect_right(bottoms, item.top), bisect_left(tops, item.bottom))
        return any(min(item.bottom, bottoms[at]) - max(item.top, tops[at]) > half for at in near)

    marked = sorted(
        ((id(item) in chosen or spanning(item), item) for item in items),
        key=lambda pair: pair[1].top + pair[1].bottom,
    )
    return [(key, [item for _, item in group]) for key, group in groupby(marked, key=lambda pair: pair[0])]


def last_lines(items: Flow, across: Flow, chosen: set[int]) -> Iterator[Run]:
    """The short last lines of paragraphs that run over both columns."""
    runs = [item for item in items if isinstance(item, Run) and id(item) not in chosen]
    runs.sort(key=attrgetter("top"))
    tops = [run.top for run in runs]
    largest = max((run.size for run in runs), default=0.0)
    for above in across:
        if not isinstance(above, Run):
            continue
        near = (
            bisect_left(tops, above.bottom - 0.3 * largest),
            bisect_right(tops, above.bottom + 0.5 * largest),
        )
        for run in runs[slice(*near)]:
            step = run.top - above.bottom
            if abs(run.left - above.left) > 2 or not -0.3 * run.size < step < 0.5 * run.size:
                continue
            # In a column that begins here, the next line would be as close.
            if abs(run.size - above.size) < 0.5 and not any(
                other is not run and other.bottom > run.top and other.top < run.bottom + step + 0.5 * run.size
                for other in runs
            ):
                yield run


def merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans with those that touch made one."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def table_rows(rows: Rows, gutter: float) -> list[Item]:
    """The items of rows of three or more short texts side by side: no lines of columns."""
    found: list[Item] = []
    for at, row in enumerate(rows):
        short = len(row) > 2 and all(letters(run.text) < CELL_CHARS for run in row)
        if short and not beside_prose(rows, at, gutter):
            found += row
    return found


def beside_prose(rows: Rows, at: int, gutter: float) -> bool:
    """Whether a row of a table is in a column: about it, on one side of the gutter, are lines of text."""
    top, bottom = min(run.top for run in rows[at]), max(run.bottom for run in rows[at])
    reach = AROUND * (bottom - top)
    near = [
        [run for run in row if run.bottom > top - reach and run.top < bottom + reach]
        for row in rows[max(at - MOST_AROUND, 0) : at + MOST_AROUND + 1]
    ]
    for side in zip(*(on_sides(row, gutter) for row in near), strict=True):
        longest = [max(map(letters, texts)) for texts in side if texts]
        if len(longest) > 1 and median(longest) >= CELL_CHARS:
            return True
    return False


def on_sides(row: Sequence[Run], gutter: float) -> tuple[list[str], list[str]]:
    """The texts of a line that end left of a gutter, and those that begin right of it."""
    left = [run.text for run in row if run.right <= gutter + 1]
    return left, [run.text for run in row if run.left >= gutter - 1]


def letters(text: str) -> int:
    """Length in the width of Latin letters."""
    return len(text) if text.isascii() else len(text) + len(WIDE.findall(text))


def is_prose(items: Flow) -> bool:
    """Whether the items on one side of a gutter are lines of running text, and fill their column."""
    if len(items) < COLUMN_LINES:
        return False
    rows = rows_in(items)
    if len(rows) < COLUMN_LINES:
        return False
    width = max(run.right for row in rows for run in row) - min(run.left for row in rows for run in row)
    cover = median(sum(run.right - run.left for run in row) for row in rows)
    return cover >= PROSE_COVER * width and may_be_prose(rows)


def may_be_prose(rows: Rows) -> bool:
    """Whether what stands on one side of a gutter is as long as lines of running text, or pictures."""
    return not rows or median(sum(letters(run.text) for run in row) for row in rows) >= PROSE_CHARS


def rows_in(items: Flow) -> Rows:
    """The runs among items by line."""
    return rows_of(item for item in items if isinstance(item, Run))


def rows_of(runs: Iterable[Run]) -> Rows:
    """Runs by line, from top to bottom; those of a line in the order in which they are read."""
    runs = list(runs)
    if len(runs) < 2 or falls(runs):
        return [[run] for run in runs]
    rows: Rows = []
    widest: Run | None = None
    for run in sorted(runs, key=lambda one: one.top + one.bottom):
        if widest and beside(run, widest):
            rows[-1].append(run)
            if run.right - run.left > widest.right - widest.left:
                widest = run
        else:
            rows.append([run])
            widest = run
    for row in rows:
        if len(row) > 1:
            row.sort(key=attrgetter("left"), reverse=sum(map(is_backwards, row)) * 2 > len(row))
    return rows


def is_backwards(run: Run) -> bool:
    """Whether a run holds letters of a script that runs from the right."""
    return not run.text.isascii() and RIGHT_TO_LEFT.search(run.text) is not None


def beside(one: Run, other: Run) -> bool:
    """Whether two runs stand on one line."""
    # Called so often that `min` and `max` would show.
    _, _, top, _, bottom, *_ = one
    _, _, high, _, low, *_ = other
    shared = (bottom if bottom < low else low) - (top if top > high else high)
    return shared >= 0.5 * (bottom - top) or shared >= 0.5 * (low - high)


def line_of(row: Sequence[Run]) -> Run:
    """The runs of a line as one."""
    if len(row) == 1:
        return row[0]
    text = row[0].text
    for before, run in pairwise(row):
        text += between(before, run) + run.text
    main = max(row, key=lambda run: run.right - run.left)
    return Run(
        text,
        min(run.left for run in row),
        min(run.top for run in row),
        max(run.right for run in row),
        max(run.bottom for run in row),
        main.size,
        all(run.bold for run in row),
        all(run.mono for run in row),
    )


def between(before: Run, after: Run) -> str:
    """The space between two runs of a line: none where they touch, as many as there were in typewriting."""
    gap = max(after.left - before.right, before.left - after.right)
    if before.mono and after.mono:
        wide = (before.right - before.left) / max(len(before.text), 1)
        return " " * max(round(gap / max(wide, 1)), 1)
    return " " if gap > 0.12 * min(before.size, after.size) else ""
