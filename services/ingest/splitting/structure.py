"""Strategy `structure`: cut at headings, then paragraphs, table rows, sentences, lines, words, characters.

Of the best kind of places between the smallest and the largest size the one is taken whose surroundings have
the least hash. So cuts depend on what stands around them and not on how far the start is, and after a change
they soon fall where they fell before (content-defined chunking, as in https://pdos.csail.mit.edu/papers/lbfs/).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.ingest.formats import LANGUAGES
from services.ingest.outline import Layout, Span, layout_of
from services.ingest.outline.layout import between, lines_at, offsets_of
from services.ingest.outline.lines import Codes, Flags, Ints, Lines, Numbers, sequence, windows
from services.ingest.outline.native import scan
from services.ingest.readers.reading import Reading
from services.ingest.splitting.breaks import LETTER_ENDINGS
from services.ingest.splitting.inline import OPENING_SIGNS
from services.ingest.splitting.inner import Inner, early_cut, inner_cut, paragraph_spans, sentence_cut
from services.ingest.splitting.measure import LONGEST_WHOLE, Ruler, ruler_of
from services.ingest.splitting.options import SplitOptions
from services.ingest.splitting.sentences import sentence_start

AROUND = 8
"""Characters before and behind a place that make its hash."""
LEVEL_BITS = 3
WEIGHTS = np.array([pow(0x9E3779B1, power, 1 << 32) for power in range(1, 2 * AROUND + 1)], np.uint32)
"""The hash is their sum by characters, mixed; other weights would change the cuts of all documents."""
HASHED_AT_ONCE = 1 << 13


@dataclass(frozen=True)
class Places:
    """Places of one kind where a text may be cut.

    Args:
        lines: the lines of the text.
        starts: the places, ascending.
        levels: of headings, the level of each.
    """

    lines: Lines
    starts: Ints
    levels: Ints

    @cached_property
    def offsets(self) -> Sequence[int]:
        """The places once more: in rare cases they are looked at one by one."""
        return sequence(self.starts)

    @cached_property
    def ranks(self) -> Sequence[int]:
        """The hash of each; of a lower level it is lower."""
        found = hashes(self.lines.codes, self.starts)
        if len(self.levels):
            level = np.minimum(self.levels, 7).astype(np.uint32) << np.uint32(32 - LEVEL_BITS)
            found = (found >> np.uint32(LEVEL_BITS)) | level
        return sequence(found)

    def least(self, first: int, last: int) -> int:
        """The offset with the least hash of some places."""
        if last - first == 1:
            return self.offsets[first]
        if scan is None:
            return self.least_by_python(first, last)
        return self.offsets[scan.least_place(self.lines.text, self.starts, self.levels, first, last)]

    def least_by_python(self, first: int, last: int) -> int:
        """The same where nothing is compiled."""
        ranks = self.ranks[first:last]
        return self.offsets[first + ranks.index(min(ranks))]


@dataclass(frozen=True)
class Plan:
    """Where a text may be cut.

    Args:
        ruler: measures it.
        titles: places before headings; the best, and wanted as soon as a chunk is large enough.
        blocks: places before paragraphs, list items and the like.
        rows: places before rows of tables, and before lines in things that are too large to stay whole.
        inner: what is needed to cut between them.
    """

    ruler: Ruler
    titles: Places
    blocks: Places
    rows: Places
    inner: Inner


def spans(reading: Reading, options: SplitOptions) -> list[Span]:
    """Cut by headings, paragraphs and so on; source code by its syntax."""
    if reading.syntax in LANGUAGES:
        return import_module("services.ingest.splitting.code").spans(reading, options)  # type: ignore[no-any-return]
    return cut_span(plan_for(reading, options), 0, len(reading.text))


def cut_larger(
    reading: Reading, options: SplitOptions, parts: Sequence[Span], kept: Container[int] = ()
) -> list[Span]:
    """Cut those of some parts of a text that are too large, but none that starts at a kept place."""
    plan = plan_for(reading, options)
    found: list[Span] = []
    for start, end in parts:
        whole = start in kept or plan.ruler.fits(start, end)
        found.extend([(start, end)] if whole else cut_span(plan, start, end))
    return found


def plan_for(reading: Reading, options: SplitOptions) -> Plan:
    """Where a document's text may be cut."""
    layout = layout_of(reading.text, "plain") if reading.syntax in LANGUAGES else reading.layout
    return plan_of(layout, ruler_of(reading.text, options))


def plan_of(layout: Layout, ruler: Ruler) -> Plan:
    """Where a text of a layout may be cut."""
    lines, starting = layout.lines, layout.starting
    broken = broken_wholes(layout, ruler)
    rows = row_lines(layout, broken)
    blocks = starting.copy()
    blocks[layout.glued] = False
    free = blocks[layout.titles.lines]
    blocks[layout.titles.lines] = False
    for start, end in broken:
        inside = slice(lines.at(start) + 1, lines.at(end))
        blocks[inside] = lines.opens[inside]
    return Plan(
        ruler,
        places_at(lines, layout.titles.lines[free], layout.titles.levels[free]),
        places_at(lines, np.flatnonzero(blocks)),
        places_at(lines, np.flatnonzero(rows)),
        inner_of(layout, ruler, rows),
    )


def broken_wholes(layout: Layout, ruler: Ruler) -> list[Span]:
    """The things that are too large to stay whole."""
    starts, ends = layout.wholes.starts, layout.wholes.ends
    large = np.flatnonzero(offsets_of(ends) - offsets_of(starts) > LONGEST_WHOLE).tolist()
    return [(starts[index], ends[index]) for index in large if not ruler.whole(starts[index], ends[index])]


def inner_of(layout: Layout, ruler: Ruler, rows: Flags) -> Inner:
    """What is needed to cut inside of blocks."""
    lines = layout.lines
    edges = np.flatnonzero(layout.starting | rows)
    special = rows.copy()
    special[layout.titles.lines] = True
    for blocks in (layout.wholes, layout.tables.spans):
        special[lines_at(lines, blocks.starts)] = True
    glued: list[int] = lines.starts[layout.glued].tolist()
    return Inner(ruler, layout, sequence(lines.starts[edges]), special[edges].tobytes(), glued)


def places_at(lines: Lines, chosen: Numbers, levels: Numbers | None = None) -> Places:
    """The places before some lines; headings of a lower level are taken first."""
    depths = np.zeros(0, np.int32) if levels is None else levels.astype(np.int32)
    return Places(lines, lines.starts[chosen], depths)


def row_lines(layout: Layout, broken: Sequence[Span]) -> Flags:
    """Which lines are rows of tables that may start a chunk, or lines of things too large to stay whole."""
    lines, tables = layout.lines, layout.tables
    found = between(len(lines), lines_at(lines, tables.bodies) + 1, lines_at(lines, tables.spans.ends))
    for start, end in broken:
        found[lines.at(start) + 1 : lines.at(end)] = True
    return found


def hashes(codes: Codes, places: Ints) -> NDArray[np.uint32]:
    """A hash of the characters around each place; at the start of the text, around one near it."""
    firsts = np.maximum(places - AROUND, 0)
    found = np.zeros(len(places), np.uint32)
    for start in range(0, len(places), HASHED_AT_ONCE):
        part = slice(start, start + HASHED_AT_ONCE)
        found[part] = windows(codes, firsts[part], 2 * AROUND).astype(np.uint32) @ WEIGHTS
    found ^= found >> np.uint32(15)
    found *= np.uint32(0x2C1B3C6D)
    found ^= found >> np.uint32(12)
    return found


def cut_span(plan: Plan, start: int, end: int) -> list[Span]:
    """Cut a part of a text."""
    if plan.ruler.marks is not None:
        return cut_tokens(plan, start, end)
    return cut_by_python(plan, start, end) if scan is None else cut_by_scan(plan, start, end)


