"""Quotes: pieces of the source, found again by program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from functools import lru_cache

from services.generation.questions.facts import Fact
from services.runtime.ids import derived_id


@dataclass(frozen=True)
class Quote:
    """A verbatim piece of a document, with its place in the document's normalised text."""

    text: str
    chunk_id: str
    document_id: str
    document_version: int
    start: int
    end: int

    @property
    def place_id(self) -> str:
        """An id of the place: the same for every quote of this piece of this version of the document."""
        return derived_id(self.document_id, str(self.document_version), str(self.start), str(self.end))


def one_line(text: str) -> str:
    """The text with every run of white space as one blank, as it is shown to models."""
    return " ".join(text.split())


def find_quote(text: str, quote: str) -> Fact | None:
    """Where a quote stands in a text, white space aside; nothing when it does not."""
    words = quote.split()
    if not words:
        return None
    # Most stand there as they are, and an expression of its own for each quote takes long to make.
    start = text.find(quote := quote.strip())
    if start >= 0:
        return Fact(start, start + len(quote), quote)
    match = re.search(r"\s+".join(map(re.escape, words)), text)
    return Fact(match.start(), match.end(), match.group()) if match else None


WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]")
KEPT_SHARE = 0.5
"""So much of a piece must stand in the source, or it stands for nothing there."""


@lru_cache(maxsize=64)
def matching(edited: str, source: str) -> list[Match]:
    """The words that an edited text shares with its source, in order; of Chinese, the characters."""
    left, right = list(WORD.finditer(edited)), list(WORD.finditer(source))
    matcher = SequenceMatcher(None, [one.group() for one in left], [one.group() for one in right])
    return [
        Match(left[block.a + step].start(), right[block.b + step].start(), len(left[block.a + step].group()))
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]


def place_in_source(edited: str, source: str, start: int, end: int) -> tuple[int, int] | None:
    """Which part of a source a part of its edited text stands for; nothing when that is mostly new."""
    if edited == source:
        return start, end
    shared = [one for one in matching(edited, source) if one.a < end and one.a + one.size > start]
    kept = sum(min(end, one.a + one.size) - max(start, one.a) for one in shared)
    if not shared or kept < KEPT_SHARE * (end - start):
        return None
    first, last = shared[0], shared[-1]
    return first.b + max(0, start - first.a), last.b + min(last.size, end - last.a)


def overlap(left: Fact, right: Fact) -> bool:
    """Whether two pieces of one text share a character."""
    return left.start < right.end and right.start < left.end
