"""Strategy `recursive`: cut at the first separator, join what fits, and cut what does not at the next one.

As the RecursiveCharacterTextSplitter of LangChain, but nothing is stripped: a separator ends its piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from services.ingest.outline import Span
from services.ingest.readers.reading import Reading
from services.ingest.splitting.inner import whole_character
from services.ingest.splitting.measure import SIGN_SIZES, Ruler, ruler_of
from services.ingest.splitting.options import SplitOptions

SEPARATORS = ("\n\n", "\n", " ")


def spans(reading: Reading, options: SplitOptions) -> list[Span]:
    """Cut at the separators of the options, or at blank lines, line ends and spaces."""
    ruler = ruler_of(reading.text, options)
    whole = (0, len(reading.text))
    return list(cut(ruler, whole, options.separators or SEPARATORS)) if reading.text else []


def cut(ruler: Ruler, span: Span, separators: Sequence[str]) -> Iterator[Span]:
    """Cut a part at the first separator that it has."""
    start, end = span
    if ruler.fits(start, end):
        yield span
        return
    if not separators:
        yield from characters(ruler, start, end)
        return
    separator, *others = separators
    for part in joined(ruler, separator_ends(ruler.text, start, end, separator), start):
        yield from cut(ruler, part, others)


def separator_ends(text: str, start: int, end: int, separator: str) -> Iterator[int]:
    """Where the separators in a part end, and where the part does."""
    for match in re.finditer(re.escape(separator), text[start:end]):
        if start + match.end() < end:
            yield start + match.end()
    yield end


def joined(ruler: Ruler, ends: Iterator[int], start: int) -> Iterator[Span]:
    """Join neighbouring parts while they fit."""
    last = start
    for end in ends:
        if last > start and not ruler.seems_to_fit(start, end):
            yield start, last
            start = last
        last = end
    yield start, last


def characters(ruler: Ruler, start: int, end: int) -> Iterator[Span]:
    """Cut a part between characters."""
    while start < end:
        most = min(end, ruler.reach(start, ruler.high))
        while most > start + 1 and (excess := ruler.excess(start, most)) > 0:
            most = max(start + 1, most - excess)
        cut_at = (
            most
            if most == end
            else min(end, whole_character(ruler.text, start, most, start + SIGN_SIZES * (most - start)))
        )
        yield start, cut_at
        start = cut_at
