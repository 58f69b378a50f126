"""HTML blocks of Markdown, inside which there are no headings (https://spec.commonmark.org/0.31.2/#html-blocks)."""

from __future__ import annotations

import re

import numpy as np
from markdown_it.common.html_blocks import block_names
from markdown_it.common.html_re import HTML_OPEN_CLOSE_TAG_STR

from services.ingest.outline.lines import Lines
from services.ingest.outline.paragraphs import open_paragraph

NAMES = "|".join(block_names)
LITERAL = "script|pre|style|textarea"
OPENING = re.compile(
    rf"<(?:((?:{LITERAL})(?=[\s>]|\Z))|(!--)|(\?)|(?-i:(![A-Z])|(!\[CDATA\[))|/?(?:{NAMES})(?=\s|/?>|\Z))",
    re.I,
)
CLOSINGS = tuple(re.compile(end, re.I) for end in (rf"</(?:{LITERAL})>", "-->", r"\?>", ">", r"\]\]>"))
"""By the number of the group that opens a block. Blocks without a group end with a blank line."""
TAG = re.compile(rf"{HTML_OPEN_CLOSE_TAG_STR.lstrip('^')}[ \t]*$", re.MULTILINE)
OPENS_OVER_TEXT = rf"<(?:{LITERAL})(?=[\s>]|$)|<!--|<\?|<![A-Z]|<!\[CDATA\[|</?(?:{NAMES})(?=\s|/?>|$)"
"""Blocks that need no blank line before them."""


def html_end(lines: Lines, line: int, free: int) -> int:
    """Offset behind the HTML block that a line opens; -1 if it opens none.

    Args:
        lines: the lines of the text.
        line: number of a line that starts with `<`.
        free: what is before this offset is no paragraph that the line may go on with.
    """
    text, place = lines.text, lines.firsts.item(line)
    opening = OPENING.match(text, place)
    if opening is not None and opening.lastindex is not None:
        closed = CLOSINGS[opening.lastindex - 1].search(text, place)
        found = -1 if closed is None else text.find("\n", closed.end())
        return len(text) if found < 0 else found + 1
    if opening is not None or (TAG.match(text, place) and open_paragraph(lines, line, free) == -1):
        return blank_after(lines, line)
    return -1


def blank_after(lines: Lines, line: int) -> int:
    """Offset of the first line behind a blank line behind a line."""
    step = 64
    for start in range(line + 1, len(lines), step):
        opening = np.flatnonzero(lines.opens[start : start + step])
        if len(opening):
            return int(lines.starts[start + opening[0]])
    return len(lines.text)
