"""What a reader is shown of a chunk: rows of a table stand under the head of it, which may be elsewhere.

A table that is split over chunks has its head in the first of them alone, and a window into a chunk may begin
in the middle of a table. The head is shown beside the text, and never quoted: spans stay those of the text.
"""

from __future__ import annotations

import re

from services.generation.sources.chunk_reader import SourceChunk

TABLE = re.compile(r"(?:^[^\S\n]*\|.*\|[^\S\n]*(?:\n|\Z))+", re.MULTILINE)
"""Rows below one another."""
RULE = re.compile(r"\s*\|?[\s|:\-]*-[\s|:\-]*$")
"""The line below the head of a table."""


def under_head(chunk: SourceChunk, start: int = 0, end: int | None = None) -> str:
    """A part of a chunk, under the head of the table in whose rows it begins."""
    part = chunk.text[start:end]
    text = part.strip()
    head = head_at(chunk, start + len(part) - len(part.lstrip())).strip() if text else ""
    return f"{head}\n{text}" if head else text


def with_head(chunk: SourceChunk) -> str:
    """All that a reader of a chunk knows: its text, then the head of the table in whose rows it begins.

    The text comes first, so that a place in it is the same in both.
    """
    return f"{chunk.text}\n{chunk.table_header}" if chunk.table_header else chunk.text


def head_at(chunk: SourceChunk, place: int) -> str:
    """Head of the table in whose rows a place stands; empty elsewhere, and in the head itself."""
    if not chunk.text[:place].strip():
        return chunk.table_header
    table = next((one for one in TABLE.finditer(chunk.text) if one.start() <= place < one.end()), None)
    if table is None:
        return ""
    lines = table[0].splitlines()
    if len(lines) > 1 and RULE.match(lines[1]):
        head = "\n".join(lines[:2])
        return head if place >= table.start() + len(head) else ""
    return "" if chunk.text[: table.start()].strip() else chunk.table_header
