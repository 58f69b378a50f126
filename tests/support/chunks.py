"""Chunks as the generation room sees them."""

from __future__ import annotations

from services.generation.questions.facts import Fact
from services.generation.questions.quotes import find_quote
from services.generation.sources.chunk_reader import SourceChunk

KESTREL = (
    "The Kestrel 400 runs for 9 hours on one battery. Its battery weighs 4.5 kg and is charged in 2 hours. "
    "Marlow Systems has built the Kestrel since 2015. Dust in the fan makes the Kestrel too hot."
)
HONGSUN = "北辰公司成立于2015年，总部设在上海。红隼的电池重量为四千克半。红隼充满电后可以飞行九个小时。"


def chunk_of(text: str, overlap: int = 0) -> SourceChunk:
    """A chunk that stands at the beginning of its document."""
    return SourceChunk("c", "p", "d", 1, text, 0, overlap, text)


def fact_in(text: str, words: str) -> Fact:
    """Some words of a text, with their place."""
    found = find_quote(text, words)
    assert found is not None, words
    return found
