"""List items of Markdown, and which of them a line stands in."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.ingest.outline.lines import NEWLINE, SPACE, TAB, Codes, Flags, Ints, Lines, one_of, sequence
from services.ingest.outline.native import scan

HR = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$", re.MULTILINE)
ITEM = re.compile(r"([-*+]|\d{1,9}[.)])(?:([ \t]+)(?=[^ \t\n])|(?=[ \t\n]|\Z))")
BULLETS, DIGITS, ENDING = one_of("-*+"), one_of("0123456789"), one_of("#`~")
MOST_DIGITS = 9
DEEPEST = 64
"""So many items are looked at to find the one that a line stands in."""


@dataclass(frozen=True)
class Lists:
    """The list items of a text.

    Args:
        lines: the lines of the text.
        items: numbers of the lines that start an item.
        closers: numbers of the lines that end all lists before them.
    """

    lines: Lines
    items: Ints
    closers: Ints

    def column(self, line: int) -> int:
        """Column at which the content of the innermost item around a line starts; 0 outside of lists."""
        indent = self.lines.indents.item(line)
        closed = bisect_left(self.closing, line) - 1
        last = self.closing[closed] if closed >= 0 else -1
        starting = self.starting
        above = bisect_left(starting, line)
        for index in range(above - 1, max(0, above - DEEPEST) - 1, -1):
            item = starting[index]
            if item < last or HR.match(self.lines.text, self.lines.firsts.item(item)):
                return 0
            content = content_column(self.lines, item)
            if content <= indent:
                return content
        return 0

    @cached_property
    def starting(self) -> Sequence[int]:
        """The items once more: they are looked at one by one, in texts that have indented blocks."""
        return sequence(self.items)

    @cached_property
    def closing(self) -> Sequence[int]:
        """The closers once more."""
        return sequence(self.closers)


def lists_of(lines: Lines, items: Flags) -> Lists:
    """The list items of a text, given which lines start one."""
    ends = lines.opens | ENDING[lines.signs]
    closers = np.flatnonzero(ends & ~items & (lines.indents < 2))
    return Lists(lines, np.flatnonzero(items).astype(np.int32), closers.astype(np.int32))


def content_column(lines: Lines, item: int) -> int:
    """Column at which the content of an item starts."""
    match = ITEM.match(lines.text, lines.firsts.item(item))
    marker = lines.indents.item(item) + (len(match[1]) if match else 1)
    blanks = len((match[2] or "").expandtabs(4)) if match else 1
    # Five or more spaces are one space and indented code.
    return marker + (blanks if 1 <= blanks <= 4 else 1)


def is_item(lines: Lines) -> Flags:
    """Which lines start with a marker of a list: `-`, `*`, `+`, `1.` or `1)`, and a space or nothing."""
    if scan is None:
        return is_item_by_numpy(lines)
    return np.frombuffer(scan.items(lines.text, lines.firsts), np.bool_)


def is_item_by_numpy(lines: Lines) -> Flags:
    """The same where nothing is compiled."""
    found = np.zeros(len(lines), bool)
    bullets = np.flatnonzero(BULLETS[lines.signs])
    found[bullets] = is_gap(lines.behind(bullets, 2)[:, 1])
    digits = np.flatnonzero(DIGITS[lines.signs])
    codes = lines.behind(digits, MOST_DIGITS + 2)
    running = np.ones(len(digits), bool)
    for distance in range(1, MOST_DIGITS + 1):
        column = codes[:, distance]
        marked = running & ((column == ord(".")) | (column == ord(")")))
        found[digits[marked]] = is_gap(codes[marked, distance + 1])
        running &= (column >= ord("0")) & (column <= ord("9"))
    return found


def is_gap(codes: Codes) -> Flags:
    """Which code points are spaces, tabs or line ends."""
    found: Flags = (codes == SPACE) | (codes == TAB) | (codes == NEWLINE)
    return found
