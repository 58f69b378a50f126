"""A text as the cleaning rules see it: its lines, what kind each is, and the pages they stand on."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from services.ingest.cleaning.changes import Change, Places, apply
from services.ingest.outline import layout_of
from services.ingest.outline.formulas import FORMULA
from services.ingest.readers.shared.images import REFERENCE

OPENS_FORMULA = re.compile(rf"[ \t]*(?:{FORMULA.pattern})")
ROW = re.compile(r"[ \t>]*\||[ \t]*>.*\|")
"""A row without header, as where a page ends within a table, or in a quotation."""


@dataclass(frozen=True)
class Line:
    """A line.

    Args:
        start: first character.
        end: one past the last, without the line end.
        text: what stands there.
        kind: `prose`, `code` (also front matter), `table`, `formula` or `blank`.
    """

    start: int
    end: int
    text: str
    kind: str


@dataclass(frozen=True)
class Draft:
    """A text that is being cleaned."""

    text: str
    page_starts: Sequence[int]
    syntax: str

    @cached_property
    def lines(self) -> list[Line]:
        """The lines in order."""
        texts = self.text.split("\n")
        starts = [0, *itertools.accumulate(len(text) + 1 for text in texts[:-1])]
        kinds = kinds_of(self.text, texts, starts) if self.syntax == "markdown" else plain_kinds(texts)
        return [
            Line(start, start + len(text), text, kind)
            for start, text, kind in zip(starts, texts, kinds, strict=True)
        ]

    @cached_property
    def pages(self) -> list[list[Line]]:
        """The lines with text of each page; a line belongs to the page where it starts."""
        starts = [line.start for line in self.lines]
        bounds = [*(bisect.bisect_left(starts, start) for start in self.page_starts), len(starts)]
        return [
            [line for line in self.lines[first:last] if line.kind != "blank"]
            for first, last in pairwise(bounds)
        ]

    def page_span(self, page: int) -> tuple[int, int]:
        """Where a page, counted from 0, starts and ends."""
        ends = [*self.page_starts[1:], len(self.text)]
        return self.page_starts[page], ends[page]

    def changed(self, changes: Sequence[Change]) -> Draft:
        """The draft after changes."""
        places = Places(changes)
        starts = tuple(places.of(start) for start in self.page_starts)
        return Draft(apply(self.text, changes), starts, self.syntax)

    def allowed(self, changes: Iterable[Change]) -> list[Change]:
        """The changes that do not break the reference to a picture; removing it whole does not break it."""
        spans = [match.span() for match in REFERENCE.finditer(self.text)] if "](images/" in self.text else []
        ends = [end for _, end in spans]
        return [change for change in changes if not breaks(change, spans, ends)]


Rule = Callable[[Draft], list[Change]]
"""Finds what to change in a draft; the changes are sorted and disjoint, and make the text
shorter or its lines fewer."""


def breaks(change: Change, spans: Sequence[tuple[int, int]], ends: Sequence[int]) -> bool:
    """Whether a change touches a part of one of some spans, which are sorted."""
    for start, end in spans[bisect.bisect_right(ends, change.start) :]:
        if start >= change.end:
            return False
        if change.start > start or change.end < end:
            return True
    return False


def deletions(spans: Iterable[tuple[int, int]], rule: str) -> list[Change]:
    """Changes that remove some spans, which may overlap."""
    found: list[Change] = []
    for start, end in sorted(spans):
        if found and start <= found[-1].end:
            last = found.pop()
            found.append(Change(last.start, max(last.end, end), "", rule))
        elif start < end:
            found.append(Change(start, end, "", rule))
    return found


def kinds_of(text: str, lines: Sequence[str], starts: Sequence[int]) -> list[str]:
    """Kinds of the lines of a Markdown text; its blocks are those between which it is cut into chunks."""
    kinds = [
        "table" if ROW.match(line) else kind for line, kind in zip(lines, plain_kinds(lines), strict=True)
    ]
    layout = layout_of(text)
    blocks = [
        (start, end, "formula" if OPENS_FORMULA.match(text, start) else "code")
        for start, end in layout.wholes
    ]
    for start, end, kind in [*blocks, *((table.start, table.end, "table") for table in layout.tables)]:
        first, behind = bisect.bisect_left(starts, start), bisect.bisect_left(starts, end)
        kinds[first:behind] = [kind] * (behind - first)
    return kinds


def plain_kinds(lines: Sequence[str]) -> list[str]:
    """Kinds of the lines of a text without syntax."""
    return ["prose" if line.strip() else "blank" for line in lines]