def cut_by_scan(plan: Plan, start: int, end: int) -> list[Span]:
    """Cut by characters as `scan` does, which asks for what is rare."""
    ruler, inner, text = plan.ruler, plan.inner, plan.ruler.text
    low, high, middle = ruler.low, ruler.high, max(ruler.low, ruler.high // 2)
    cuts = scan.cuts(
        text,
        plan.titles.starts,
        plan.titles.levels,
        plan.blocks.starts,
        plan.rows.starts,
        inner.edges,
        inner.special,
        inner.layout.wholes.starts,
        inner.layout.wholes.ends,
        OPENING_SIGNS,
        LETTER_ENDINGS,
        (low, middle, high),
        LONGEST_WHOLE,
        start,
        end,
        sentence_start,
        lambda edge, place: paragraph_spans(inner, edge).at(place) is not None,
        lambda first, last: cut_inside(plan, first, (first + low, first + middle, first + high), last),
    )
    places = np.frombuffer(cuts, np.int32).tolist()
    return list(pairwise([start, *places]))


def cut_by_python(plan: Plan, start: int, end: int) -> list[Span]:
    """The same where nothing is compiled."""
    spans: list[Span] = []
    low, high, middle = plan.ruler.low, plan.ruler.high, max(plan.ruler.low, plan.ruler.high // 2)
    titles, blocks, ranks = plan.titles.offsets, plan.blocks.offsets, plan.blocks.ranks
    title = bisect_left(titles, start)
    block = bisect_left(blocks, start)
    some_titles, some_blocks = len(titles), len(blocks)
    append = spans.append
    # The usual cases are written out: this loop is what splitting costs.
    while end - start > high:
        most = start + high
        while title < some_titles and titles[title] < start + low:
            title += 1
        if title == some_titles or titles[title] > most:
            block = bisect_left(blocks, start + middle, block)
            last = block
            while last < some_blocks and blocks[last] <= most:
                last += 1
            if last - block == 1:
                cut = blocks[block]
            elif last > block:
                near = ranks[block:last]
                cut = blocks[block + near.index(min(near))]
            elif block and blocks[block - 1] >= start + low:
                cut = blocks[block - 1]
            else:
                cut = cut_block(plan, start, (start + low, start + middle, most), end)
        elif title + 1 == some_titles or titles[title + 1] > most:
            cut = titles[title]
        else:
            cut = cut_between(plan, start, start + low, most, end)
        append((start, cut))
        start = cut
    while start < end:
        cut = cut_between(plan, start, start + low, start + high, end)
        append((start, cut))
        start = cut
    return spans


def cut_tokens(plan: Plan, start: int, end: int) -> list[Span]:
    """Cut a part of a text into chunks that have so many tokens, each measured alone."""
    ruler = plan.ruler
    spans: list[Span] = []
    while start < end:
        most = ruler.reach(start, ruler.high)
        cut = cut_between(plan, start, min(most, ruler.reach(start, ruler.low)), most, end)
        while start + 1 < cut <= most and (excess := ruler.excess(start, cut)) > 0:
            most = max(start + 1, min(cut - 1, ruler.reach(start, max(1, ruler.size(start, cut) - excess))))
            cut = cut_between(plan, start, min(most, ruler.reach(start, ruler.low)), most, end)
        spans.append((start, cut))
        start = cut
    return spans


def cut_between(plan: Plan, start: int, least: int, most: int, end: int) -> int:
    """Where a chunk ends: between `least` and `most` if that can be, or at `end` if all the rest fits."""
    first, last = window(plan.titles, least, min(most, end - 1))
    if last > first:
        return plan.titles.least(first, last)
    if most >= end:
        return end
    middle = max(least, (start + most) // 2)
    first, last = window(plan.blocks, least, most)
    if last > first:
        return late(plan.blocks, first, last, middle)
    return cut_block(plan, start, (least, middle, most), end)


def cut_block(plan: Plan, start: int, bounds: tuple[int, int, int], end: int) -> int:
    """Where a chunk ends if no block starts in its window: mostly between two sentences."""
    return sentence_cut(plan.inner, *bounds) or cut_inside(plan, start, bounds, end)


def cut_inside(plan: Plan, start: int, bounds: tuple[int, int, int], end: int) -> int:
    """Where a chunk ends if no block and, in the usual case, no sentence starts in its window.

    Args:
        plan: where the text may be cut.
        start: start of the chunk.
        bounds: end of the smallest chunk, of a good one, of the largest.
        end: end of the last chunk.
    """
    least, middle, most = bounds
    if plan.rows.offsets:
        first, last = window(plan.rows, least, most)
        if last > first:
            return late(plan.rows, first, last, middle)
    place = inner_cut(plan.inner, start, bounds)
    if place:
        return min(end, place)
    before = max(last_before(kind, least) for kind in (plan.titles, plan.blocks, plan.rows))
    return before if before > start else min(end, early_cut(plan.inner, start, least, most))


def late(kind: Places, first: int, last: int, middle: int) -> int:
    """Of some places the one with the least hash behind the middle, or else the last before it."""
    behind = bisect_left(kind.offsets, middle, first, last)
    return kind.least(behind, last) if behind < last else kind.offsets[last - 1]


def window(kind: Places, least: int, most: int) -> tuple[int, int]:
    """Which places are in a window: the first, and one behind the last."""
    if not kind.offsets:
        return 0, 0
    first = bisect_left(kind.offsets, least)
    return first, bisect_right(kind.offsets, most, first)


def last_before(kind: Places, place: int) -> int:
    """The last place before another; 0 if there is none."""
    index = bisect_left(kind.offsets, place) - 1
    return kind.offsets[index] if index >= 0 else 0
