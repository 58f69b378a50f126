"""CSV and TSV: one Markdown table, as the first row is the header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator

from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.text_builder import TextBuilder
from services.ingest.readers.shared.texts import text_of

DELIMITERS = "\t|;,"
"""Where several cut the rows evenly the first counts: numbers and texts are full of commas."""
SEPARATOR_LINE = re.compile("(?i:sep=)[,;\t|]")
TSV = "text/tab-separated-values"
SAMPLE_LINES = 200
MOST_FILLED = 64
"""Short rows are filled up to so many cells; a reader of Markdown does it beyond."""

# A cell may be as long as a text may.
csv.field_size_limit(2**31 - 1)


def read(source: Source) -> Reading:
    """Convert to a table; every row is a row of it, empty ones are left out.

    Raises:
        InvalidArgument: no encoding fits, or the file holds no text, or too much.
    """
    text, encoding = text_of(source)
    lines = text.split("\n")
    delimiter = delimiter_of(lines, source.media_type)
    width = max((len(row) for row in rows_of(lines, delimiter)), default=0)
    builder, starts = TextBuilder(source), list[int]()
    for number, row in enumerate(rows_of(lines, delimiter)):
        if number == 0:
            builder.add(markdown.line(row, width) + markdown.delimiter_line(width))
        else:
            starts.append(builder.length)
            builder.add(markdown.line(row, width if width <= MOST_FILLED else 0))
    return checked(Reading(builder.text(), row_starts=starts, encoding=encoding), source.name)


def delimiter_of(lines: list[str], media_type: str) -> str:
    """What separates the cells; a line that says so to Excel is made empty."""
    if SEPARATOR_LINE.fullmatch(lines[0]):
        delimiter = lines[0][-1]
        lines[0] = ""
        return delimiter
    if media_type == TSV:
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
