"""GFM tables (https://github.github.com/gfm/#tables-extension-)."""

from __future__ import annotations

import re

from services.ingest.outline.html import OPENS_OVER_TEXT
from services.ingest.outline.layout import Table
from services.ingest.outline.lines import Flags, Lines
from services.ingest.outline.lists import HR
from services.ingest.outline.paragraphs import CODE_COLUMNS

DELIMITER_ROW = re.compile(
    r"(?!-[ \t])\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+$", re.MULTILINE
)
ESCAPED = re.compile(r"\\\|")
END = re.compile(
    r"#{1,6}(?:[ \t]|$)|`{3,}[^`\n]*$|~{3}|>|[-*+](?:[ \t]|$)|\d{1,9}[.)](?:[ \t]|$)|" + OPENS_OVER_TEXT,
    re.MULTILINE | re.IGNORECASE,
)


def table_at(lines: Lines, line: int, free: int, others: bytes) -> Table | None:
    """The table whose delimiter row is a line; nothing if it is none.

    Args:
        lines: the lines of the text.
        line: number of the line.
        free: the table starts at this offset or behind it.
        others: what `other_lines` says.
    """
    if line == 0 or lines.opens.item(line):
        return None
    start = lines.starts.item(line - 1)
    row = DELIMITER_ROW.match(lines.text, lines.firsts.item(line))
    if row is None or start < free:
        return None
    header = lines.text[lines.firsts.item(line - 1) : lines.starts.item(line) - 1].rstrip()
    if "|" not in header or not as_many_cells(header, row[0].rstrip()):
        return None
    if lines.indents.item(line) - lines.indents.item(line - 1) >= CODE_COLUMNS:
        return None
    body = min(row.end() + 1, len(lines.text))
    return Table(start, lines.after(last_row(lines, line, others)), body)


def as_many_cells(header: str, row: str) -> bool:
    """Whether two rows have the same number of cells."""
    if header[0] == row[0] == header[-1] == row[-1] == "|" and "\\" not in header:
        return header.count("|") == row.count("|")
    return cells(header) == cells(row)


def cells(row: str) -> int:
    """Number of cells of a row without white space around it."""
    if "\\" in row:
        row = ESCAPED.sub("", row)
    return row.count("|") + 1 - row.startswith("|") - (row.endswith("|") and len(row) > 1)


def last_row(lines: Lines, line: int, others: bytes) -> int:
    """Number of the last row of a table whose delimiter row is a line."""
    following = others.find(1, line + 1)
    while following >= 0:
        if lines.opens.item(following):
            return following - 1
        place = lines.firsts.item(following)
        if (
            lines.indents[following] >= CODE_COLUMNS
            or END.match(lines.text, place)
            or HR.match(lines.text, place)
        ):
            return following - 1
        following = others.find(1, following + 1)
    return len(lines) - 1


def other_lines(lines: Lines) -> bytes:
    """Which lines may not go on with a table, 1 or 0: they have no bar in front, or a blank line before."""
    others: Flags = lines.opens | (lines.signs != ord("|")) | (lines.indents >= CODE_COLUMNS)
    return others.tobytes()
