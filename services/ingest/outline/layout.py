"""What a text is made of: headings, tables, things that stay whole, and where blocks start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
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
        wholes: code blocks, formulas and the like, which are not to be cut; in order, apart from each other.
        tables: in order; their header, delimiter and first data row belong together.
    """

    lines: Lines
    titles: Titles
    starting: Flags
    glued: Numbers
    wholes: Sequence[Span]
    tables: Sequence[Table]


def layout(
    lines: Lines, titles: Titles, wholes: Sequence[Span], tables: Sequence[Table], opens: Flags
) -> Layout:
    """Put together what was found; `opens` says which lines start a block, as far as that is known."""
    starting = opens.copy()
    blocks = [*wholes, *((table.start, table.end) for table in tables)]
    mark_blocks(starting, *np.searchsorted(lines.starts, offsets_of(blocks)).T)
    mark_blocks(starting, titles.lines, titles.behind)
    numbers = np.flatnonzero(starting)
    following = np.searchsorted(numbers, titles.behind)
    glued = numbers[following[following < len(numbers)]]
    return Layout(lines, titles, starting, glued, wholes, tables)


def offsets_of(spans: Sequence[tuple[int, ...]], width: int = 2) -> Ints:
    """Some tuples of so many offsets each.

    Returns:
        Shape [spans, width].
    """
    return np.fromiter(chain.from_iterable(spans), np.int32, width * len(spans)).reshape(-1, width)


def mark_blocks(starting: Flags, firsts: Numbers, behinds: Numbers) -> None:
    """Mark the first lines of blocks and those behind them, and none between."""
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
