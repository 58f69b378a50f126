"""The outline of a Markdown text: its blocks and the headings above a place."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt

KINDS = {
    "heading_open": "heading",
    "fence": "code",
    "code_block": "code",
    "table_open": "table",
    "html_block": "html",
    "math_block": "math",
}


@dataclass(frozen=True)
class Block:
    """A top-level block of Markdown: `kind` is heading, code, table, html, math or prose.

    Args:
        start: first character.
        end: one past the last character, blank lines after the block included.
        kind: what it is.
        level: depth of a heading, from 1; 0 otherwise.
        title: text of a heading; empty otherwise.
    """

    start: int
    end: int
    kind: str
    level: int = 0
    title: str = ""


def blocks(text: str) -> list[Block]:
    """The top-level blocks of a text in order; together they are the whole text."""
    lines = line_starts(text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    found: list[Block] = []
    for position, token in enumerate(tokens):
        # A closing token, or one inside a list or a quotation, opens no block of its own.
        if token.level != 0 or token.map is None or token.nesting < 0:
            continue
        kind = KINDS.get(token.type, "prose")
        level, title = 0, ""
        if kind == "heading":
            level, title = int(token.tag[1:]), tokens[position + 1].content.strip()
        found.append(Block(lines[token.map[0]], 0, kind, level, title))
    if not found:
        return [Block(0, len(text), "prose")] if text else []
    starts = [0, *(block.start for block in found[1:])]
    ends = [*starts[1:], len(text)]
    return [
        Block(start, end, block.kind, block.level, block.title)
        for block, start, end in zip(found, starts, ends, strict=True)
    ]


def heading_paths(text: str, places: Sequence[int]) -> list[list[str]]:
    """For each place the headings that stand above it, outermost first; a place on a heading includes it."""
    headings = [block for block in blocks(text) if block.kind == "heading"]
    starts = [heading.start for heading in headings]
    trails: list[list[Block]] = [[]]
    for heading in headings:
        trails.append([*(above for above in trails[-1] if above.level < heading.level), heading])
    return [[heading.title for heading in trails[bisect.bisect_right(starts, place)]] for place in places]


def line_starts(text: str) -> list[int]:
    r"""Offset of each line's first character; lines end at `\\n` only, as in normalised text."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts
