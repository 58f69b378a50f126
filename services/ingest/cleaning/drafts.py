"""A text as the cleaning rules see it: its lines, what kind each is, and the pages they stand on."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from services.ingest.cleaning.changes import Change, Places, apply
from services.ingest.readers.shared.images import REFERENCE

FENCE = re.compile(r"[ \t>]*(?:[-*+][ \t]+|\d{1,9}[.)][ \t]+)?(`{3,}(?=[^`]*$)|~{3,})")
FORMULA_ENDS = {"$$": "$$", "\\[": "\\]"}
LONGEST_FORMULA = 100
"""Lines; a `$$` that is not closed by then is no formula."""
DELIMITER_ROW = re.compile(r"[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*")


@dataclass(frozen=True)
class Line:
    """A line.

    Args:
        start: first character.
        end: one past the last, without the line end.
        text: what stands there.
        kind: `prose`, `code`, `table`, `formula` or `blank`.
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
        kinds = kinds_of(texts) if self.syntax == "markdown" else plain_kinds(texts)
        lines, start = [], 0
        for text, kind in zip(texts, kinds, strict=True):
            lines.append(Line(start, start + len(text), text, kind))
            start += len(text) + 1
        return lines

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


def plain_kinds(texts: Sequence[str]) -> list[str]:
    """Kinds of the lines of a text without syntax."""
    return ["prose" if text.strip() else "blank" for text in texts]


def kinds_of(texts: Sequence[str]) -> list[str]:
    """Kinds of the lines of a Markdown text."""
    kinds = plain_kinds(texts)
    at = 0
    while at < len(texts):
        kind, end = block_at(texts, at)
        if kind:
            kinds[at:end] = [kind] * (end - at)
        at = end
    for at in delimiter_rows(texts, kinds):
        mark_table(texts, kinds, at)
    return kinds


def block_at(texts: Sequence[str], at: int) -> tuple[str, int]:
    """Kind and end of the code, formula or table line that starts at a line; no kind for any other line."""
    stripped = texts[at].strip()
    fence = FENCE.match(texts[at])
    if fence:
        return "code", fence_end(texts, at, fence[1])
    for opening, closing in FORMULA_ENDS.items():
        if stripped.startswith(opening):
            end = formula_end(texts, at, closing)
            return ("formula", end) if end else ("", at + 1)
    return ("table" if stripped.startswith("|") else ""), at + 1


def fence_end(texts: Sequence[str], at: int, fence: str) -> int:
    """The line after a code fence that opens at a line; as in CommonMark it may end with the text."""
    for index in range(at + 1, len(texts)):
        stripped = texts[index].strip(" \t>")
        if stripped.startswith(fence) and not stripped.strip(fence[0]):
            return index + 1
    return len(texts)


def formula_end(texts: Sequence[str], at: int, closing: str) -> int:
    """The line after a formula that opens at a line; 0 where it is not closed."""
    if len(texts[at].strip()) > len(closing) and texts[at].rstrip().endswith(closing):
        return at + 1
    for index in range(at + 1, min(at + LONGEST_FORMULA, len(texts))):
        if texts[index].rstrip().endswith(closing):
            return index + 1
    return 0


def delimiter_rows(texts: Sequence[str], kinds: Sequence[str]) -> Iterator[int]:
    """The delimiter rows of tables whose rows do not start with a bar."""
    for at, text in enumerate(texts):
        if kinds[at] == "prose" and "|" in text and DELIMITER_ROW.fullmatch(text):
            yield at


def mark_table(texts: Sequence[str], kinds: list[str], delimiter: int) -> None:
    """Mark the header row, the delimiter row and the data rows of a table."""
    first = delimiter - 1 if delimiter and "|" in texts[delimiter - 1] else delimiter
    for at in range(first, len(texts)):
        if at > delimiter and (kinds[at] != "prose" or "|" not in texts[at]):
            return
        kinds[at] = "table"
