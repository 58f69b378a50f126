"""HTML blocks of Markdown, inside which there are no headings (https://spec.commonmark.org/0.31.2/#html-blocks)."""

from __future__ import annotations

import re

import numpy as np
from markdown_it.common.html_blocks import block_names
from markdown_it.common.html_re import HTML_OPEN_CLOSE_TAG_STR

from services.ingest.outline.lines import Lines

NAMES = "|".join(block_names)
LITERAL = "script|pre|style|textarea"
PAIRS = (
    (re.compile(rf"<(?:{LITERAL})(?=[\s>]|\Z)", re.I), re.compile(rf"</(?:{LITERAL})>", re.I)),
    (re.compile("<!--"), re.compile("-->")),
    (re.compile(r"<\?"), re.compile(r"\?>")),
    (re.compile("<![A-Z]"), re.compile(">")),
    (re.compile(r"<!\[CDATA\["), re.compile(r"\]\]>")),
)
BLOCK = re.compile(rf"</?(?:{NAMES})(?=\s|/?>|\Z)", re.I)
TAG = re.compile(rf"{HTML_OPEN_CLOSE_TAG_STR.lstrip('^')}[ \t]*$", re.MULTILINE)
OPENS_OVER_TEXT = rf"<(?:{LITERAL})(?=[\s>]|$)|<!--|<\?|<![A-Z]|<!\[CDATA\[|</?(?:{NAMES})(?=\s|/?>|$)"
"""Blocks that need no blank line before them."""


def html_end(lines: Lines, line: int, in_text: bool) -> int:
    """Offset behind the HTML block that a line opens; -1 if it opens none.

    Args:
        lines: the lines of the text.
        line: number of a line that starts with `<`.
        in_text: whether the line before it is a paragraph's.
    """
    place = lines.firsts.item(line)
    for opening, closing in PAIRS:
        if opening.match(lines.text, place):
            closed = closing.search(lines.text, place)
            found = -1 if closed is None else lines.text.find("\n", closed.end())
            return len(lines.text) if found < 0 else found + 1
    if BLOCK.match(lines.text, place) or (not in_text and TAG.match(lines.text, place)):
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
