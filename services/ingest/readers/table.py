"""CSV and TSV: one Markdown table, as the first row is the header."""

from __future__ import annotations

import csv

from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.text_builder import TextBuilder
from services.ingest.readers.shared.texts import text_of
from services.runtime.delimiters import delimiter_of, rows_of

TSV = "text/tab-separated-values"
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
    delimiter = delimiter_of(lines, tabs=source.media_type == TSV)
    width = max((len(row) for row in rows_of(lines, delimiter)), default=0)
    builder, starts = TextBuilder(source), list[int]()
    for number, row in enumerate(rows_of(lines, delimiter)):
        if number == 0:
            builder.add(markdown.line(row, width) + markdown.delimiter_line(width))
        else:
            starts.append(builder.length)
            builder.add(markdown.line(row, width if width <= MOST_FILLED else 0))
    return checked(Reading(builder.text(), row_starts=starts, encoding=encoding), source.name)
