"""Rows for people: each on a line where there is room, else on several, with no word broken that names it.

What says what something is (an id, a state, a number) is never cut. Names are broken where their parts end.
Texts are cut, and stand below their row where beside the others there is little room.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len, chop_cells, set_cell_size

NAMES = {"name", "title", "base_url", "source", "media_type", "filters", "tags", "labels", "ways"}
"""Columns that are broken into lines, by the last part of their paths."""
TEXTS = {
    "answer",
    "description",
    "question",
    "reference",
    "removed",
    "added",
    "message",
    "shared_words",
    "text",
}
"""Columns that are cut, by the last part of their paths."""
NARROWEST_NAME, NARROWEST_TEXT = 12, 24
LONGEST = 60
"""Columns of the screen that a name, or a text beside others, takes."""
LONGEST_WORD = 40
"""What is longer is no single word."""
INDENT = "  "
GAP = 2
CUT = "…"
PARTS = re.compile(r".+?(?:[\s/\\._,:;-]+|$)", re.DOTALL)
"""Parts of a name, each with what ends it."""


@dataclass(frozen=True)
class Column:
    """A column of a grid.

    Args:
        path: of the field, such as `job.state`.
        cells: its values, a row each.
    """

    path: str
    cells: Sequence[str]

    @property
    def last(self) -> str:
        """Its own name, without those that it is a part of."""
        return self.path.rpartition(".")[2]

    @property
    def is_text(self) -> bool:
        """Whether it is cut."""
        return self.last in TEXTS

    @property
    def is_name(self) -> bool:
        """Whether it is broken into lines."""
        return self.last in NAMES or max(map(cell_len, self.cells), default=0) > LONGEST_WORD

    @property
    def head(self) -> list[str]:
        """Its name in lines, so that numbers need little room."""
        return re.split(r"[._]", self.path)

    @property
    def widest(self) -> int:
        """Room for all of it."""
        inside = max(map(cell_len, self.cells), default=0)
        if self.is_text or self.is_name:
            inside = min(inside, LONGEST)
        return max(inside, self.head_width)

    @property
    def head_width(self) -> int:
        """Room for its name."""
        return max(map(cell_len, self.head))

    @property
    def narrowest(self) -> int:
        """The least room that it can do with."""
        if self.is_text:
            return min(self.widest, NARROWEST_TEXT)
        return min(self.widest, max(NARROWEST_NAME, self.head_width)) if self.is_name else self.widest

    def lines(self, row: int, width: int) -> list[str]:
        """The cell of a row in lines of this width."""
        value = self.cells[row]
        return [cut(value, width)] if self.is_text else broken(value, width)


@dataclass(frozen=True)
class Grid:
    """How rows are laid out.

    Args:
        beside: columns that stand side by side.
        widths: theirs.
        gap: what lies between them.
        more: columns that have no room there, and stand below with their names, as many on a line as fit.
        texts: those that have a line each.
        width: of the screen.
    """

    beside: Sequence[Column]
    widths: Sequence[int]
    gap: int
    more: Sequence[Column]
    texts: Sequence[Column]
    width: int

    def head(self) -> Iterator[str]:
        """The names of the columns that stand side by side, which end on the same line."""
        names = [column.head for column in self.beside]
        most = max(map(len, names))
        yield from self._joined([[""] * (most - len(name)) + name for name in names])

    def row(self, row: int) -> Iterator[str]:
        """The lines of a row; what is empty has none below."""
        sized = zip(self.beside, self.widths, strict=True)
        yield from self._joined([column.lines(row, width) for column, width in sized])
        width = self.width - len(INDENT)
        line = ""
        for told in self._told(self.more, row):
            if line and cell_len(line) + GAP + cell_len(told) > width:
                yield INDENT + line
                line = ""
            line = f"{line}{' ' * GAP}{told}" if line else told
        yield from [INDENT + line] if line else []
        for told in self._told(self.texts, row):
            yield INDENT + cut(told, width)

    def _told(self, columns: Sequence[Column], row: int) -> Iterator[str]:
        return (f"{column.path}: {column.cells[row]}" for column in columns if column.cells[row])

    def _joined(self, cells: Sequence[Sequence[str]]) -> Iterator[str]:
        for parts in zip_longest(*cells, fillvalue=""):
            sized = (set_cell_size(part, width) for part, width in zip(parts, self.widths, strict=True))
            yield (" " * self.gap).join(sized).rstrip()


def laid_out(columns: Sequence[Column], width: int) -> Grid:
    """Rows on a line each if they fit, else with texts below, else with all below that has no room."""
    short = [column for column in columns if not column.is_text]
    texts = [column for column in columns if column.is_text]
    for beside, below in ((columns, []), (short, texts)):
        for gap in (GAP, 1):
            if fits(beside, width, gap):
                return Grid(beside, widths_of(beside, width, gap), gap, [], below, width)
    count = next((some for some in range(len(short), 1, -1) if fits(short[:some], width, GAP)), 1)
    beside = short[:count]
    return Grid(beside, widths_of(beside, width, GAP), GAP, short[count:], texts, width)


def fits(columns: Sequence[Column], width: int, gap: int) -> bool:
    """Whether there are columns that have room side by side."""
    needed = sum(column.narrowest for column in columns) + gap * (len(columns) - 1)
    return bool(columns) and needed <= width


def widths_of(columns: Sequence[Column], width: int, gap: int) -> list[int]:
    """The room of each; what is left goes to those that want it, names before texts."""
    widths = [column.narrowest for column in columns]
    left = max(0, width - sum(widths) - gap * (len(columns) - 1))
    for texts in (False, True):
        for place, column in enumerate(columns):
            if column.is_text == texts:
                more = min(left, column.widest - widths[place])
                widths[place] += more
                left -= more
    return widths


def cut(text: str, width: int) -> str:
    """A text no longer than this."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + CUT


def broken(value: str, width: int) -> list[str]:
    """A value in lines, which end where a part of it does; only a part that is longer is broken itself."""
    lines = [""]
    for part in PARTS.findall(value):
        if lines[-1] and cell_len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        *whole, last = chop_cells(lines[-1] + part, width) if cell_len(part) > width else [lines[-1] + part]
        lines[-1:] = [*whole, last]
    return lines
