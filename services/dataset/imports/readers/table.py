"""CSV and TSV: the first row names the columns."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, Any

from services.dataset.imports.readers.reading import Source
from services.dataset.imports.readers.splitting import too_long
from services.dataset.imports.readers.streams import opened_text, unpacked_name
from services.dataset.imports.rows import MOST_ROW_BYTES, BadRow, Rows
from services.runtime.delimiters import SAMPLE_LINES, SEPARATOR_LINE, delimiter_of
from services.runtime.errors import InvalidArgument

TAB_ENDINGS = (".tsv", ".tab")
READ_AGAIN = 3
"""Lines after a broken quote are read again as rows of their own, but all in all no more than so many
times what the file holds."""


class TooLong(Exception):
    """The lines of a row are longer than a row may be."""


class Lines:
    """The lines of a table, which can be given back.

    Args:
        stream: the file, in UTF-8.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(stream, "utf-8", "surrogateescape", newline="")
        self._again: Iterator[str] = iter(())
        self._read_again = self._read = self._size = 0
        self._taken: list[str] = []
        self.number = 0
        """Of the last line, from 1."""

    def __iter__(self) -> Iterator[str]:
        """Itself."""
        return self

    def __next__(self) -> str:
        """The next line.

        Raises:
            TooLong: with it, the row would be too long.
        """
        line = next(self._again, "") or self._text.readline(MOST_ROW_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        self._read += len(line)
        self._taken.append(line)
        self._size += len(line)
        if self._size >= MOST_ROW_BYTES:
            while line and not line.endswith("\n"):
                line = self._text.readline(MOST_ROW_BYTES)
            raise TooLong
        return line

    def peek(self, count: int) -> list[str]:
        """The first lines, which come again."""
        first = list(itertools.islice(self, count))
        self._taken.insert(0, "")
        self.give_back()
        return first

    def next_row(self) -> None:
        """The lines so far are done with."""
        self._taken.clear()
        self._size = 0

    def give_back(self) -> None:
        """Give back all lines but the first since the last row; none if that was done too often."""
        again = self._taken[1:]
        size = sum(map(len, again))
        if self._read_again + size <= READ_AGAIN * (self._read - self._read_again):
            self._read_again += size
            self._again = itertools.chain(again, self._again)
            self.number -= len(again)
        self.next_row()


def read(source: Source) -> Rows:
    """The rows of a table, with the numbers of the lines that they begin in; blank lines are none.

    Raises:
        InvalidArgument: the file is damaged or made to swell, no encoding fits, or two columns have one name.
    """
    with opened_text(source.path, source.name, source.options.encoding) as stream:
        lines = Lines(stream)
        sample = [line.rstrip("\r\n") for line in lines.peek(SAMPLE_LINES)]
        if not sample:
            return
        if SEPARATOR_LINE.fullmatch(sample[0]):
            next(lines)
            lines.next_row()
        tabs = PurePosixPath(unpacked_name(source.name)).suffix.lower() in TAB_ENDINGS
        rows = cells_of(lines, delimiter_of(sample, tabs=tabs))
        header = next(rows, None)
        if header is None or isinstance(header[1], BadRow):
            raise no_header(source.name)
        names = names_of(header[1], source.name)
        for number, cells in rows:
            yield number, cells if isinstance(cells, BadRow) else row_of(names, cells)


def cells_of(lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    """The cells of rows that are not empty, with the numbers of the lines that they begin in."""
    done = False
    while not done:
        first = lines.number + 1
        try:
            for cells in csv.reader(lines, delimiter=delimiter, strict=True):
                lines.next_row()
                if any(cells):
                    yield first, cells
                first = lines.number + 1
            done = True
        except csv.Error as error:
            yield first, broken_quotes(error)
            lines.give_back()
        except TooLong:
            yield first, too_long()
            lines.give_back()


def names_of(cells: Sequence[str], name: str) -> list[str]:
    """The names of columns; one without has its number.

    Raises:
        InvalidArgument: two columns have one name.
    """
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    doubles = [one for one in names if names.count(one) > 1]
    if doubles:
        raise InvalidArgument(
            "COLUMN_DOUBLE",
            f"{name}: two columns are called {doubles[0]!r}; rename one of them in the first row",
            name=name,
            column=doubles[0],
        )
    return names


def row_of(names: Sequence[str], cells: Sequence[str]) -> dict[str, Any] | BadRow:
    """A row; cells that it is too short for are empty."""
    if len(cells) > len(names):
        return BadRow(
            "CELLS_TOO_MANY",
            f"the row has {len(cells)} cells, but the first row names {len(names)} columns; put cells with "
            "separators in double quotes",
        )
    row = dict.fromkeys(names, "")
    row.update(zip(names, cells, strict=False))
    return row


def broken_quotes(error: csv.Error) -> BadRow:
    """The fault of a row whose quotes are wrong."""
    return BadRow(
        "QUOTES_BROKEN",
        f"the row cannot be cut into cells ({error}); double each quotation mark within a "
        "quoted cell, and close it",
    )


def no_header(name: str) -> InvalidArgument:
    """The error for a table without a first row."""
    return InvalidArgument(
        "HEADER_MISSING", f"{name}: the first row must name the columns; add such a row", name=name
    )
