"""Strategy `row`: a chunk is a row of a table."""

from __future__ import annotations

from services.ingest.outline import Span
from services.ingest.readers.reading import Reading
from services.ingest.splitting import structure
from services.ingest.splitting.custom import between
from services.ingest.splitting.options import SplitOptions


def spans(reading: Reading, options: SplitOptions) -> list[Span]:
    """Cut at rows, whatever their size; a text without rows by structure.

    What stands between the rows of two tables, with the header of the second, is a piece of its own.
    """
    text, rows = reading.text, reading.row_starts
    if not rows:
        return structure.spans(reading, options)
    ends = [row_end(text, start) for start in rows]
    parts = between([place for place in (*rows, *ends) if place < len(text)], len(text))
    return structure.cut_larger(reading, options, parts, kept=set(rows))


def row_end(text: str, start: int) -> int:
    """Where a row ends: with its line and the blank ones behind it, if it is one of a Markdown table."""
    if not text.startswith("|", start):
        return start
    end = text.find("\n", start)
    if end < 0:
        return len(text)
    while end < len(text) and text[end] == "\n":
        end += 1
    return end
