"""What a text is made of: headings, tables, things that stay whole, and where blocks start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from services.ingest.outline.lines import Flags, Lines, Numbers

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
class Layout:
    """Where a text may be cut.

    Args:
        lines: its lines.
        headings: in order.
        starting: which lines start a paragraph, list item, table, code block and so on, or a heading.
        titles: numbers of the lines at which the headings start.
        glued: numbers of starting lines before which no cut is wanted, as a heading is before them.
        wholes: code blocks, formulas and the like, which are not to be cut; in order, apart from each other.
        tables: in order; their header, delimiter and first data row belong together.
    """

    lines: Lines
    headings: Sequence[Heading]
    starting: Flags
    titles: Numbers
    glued: Numbers
    wholes: Sequence[Span]
    tables: Sequence[Table]


def layout(
    lines: Lines,
    headings: Sequence[Heading],
    wholes: Sequence[Span],
    tables: Sequence[Table],
    opens: Flags,
) -> Layout:
    """Put together what was found; `opens` says which lines start a block, as far as that is known."""
    starting = opens.copy()
    mark_blocks(lines, starting, [*wholes, *((one.start, one.end) for one in tables)])
    titles, after = mark_blocks(lines, starting, [(heading.start, heading.end) for heading in headings])
    blocks = np.flatnonzero(starting)
    following = np.searchsorted(blocks, after)
    glued = blocks[following[following < len(blocks)]]
    return Layout(lines, headings, starting, titles, glued, wholes, tables)


def mark_blocks(lines: Lines, starting: Flags, blocks: Sequence[Span]) -> tuple[Numbers, Numbers]:
    """Mark the lines at the starts of blocks and those behind them, and none between; return both."""
    places = np.array(blocks, np.int64).reshape(-1, 2)
    firsts, behinds = np.searchsorted(lines.starts, places[:, 0]), np.searchsorted(lines.starts, places[:, 1])
    starting &= ~between(len(lines), firsts + 1, behinds)
    starting[firsts] = True
    starting[behinds[behinds < len(starting)]] = True
    return firsts, behinds


def between(count: int, firsts: Numbers, behinds: Numbers) -> Flags:
    """Which of so many lines are in one of the ranges, which are apart from each other."""
    edges = np.zeros(count + 1, np.int8)
    some = firsts < behinds
    np.add.at(edges, firsts[some], 1)
    np.add.at(edges, behinds[some], -1)
    found: Flags = np.cumsum(edges[:count], dtype=np.int8) > 0
    return found
