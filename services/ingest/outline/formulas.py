"""Formulas of their own in Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from services.ingest.outline.layout import Span
from services.ingest.outline.lines import Ints, Lines
from services.ingest.outline.paragraphs import CODE_COLUMNS, NUMBER_SIGN, numbered_levels

FORMULA = re.compile(r"\$\$|\\\[|\\begin\{([^{}\n]{1,40})\}")
LONGEST_FORMULA = 1 << 16
"""Two signs of a formula that stand further apart belong to two formulas, or to none."""


@dataclass(frozen=True)
class Formulas:
    """Where formulas end.

    Args:
        lines: the lines of the text.
        closings: for each sign that closes formulas, the place found last, and up to where was searched.
    """

    lines: Lines
    closings: dict[str, tuple[int, int]] = field(default_factory=dict)

    @cached_property
    def numbered(self) -> Ints:
        """Offsets of lines that start with `#` as headings do, at the margin."""
        lines = self.lines
        numbered = np.flatnonzero((lines.signs == NUMBER_SIGN) & (lines.indents == 0))
        found: Ints = lines.starts[numbered[numbered_levels(lines, numbered) > 0]]
        return found


def formula_end(lines: Lines, line: int, formulas: Formulas) -> int:
    """Offset behind the formula that a line opens; -1 if it opens none, or has a heading in it."""
    place = lines.firsts.item(line)
    match = FORMULA.match(lines.text, place)
    if match is None or lines.indents.item(line) >= CODE_COLUMNS:
        return -1
    closed = closing_sign(lines.text, match, formulas)
    numbered = formulas.numbered
    heading = int(numbered.searchsorted(np.int32(place)))
    if closed < 0 or (heading < len(numbered) and numbered[heading] < closed):
        return -1
    end = lines.text.find("\n", closed)
    return len(lines.text) if end < 0 else end + 1


def closing_sign(text: str, opening: re.Match[str], formulas: Formulas) -> int:
    """Offset of the sign that closes a formula; -1 without one."""
    part = opening.end(), opening.start() + LONGEST_FORMULA
    if opening[1] is None:
        return sign_after(text, "$$" if opening[0] == "$$" else "\\]", part, formulas)
    if sign_after(text, "\\end{", part, formulas) < 0:
        return -1
    return sign_after(text, f"\\end{{{opening[1]}}}", part, formulas)


def sign_after(text: str, sign: str, part: Span, formulas: Formulas) -> int:
    """Offset of the first of a sign in a part of a text; -1 without one. No part is searched twice."""
    start, end = part
    place, searched = formulas.closings.get(sign, (-1, 0))
    if place < start and searched < end:
        place = text.find(sign, max(start, searched), end)
        searched = end - len(sign) if place < 0 else place + 1
        formulas.closings[sign] = place, searched
    return place if start <= place < end else -1
