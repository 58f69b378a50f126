"""Markdown, as the readers write it: GitHub's, each construct in one way."""

from __future__ import annotations

import re
from collections.abc import Sequence

LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
NOT_IN_CELL = re.compile(r"[|\n\r\v\f\x85\u2028\u2029]")
PIPE = re.compile(r"(\\*)\|")
LIST_MARK = r"(?:[-+*]|\d{1,9}[.)])"
MARKED = r"(?=#{1,6}(?:\s|$)|>|```|~~~|(?:[-*_=][ \t]*){3,}$|[=-]+[ \t]*$)"
BLOCK_MARK = re.compile(rf"^( {{0,3}}){MARKED}", re.MULTILINE)
"""Where a line would be read as a heading, quote, fence, rule or underline of a heading."""
BLOCK_MARK_IN_LIST = re.compile(rf"^([ \t]*(?:{LIST_MARK}[ \t]+)*?){MARKED}", re.MULTILINE)
"""The same in a text with list items: behind their marks, and however far in their lines stand."""
ITEM = re.compile(rf"^ {{0,3}}{LIST_MARK}(?:[ \t]|$)", re.MULTILINE)
WEB = re.compile("(?:https?://|mailto:)[^\\s<>]+$")
FENCE = re.compile(r"`{3,}")


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; the first row is the header, short rows are filled up. Ends in a line end.

    Row `k` is line `k` of the table, and line `k + 1` for `k > 0`, as the delimiter row is line 1.
    """
    width = max((len(row) for row in rows), default=0)
    if width == 0:
        return ""
    lines = [line(row, width) for row in rows]
    lines.insert(1, delimiter_line(width))
    return "".join(lines)


def delimiter_line(width: int) -> str:
    """The line below the header of a table."""
    return "|" + " --- |" * width + "\n"


def line(row: Sequence[str], width: int) -> str:
    """A row of a table, filled up to a width."""
    cells = [text.strip() for text in row]
    if NOT_IN_CELL.search("".join(cells)):
        cells = [cell(text) for text in cells]
    cells += [""] * (width - len(cells))
    return "| " + " | ".join(cells) + " |\n"


def cell(text: str) -> str:
    r"""A text as a cell: `|` becomes `\|`, a line break `<br>`."""
    text = text.strip()
    if "|" in text:
        # What stood before the mark must not be taken for its escape, nor eat it.
        text = PIPE.sub(r"\1\1\\|", text)
    return LINE_BREAK.sub("<br>", text) if LINE_BREAK.search(text) else text


def heading(level: int, text: str) -> str:
    """A heading without line end; empty for an empty text. Levels beyond 6 become 6."""
    words = " ".join(text.split())
    return f"{'#' * min(max(level, 1), 6)} {words}" if words else ""


def item(level: int, text: str, mark: str = "-") -> str:
    """An item of a list without line end, `level` from 0; more lines of it are indented below the first."""
    indent = "  " * level
    below = "\n" + indent + " " * (len(mark) + 1)
    return f"{indent}{mark} " + below.join(LINE_BREAK.split(text))


def link(text: str, address: str) -> str:
    """A text as a link, if the address leads to the web or a mailbox and the text does not say it already."""
    if not text.strip() or not WEB.match(address) or address in {text, f"mailto:{text}", f"{text}/"}:
        return text
    return f"[{text}](<{address}>)" if "(" in address or ")" in address else f"[{text}]({address})"


def comment(author: str, text: str) -> str:
    """What somebody noted beside the text, to stand in a line of it; empty for an empty text."""
    words, name = " ".join(text.split()), " ".join(author.split())
    return (f"[Comment of {name}: {words}]" if name else f"[Comment: {words}]") if words else ""


def paragraph(text: str) -> str:
    r"""A text whose lines are no headings, quotes, fences or rules by accident: `# 1` becomes `\# 1`."""
    return (BLOCK_MARK_IN_LIST if ITEM.search(text) else BLOCK_MARK).sub(r"\1\\", text)


def fence(code: str, language: str = "") -> str:
    """A code block without line end; its fence is longer than any in it."""
    longest = max((len(ticks) for ticks in FENCE.findall(code)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{code.rstrip(chr(10))}\n{marks}"
