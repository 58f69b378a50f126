"""HTML blocks of Markdown, inside which there are no headings (https://spec.commonmark.org/0.31.2/#html-blocks)."""

from __future__ import annotations

import re

from markdown_it.common.html_blocks import block_names
from markdown_it.common.html_re import HTML_OPEN_CLOSE_TAG_STR

from services.ingest.outline.lines import Lines
from services.ingest.outline.paragraphs import open_paragraph

LITERAL = frozenset(["script", "pre", "style", "textarea"])
NAMES = frozenset(block_names)
LITERALS, BLOCKS = "|".join(sorted(LITERAL)), "|".join(block_names)
NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)(?=(/?>|\s|\Z))")
SPECIAL = re.compile(r"<(?:(!--)|(\?)|(![A-Z])|(!\[CDATA\[))")
SPECIAL_ENDS = ("-->", "?>", ">", "]]>")
"""By the number of the group that opens a block."""
LITERAL_END = re.compile(rf"</(?:{LITERALS})>", re.IGNORECASE)
TAG = re.compile(rf"{HTML_OPEN_CLOSE_TAG_STR.lstrip('^')}[ \t]*$", re.MULTILINE)
OPENS_OVER_TEXT = rf"<(?:{LITERALS})(?=[\s>]|$)|<!--|<\?|<![A-Z]|<!\[CDATA\[|</?(?:{BLOCKS})(?=\s|/?>|$)"
"""Blocks that need no blank line before them."""


def html_end(lines: Lines, line: int, free: int, opens: bytes) -> int:
    """Offset behind the HTML block that a line opens; -1 if it opens none.

    Args:
        lines: the lines of the text.
        line: number of a line that starts with `<`.
        free: what is before this offset is no paragraph that the line may go on with.
        opens: which lines have a blank one before them, as 1 or 0.
    """
    text, place = lines.text, lines.firsts.item(line)
    name = NAME.match(text, place)
    if name is None:
        special = SPECIAL.match(text, place)
        if special is not None and special.lastindex is not None:
            sign = SPECIAL_ENDS[special.lastindex - 1]
            return line_behind(text, text.find(sign, place), len(sign))
    elif name[2].lower() in LITERAL and not name[1] and not name[3].startswith("/"):
        closing = LITERAL_END.search(text, place)
        return len(text) if closing is None else line_behind(text, closing.start(), len(closing[0]))
    elif name[2].lower() in NAMES:
        return blank_after(lines, line, opens)
    if TAG.match(text, place) and open_paragraph(lines, line, free) == -1:
        return blank_after(lines, line, opens)
    return -1


def line_behind(text: str, place: int, length: int) -> int:
    """Offset of the line behind something at a place; the end of the text if it is nowhere."""
    found = -1 if place < 0 else text.find("\n", place + length)
    return len(text) if found < 0 else found + 1


def blank_after(lines: Lines, line: int, opens: bytes) -> int:
    """Offset of the first line behind a blank line behind a line."""
    following = opens.find(1, line + 1)
    return len(lines.text) if following < 0 else lines.starts.item(following)
