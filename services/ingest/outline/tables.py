"""GFM tables (https://github.github.com/gfm/#tables-extension-)."""

from __future__ import annotations

import re

from services.ingest.outline.html import OPENS_OVER_TEXT
from services.ingest.outline.layout import Table
from services.ingest.outline.lines import Lines
from services.ingest.outline.lists import HR
from services.ingest.outline.paragraphs import CODE_COLUMNS

DELIMITER = re.compile(r":?-+:?")
UNESCAPED_BAR = re.compile(r"(?<!\\)\|")
END = re.compile(
    r"#{1,6}(?:[ \t]|$)|`{3,}[^`\n]*$|~{3}|>|[-*+](?:[ \t]|$)|\d{1,9}[.)](?:[ \t]|$)|" + OPENS_OVER_TEXT,
    re.MULTILINE | re.IGNORECASE,
)


def table_at(lines: Lines, line: int, free: int) -> Table | None:
    """The table whose delimiter row is a line; nothing if it is none.

    Args:
        lines: the lines of the text.
        line: number of the line.
        free: the table starts at this offset or behind it.
    """
    if line == 0 or lines.opens[line] or lines.starts[line - 1] < free:
        return None
    if lines.indents[line] - lines.indents[line - 1] >= CODE_COLUMNS:
        return None
    columns = delimiter_columns(lines.text[lines.firsts[line] : lines.end(line)])
    header = lines.text[lines.firsts[line - 1] : lines.starts[line]].strip()
    if columns == 0 or "|" not in header or cells(header) != columns:
        return None
    last = last_row(lines, line)
    return Table(int(lines.starts[line - 1]), lines.after(line), lines.after(last))


def delimiter_columns(row: str) -> int:
    """Number of columns that a delimiter row names; 0 if it is none."""
    if row[:2] in {"- ", "-\t"}:
        return 0
    parts = row.strip().removeprefix("|").removesuffix("|").split("|")
    return len(parts) if all(DELIMITER.fullmatch(part.strip()) for part in parts) else 0


def cells(row: str) -> int:
    """Number of cells of a row."""
    parts = UNESCAPED_BAR.split(row)
    return len(parts) - (not parts[0].strip()) - (len(parts) > 1 and not parts[-1].strip())


def last_row(lines: Lines, line: int) -> int:
    """Number of the last row of a table whose delimiter row is a line."""
    following = line + 1
    while following < len(lines) and not lines.opens[following]:
        place = int(lines.firsts[following])
        if lines.text[place] != "|" and (
            lines.indents[following] >= CODE_COLUMNS
            or END.match(lines.text, place)
            or HR.match(lines.text, place)
        ):
            break
        following += 1
    return following - 1
