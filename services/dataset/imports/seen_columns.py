"""Which columns rows have, which of them say nothing, and which no example was made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

from services.dataset.imports.rows import BadRow, Rows

NOTHING: tuple[object, ...] = (None, "", [])
"""What an empty column holds."""
MOST_LAYOUTS = 1000
"""Rows of one file have few different sets of columns; where they have more, names alone are counted on."""
MOST_NAMES = 10_000
"""Columns that are counted: a file whose keys are values may have one a row."""
MOST_TOLD = 100
"""Columns that are told of, those with the most rows first."""
LONGEST_NAME = 200


class SeenColumns:
    """Looks at the columns of a file as its rows pass."""

    def __init__(self) -> None:
        self._layouts: Counter[tuple[str, ...]] = Counter()
        self._rows: Counter[str] = Counter()
        self._empty: Counter[str] = Counter()
        self._read: Set[str] | None = None

    def watched(self, rows: Rows) -> Rows:
        """The same rows, whose columns are counted."""
        layouts, empty = self._layouts, self._empty
        for number, row in rows:
            if not isinstance(row, BadRow):
                # By layout: that is one count a row, however many columns there are.
                layouts[tuple(row)] += 1
                if len(layouts) > MOST_LAYOUTS:
                    self._flush()
                for column, value in row.items():
                    if not value and value in NOTHING:
                        empty[column] += 1
            yield number, row

    def read_as(self, columns: Set[str]) -> None:
        """Say which columns examples are made of, once the shape of the rows is known."""
        self._read = columns

    @property
    def empty(self) -> Counter[str]:
        """Rows with nothing in a column, by column."""
        return Counter({shown(name): count for name, count in self._empty.items()})

    @property
    def unread(self) -> Counter[str]:
        """Rows with something in a column that no example was made of, by column."""
        self._flush()
        found: Counter[str] = Counter()
        if self._read is not None:
            for name, count in self._rows.items():
                if name not in self._read and count > self._empty[name]:
                    found[shown(name)] += count - self._empty[name]
        return found

    def _flush(self) -> None:
        for names, count in self._layouts.items():
            for name in names:
                if len(self._rows) < MOST_NAMES or name in self._rows:
                    self._rows[name] += count
        self._layouts.clear()


def shown(name: str) -> str:
    """The name of a column as it can be stored."""
    return name[:LONGEST_NAME].replace("\0", "\ufffd")
