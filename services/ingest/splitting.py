"""Cut a text into chunks that together are the text, character for character.

Cut points are tried in this order: headings, blocks (paragraphs, lists, tables, code), then inside a block
that is too large for a chunk its lines or sentences, then words, then characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.ingest.outline import Block, blocks
from services.runtime.errors import InvalidArgument

Span = tuple[int, int]

SENTENCE_END = re.compile(r"[.!?…]+[\"')\]”’]*\s+|[。！？；…]+[”’」』）]*|\n+")
WORD_END = re.compile(r"\s+|[,，、;；]")
LINE_END = re.compile(r"\n+")

DEFAULT_MIN = 800
DEFAULT_MAX = 1500


@dataclass(frozen=True)
class SplitOptions:
    """Sizes in characters: chunks smaller than `min_chars` are joined with the next while they fit."""

    min_chars: int = DEFAULT_MIN
    max_chars: int = DEFAULT_MAX

    def __post_init__(self) -> None:
        """Refuse sizes that contradict each other."""
        if not 0 < self.min_chars <= self.max_chars:
            raise InvalidArgument(
                "SPLIT_OPTIONS_INVALID",
                f"min_chars ({self.min_chars}) must be at least 1 and at most max_chars ({self.max_chars})",
                "split_options.min_chars",
            )


def split(text: str, options: SplitOptions) -> list[Span]:
    """Half-open spans that cover the text without gap or overlap, none longer than `max_chars`."""
    chunks: list[Span] = []
    for start, end, opens in pieces(text, options.max_chars):
        if not chunks:
            chunks.append((start, end))
            continue
        first, last = chunks[-1]
        small = last - first < options.min_chars
        if end - first <= options.max_chars and (small or not opens):
            chunks[-1] = (first, end)
        else:
            chunks.append((start, end))
    return chunks


def pieces(text: str, limit: int) -> Iterator[tuple[int, int, bool]]:
    """The smallest pieces that are kept whole, and whether a piece opens a section."""
    for block in blocks(text):
        opens = block.kind == "heading"
        for start, end in cut_block(text, block, limit):
            yield start, end, opens
            opens = False


def cut_block(text: str, block: Block, limit: int) -> Iterator[Span]:
    """A block as it is if it fits; otherwise cut at lines (code, tables) or sentences, then words."""
    ends = (LINE_END,) if block.kind in {"code", "table"} else (SENTENCE_END, WORD_END)
    yield from cut_span(text, (block.start, block.end), limit, ends)


def cut_span(text: str, span: Span, limit: int, ends: tuple[re.Pattern[str], ...]) -> Iterator[Span]:
    """Cut a span after matches of the first pattern; parts still too long by the next; at last anywhere."""
    start, end = span
    if end - start <= limit:
        yield span
        return
    if not ends:
        yield from ((at, min(at + limit, end)) for at in range(start, end, limit))
        return
    for part in gather(cut_points(text, span, ends[0]), start, limit):
        yield from cut_span(text, part, limit, ends[1:])


def cut_points(text: str, span: Span, pattern: re.Pattern[str]) -> list[int]:
    """Ends of all matches inside a span, and the span's own end."""
    start, end = span
    points = [match.end() for match in pattern.finditer(text, start, end)]
    return points if points and points[-1] == end else [*points, end]


def gather(points: list[int], start: int, limit: int) -> Iterator[Span]:
    """Join neighbouring parts while they fit into the limit."""
    last = start
    for point in points:
        if point - start > limit and last > start:
            yield start, last
            start = last
        last = point
    yield start, last
