"""Strategy `code`: definitions stay whole with their comments; small ones are joined, large ones opened."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from tree_sitter import Node

from services.ingest.formats import LANGUAGES
from services.ingest.outline import Span, layout_of
from services.ingest.outline.lines import Lines, Numbers, lines_of
from services.ingest.outline.syntax import groups, line_offsets, root_of
from services.ingest.readers.reading import Reading
from services.ingest.splitting import structure
from services.ingest.splitting.inner import early_cut, inner_cut
from services.ingest.splitting.measure import Ruler, ruler_of
from services.ingest.splitting.options import SplitOptions
from services.ingest.splitting.structure import Places, Plan, last_before, places_at, window

DEEPEST = 4
"""Definitions nested deeper are as good as those."""
MOST_OPENED = 64


def spans(reading: Reading, options: SplitOptions) -> list[Span]:
    """Cut before definitions; where one is too large, before those in it, then statements, then lines."""
    text = reading.text
    root = root_of(text, reading.syntax) if reading.syntax in LANGUAGES else None
    if root is None:
        markup = Reading(text, syntax="plain" if reading.syntax in LANGUAGES else reading.syntax)
        return structure.spans(markup, options)
    ruler = ruler_of(text, options)
    lines = lines_of(text)
    kinds = [places_at(lines, numbers) for numbers in unit_lines(lines, root, ruler)]
    blocks = places_at(lines, np.flatnonzero(lines.opens))
    rows = places_at(lines, np.arange(len(lines)))
    plan = structure.plan_of(layout_of(text, "plain"), ruler)
    return cut(plan, kinds, (blocks, rows))


def unit_lines(lines: Lines, root: Node, ruler: Ruler) -> list[Numbers]:
    """Numbers of the lines at which definitions and statements start, by depth."""
    offsets = line_offsets(lines.text)
    found: list[list[int]] = [[] for _ in range(DEEPEST)]
    opened = [(root, 0, len(lines.text))]
    while opened:
        node, depth, end = opened.pop()
        units = groups(node)
        starts = [int(offsets[row]) for row, _ in units] + [end]
        for (_, child), start, behind in zip(units, starts, starts[1:], strict=False):
            found[min(depth, DEEPEST - 1)].append(start)
            if (
                depth < MOST_OPENED
                and child.child_count
                and ruler.size(start, max(start, behind)) > ruler.high
            ):
                opened.append((child, depth + 1, behind))
    return [new_lines(lines, found[: depth + 1]) for depth in range(DEEPEST)]


def new_lines(lines: Lines, found: list[list[int]]) -> Numbers:
    """Numbers of the lines at the places of the last depth that no depth before has."""
    before = np.array(sorted({place for places in found[:-1] for place in places}), np.int64)
    places = np.setdiff1d(np.array(found[-1], np.int64), before)
    numbers = np.searchsorted(lines.starts, places)
    numbers = numbers[numbers < len(lines)]
    return np.unique(numbers)


def cut(plan: Plan, kinds: list[Places], finer: tuple[Places, Places]) -> list[Span]:
    """Cut at units of the least depth that has one in reach."""
    ruler, end = plan.ruler, len(plan.ruler.text)
    found: list[Span] = []
    start = 0
    while start < end:
        most = ruler.reach(start, ruler.high)
        place = cut_between(plan, kinds, finer, (start, ruler.reach(start, ruler.low), most))
        while start + 1 < place <= most and (excess := ruler.excess(start, place)) > 0:
            most = max(
                start + 1, min(place - 1, ruler.reach(start, max(1, ruler.size(start, place) - excess)))
            )
            place = cut_between(plan, kinds, finer, (start, min(most, ruler.reach(start, ruler.low)), most))
        found.append((start, place))
        start = place
    return found


def cut_between(
    plan: Plan, kinds: list[Places], finer: tuple[Places, Places], bounds: tuple[int, int, int]
) -> int:
    """Where a chunk of code ends.

    Args:
        plan: where the text may be cut if no line ends in reach.
        kinds: places before definitions and statements, by depth.
        finer: places behind blank lines, and before any line.
        bounds: start of the chunk, end of the smallest and of the largest chunk.
    """
    start, least, most = bounds
    if most >= len(plan.ruler.text):
        return len(plan.ruler.text)
    least = min(least, most)
    for kind in kinds:
        first, last = window(kind, least, most)
        if last > first:
            return kind.least(first, last)
    before = max(last_before(kind, least) for kind in kinds)
    if before > start:
        return before
    middle = max(least, (start + most) // 2)
    for kind in finer:
        first, last = window(kind, least, most)
        if last > first:
            late = bisect_left(kind.offsets, middle, first, last)
            return kind.least(late, last) if late < last else kind.offsets[last - 1]
    place = inner_cut(plan.inner, start, (least, middle, most))
    if place:
        return place
    before = max(last_before(kind, least) for kind in finer)
    return before if before > start else early_cut(plan.inner, start, least, most)
