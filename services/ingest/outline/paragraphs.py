"""Paragraphs of Markdown that an underline makes a heading."""

from __future__ import annotations

import re

import numpy as np

from services.ingest.outline.lines import Lines, Numbers
from services.ingest.outline.lists import HR, Lists, is_gap

INTERRUPTING_ITEM = re.compile(r"(?:[-*+]|1[.)])[ \t]+[^ \t\n]")
ANY_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?:[ \t\n]|\Z)")
TITLE = re.compile(r"#{1,6}(?:[ \t\n]|\Z)")
QUOTED_TITLE = re.compile(r">[ \t]{0,4}(?:#{1,6}(?:[ \t\n]|\Z)|\n|\Z)")
DEFINITION = re.compile(r"\[[^\[\]\n]+\]:[ \t]*\S")
CODE_COLUMNS = 4
NUMBER_SIGN = ord("#")
DEEPEST_HEADING = 6
LAZY = -2
"""From here on lines may belong to a list or a quotation."""
LONGEST = 32
"""A paragraph of more lines is not looked at as a title."""


def numbered_levels(lines: Lines, numbered: Numbers) -> Numbers:
    """The level of each of some lines that start with `#`; 0 if it is no heading."""
    levels = np.zeros(len(numbered), np.intp)
    running = np.ones(len(numbered), bool)
    for distance, codes in enumerate(lines.behind(numbered, DEEPEST_HEADING + 1).T[1:], 1):
        levels[running & is_gap(codes)] = distance
        running &= codes == NUMBER_SIGN
    return levels


def paragraph_before(lines: Lines, lists: Lists, line: int, free: int) -> int:
    """Number of the first line of the top-level paragraph that ends right before a line; -1 without one.

    Args:
        lines: the lines of the text.
        lists: its list items.
        line: number of the line behind the paragraph.
        free: the paragraph starts at this offset or behind it.
    """
    first = open_paragraph(lines, line, free)
    if first < 0 or only_definitions(lines, first, line):
        return -1
    return -1 if lines.indents[first] and lists.column(first) else first


def open_paragraph(lines: Lines, line: int, free: int) -> int:
    """The same, `LAZY` if it is one of a list or a quotation, with links' definitions and indented items."""
    top = line
    while top > 0 and not lines.opens.item(top) and lines.starts.item(top - 1) >= free:
        top -= 1
        if line - top > LONGEST:
            return LAZY
    first = -1
    for number in range(top, line):
        first = opener(lines, number, first)
    return first


def opener(lines: Lines, line: int, first: int) -> int:
    """First line of the paragraph that goes on with a line, given the one before; -1 for no paragraph."""
    text, place = lines.text, lines.firsts.item(line)
    if lines.indents.item(line) >= CODE_COLUMNS:
        return first
    if TITLE.match(text, place):
        return -1
    if text[place] == ">":
        return -1 if QUOTED_TITLE.match(text, place) else LAZY
    if HR.match(text, place):
        return -1
    if first == LAZY:
        return first
    item = INTERRUPTING_ITEM if first >= 0 else ANY_ITEM
    if item.match(text, place):
        return LAZY
    return line if first < 0 else first


def only_definitions(lines: Lines, first: int, end: int) -> bool:
    """Whether all lines define links, and so are no text."""
    places = lines.firsts[first:end].tolist()
    return all(DEFINITION.match(lines.text, place) for place in places)
