"""What sizes count: characters or tokens."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from services.ingest.splitting.options import SplitOptions
from services.ingest.tokens import Marks, count_tokens, marks_of

LONGEST_WHOLE = 1 << 16
"""A thing that is not to be cut stays whole up to so many characters, whatever the largest chunk.

These are about 20,000 tokens, which fit into the 32,768 of a usual model with question and answer, and at
most 256 KiB, of which a page of chunks takes four and any client one.
"""
SIGN_SIZES = 4
"""What is seen as one character stays whole up to so many sizes of the largest chunk."""

CUT_TOKENS = 1
"""A cut inside of a token makes two of it."""


@dataclass(frozen=True)
class Ruler:
    """Measures a text.

    Args:
        text: the text.
        low: a smaller chunk is joined with the next.
        high: the largest chunk.
        marks: where tokens start; nothing if characters count.
        tokenizer: names the tokenizer.
    """

    text: str
    low: int
    high: int
    marks: Marks | None = None
    tokenizer: str = ""

    def reach(self, start: int, size: int) -> int:
        """The furthest end of a part of so many characters or tokens, behind its start if there is text."""
        if self.marks is None:
            return min(start + size, len(self.text))
        places, sums = self.marks.places, self.marks.sums
        first = bisect_left(places, start)
        # With tokens that start inside of one character, no end is between them.
        index = bisect_right(sums, sums[first] + 10 * size) - 1
        end = places[index] if index < len(places) else len(self.text)
        return min(max(end, start + 1), len(self.text))

    def back(self, end: int, size: int) -> int:
        """The furthest start of a part of so many characters or tokens that ends at a place."""
        if self.marks is None:
            return max(0, end - size)
        places, sums = self.marks.places, self.marks.sums
        index = bisect_left(sums, sums[bisect_left(places, end)] - 10 * size)
        return min(places[index], end) if index < len(places) else end

    def size(self, start: int, end: int) -> int:
        """Characters or tokens of a part, as it stands in the text; part of a token counts as one."""
        if self.marks is None:
            return end - start
        places, sums = self.marks.places, self.marks.sums
        return (sums[bisect_left(places, end)] - sums[bisect_left(places, start)] + 9) // 10

    def whole(self, start: int, end: int) -> bool:
        """Whether a thing that is not to be cut stays whole."""
        return end - start <= LONGEST_WHOLE or self.size(start, end) <= self.high

    def fits(self, start: int, end: int) -> bool:
        """Whether a part may be one chunk."""
        # Text without a single mark, or with few, may yet be long: ask the marks first, as they are cheap.
        return self.size(start, end) <= self.high and self.excess(start, end) <= 0

    def seems_to_fit(self, start: int, end: int) -> bool:
        """The same without measuring the part alone, with room for the token that this may add."""
        room = 0 if self.marks is None or self.high <= 2 * CUT_TOKENS else CUT_TOKENS
        return self.size(start, end) + room <= self.high

    def excess(self, start: int, end: int) -> int:
        """By how much a part is larger than `high`, when it is measured alone."""
        if self.marks is None:
            return end - start - self.high
        return count_tokens(self.text[start:end], self.tokenizer) - self.high


def ruler_of(text: str, options: SplitOptions) -> Ruler:
    """The ruler that options ask for; the sizes are those of what a chunk does not repeat."""
    tokens = options.unit == "tokens" or options.strategy == "token"
    marks = marks_of(text, options.tokenizer) if tokens else None
    return Ruler(
        text, options.min_size - options.overlap, options.max_size - options.overlap, marks, options.tokenizer
    )
