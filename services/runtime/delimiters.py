"""What separates the cells of a table that is text, and its rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator

DELIMITERS = "\t|;,"
"""Where several cut the rows evenly the first counts: numbers and texts are full of commas."""
SEPARATOR_LINE = re.compile("(?i:sep=)[,;\t|]")
SAMPLE_LINES = 200


def delimiter_of(lines: list[str], *, tabs: bool) -> str:
    """What separates the cells; a line that says so to Excel is made empty.

    Args:
        lines: the first lines of a table, or all.
        tabs: whether the name of the file says that they are tabs.
    """
    if SEPARATOR_LINE.fullmatch(lines[0]):
        delimiter = lines[0][-1]
        lines[0] = ""
        return delimiter
    if tabs:
        return "\t"
    sample = lines[:SAMPLE_LINES]
    scores = {one: evenness(sample, one) for one in DELIMITERS}
    best = max(scores, key=lambda one: scores[one])
    return best if scores[best] else ","


def evenness(sample: list[str], delimiter: str) -> float:
    """How well a delimiter cuts a sample: the share of rows that have the most usual number of cells."""
    widths = Counter(len(row) for row in rows_of(sample, delimiter))
    return max((count for width, count in widths.items() if width > 1), default=0) / max(widths.total(), 1)


def rows_of(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    """The rows that are not empty. In a line whose quotes are not closed as they should be, they are text."""
    place = 0
    while place < len(lines):
        reader = csv.reader(
            (lines[at] + "\n" for at in range(place, len(lines))), delimiter=delimiter, strict=True
        )
        good = 0
        try:
            for row in reader:
                good = reader.line_num
                if any(row):
                    yield row
            return
        except csv.Error:
            # No pass is long that is in vain: the reader fails at the next quote, and no other is before it.
            place += good
            yield from csv.reader(lines[place : place + 1], delimiter=delimiter, quoting=csv.QUOTE_NONE)
            place += 1
