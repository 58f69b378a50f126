"""How much of the end of a chunk the next one repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.ingest.outline import Span
from services.ingest.splitting.breaks import line_ends, sentence_ends, splits_character, word_ends
from services.ingest.splitting.measure import Ruler

UNLIMITED = frozenset({"custom", "page", "row"})
"""Strategies whose chunks have no largest size."""


def overlaps(ruler: Ruler, spans: Sequence[Span], size: int, limited: bool) -> Iterator[int]:
    """For each span, how many characters of the one before it repeats.

    Args:
        ruler: measures the text; its largest size is that of a chunk without what it repeats.
        spans: the chunks without what they repeat.
        size: the most that is repeated.
        limited: whether a chunk with what it repeats is not to be larger than both sizes together.
    """
    before = None
    for start, end in spans:
        yield (
            0
            if before is None or not size
            else start - overlap_start(ruler, before, (start, end), size, limited)
        )
        before = start


def overlap_start(ruler: Ruler, before: int, span: Span, size: int, limited: bool) -> int:
    """Where what a span repeats starts: with a line or sentence of its first half, else with a word."""
    start, end = span
    most = size - max(0, ruler.excess(start, end)) if limited else size
    first = max(before, ruler.back(start, most)) if most > 0 else start
    if first >= start or first == before:
        return first
    place = clean_start(ruler.text, first, start)
    while limited and place < start and ruler.excess(place, end) > size:
        place = clean_start(ruler.text, place + 1, start) if place + 1 < start else start
    return place


def clean_start(text: str, first: int, end: int) -> int:
    """The first place from one on at which a line, sentence or word starts."""
    half = first + (end - first) // 2
    for ends in (line_ends, sentence_ends, word_ends):
        place = next(ends(text, max(0, first - 1), min(end + 1, len(text))), end + 1)
        if first <= place <= (end if ends is word_ends else half):
            return min(place, end)
    while first < end and splits_character(text, first, max(0, first - 8)):
        first += 1
    return first
