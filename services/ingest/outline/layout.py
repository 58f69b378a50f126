"""What a text is made of: headings, tables, things that stay whole, and where blocks start."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.ingest.outline.lines import Flags, Ints, Lines, Numbers

Span = tuple[int, int]
"""Half-open offsets of characters."""


class Heading(NamedTuple):
    """A heading, or the first line of a definition in source code.

    Args:
        start: offset of its first line.
        end: offset of the line after it.
        level: its depth, from 1.
        title: its text, in one line.
    """

    start: int
    end: int
    level: int
    title: str


class Table(NamedTuple):
    """A table.

    Args:
        start: offset of the header row.
        end: offset of what follows.
        body: offset of the first data row.
    """

    start: int
    end: int
    body: int


@dataclass(frozen=True)
class Spans:
    """Parts of a text, in order and apart from each other; in arrays, as a text may have millions."""

    starts: array[int] = field(default_factory=lambda: array("i"))
    ends: array[int] = field(default_factory=lambda: array("i"))

    def __len__(self) -> int:
        """How many parts there are."""
        return len(self.starts)

    def __iter__(self) -> Iterator[Span]:
        """One after the other."""
        return zip(self.starts, self.ends, strict=True)

    def append(self, start: int, end: int) -> None:
        """Add a part behind all others."""
        self.starts.append(start)
        self.ends.append(end)

    def at(self, place: int) -> Span | None:
        """The part that a cut would part."""
        index = bisect_left(self.starts, place) - 1
        if index < 0 or self.ends[index] <= place:
            return None
        return self.starts[index], self.ends[index]


@dataclass(frozen=True)
class Tables:
    """The tables of a text, in order: their spans, and where the first data row of each starts."""

    spans: Spans = field(default_factory=Spans)
    bodies: array[int] = field(default_factory=lambda: array("i"))

    def __len__(self) -> int:
        """How many tables there are."""
        return len(self.bodies)

    def __iter__(self) -> Iterator[Table]:
        """One after the other."""
        return map(Table, self.spans.starts, self.spans.ends, self.bodies)

    def __getitem__(self, index: int) -> Table:
        """One of them."""
        return Table(self.spans.starts[index], self.spans.ends[index], self.bodies[index])

    def append(self, table: Table) -> None:
        """Add a table behind all others."""
        self.spans.append(table.start, table.end)
        self.bodies.append(table.body)


@dataclass(frozen=True)
class Titles:
    """The headings of a text as numbers: of their first lines, of the lines behind them, and their levels."""

    lines: Numbers
    behind: Numbers
    levels: Numbers


@dataclass(frozen=True)
class Layout:
    """Where a text may be cut.

    Args:
        lines: its lines.
        titles: its headings.
        starting: which lines start a paragraph, list item, table, code block and so on, or a heading.
        glued: numbers of starting lines before which no cut is wanted, as a heading is before them.
        wholes: code blocks, formulas and the like, which are not to be cut.
        tables: their header, delimiter and first data row belong together.
    """

    lines: Lines
    titles: Titles
    starting: Flags
    glued: Numbers
    wholes: Spans
    tables: Tables


def layout(lines: Lines, titles: Titles, wholes: Spans, tables: Tables, opens: Flags) -> Layout:
    """Put together what was found; `opens` says which lines start a block, as far as that is known."""
    starting = opens.copy()
    for blocks in (wholes, tables.spans):
        mark_blocks(starting, lines_at(lines, blocks.starts), lines_at(lines, blocks.ends))
    mark_blocks(starting, titles.lines, titles.behind)
    return Layout(lines, titles, starting, glued(lines, titles), wholes, tables)


def glued(lines: Lines, titles: Titles) -> Numbers:
    """The lines behind headings, which start blocks, as `mark_blocks` has it."""
    return titles.behind[titles.behind < len(lines)]


def array_of(numbers: bytes) -> array[int]:
    """The numbers that `scan` found."""
    found = array("i")
    found.frombytes(numbers)
    return found


def offsets_of(places: array[int]) -> Ints:
    """The same places for numpy; no more may be added to them then."""
    return np.frombuffer(places, np.int32)


def lines_at(lines: Lines, places: array[int]) -> Numbers:
    """Numbers of the first lines that start at some places or behind them."""
    return lines.starts.searchsorted(offsets_of(places))


def mark_blocks(starting: Flags, firsts: Numbers, behinds: Numbers) -> None:
    """Mark the first lines of blocks and those behind them, and none between."""
    if not len(firsts):
        return
    starting &= ~between(len(starting), firsts + 1, behinds)
    starting[firsts] = True
    starting[behinds[behinds < len(starting)]] = True


def titles_at(found: Sequence[tuple[int, int, int]]) -> Titles:
    """Headings given by first line, line behind and level, in order."""
    columns = np.array(found, np.intp).reshape(-1, 3).T
    return Titles(columns[0], columns[1], columns[2])


def between(count: int, firsts: Numbers, behinds: Numbers) -> Flags:
    """Which of so many lines are in one of the ranges, which are apart from each other."""
    edges = np.zeros(count + 1, np.int8)
    some = firsts < behinds
    edges[firsts[some]] = 1
    # A range may start where another ends.
    edges[behinds[some]] -= 1
    found: Flags = np.cumsum(edges[:count], dtype=np.int8) > 0
    return found
