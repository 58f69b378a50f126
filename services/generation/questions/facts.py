"""Facts: the sentences of a chunk that questions ask for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"')\]”’]*\s+(?=[\"'(\[“‘]?[A-Z0-9\u4e00-\u9fff])|(?<=[。！？；])[”’」』）]*|\n+"
)
LETTER = re.compile(r"[^\W\d_]")
CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
LIST_MARK = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)、])\s+")
CLOSED = re.compile(r"[.!?…。！？；][\"')\]”’」』）]*$")
STRUCTURE = re.compile(r"\s*(?:#{1,6}\s|\||```|~~~|[-=*_]{3,}\s*$)")

SHORTEST = 20
SHORTEST_CJK = 8
WHOLE = 60
WHOLE_CJK = 25
LONGEST = 600


@dataclass(frozen=True)
class Fact:
    """A sentence of a chunk: `text == chunk_text[start:end]`, offsets in characters of the chunk."""

    start: int
    end: int
    text: str


@lru_cache(maxsize=1024)
def sentences(text: str) -> tuple[Fact, ...]:
    """The sentences of a text, without list marks; headings, table rows and rules are left out.

    Cached: every question about a chunk looks at the same ones.
    """
    found, start = [], 0
    for end in [*(match.start() for match in SENTENCE_END.finditer(text)), len(text)]:
        fact = trimmed(text, start, end)
        if fact and is_sentence(fact.text):
            found.append(fact)
        start = end
    return tuple(found)


def trimmed(text: str, start: int, end: int) -> Fact | None:
    """A sentence without white space and list mark around it; nothing for structure."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    if STRUCTURE.match(text[start:end]):
        return None
    mark = LIST_MARK.match(text, start, end)
    start = mark.end() if mark else start
    end = start + len(text[start:end].rstrip())
    return Fact(start, end, text[start:end]) if start < end else None


def is_sentence(text: str) -> bool:
    """Whether a piece says enough to be asked for; a short line without a full stop is a title."""
    cjk = CJK.search(text)
    shortest, whole = (SHORTEST_CJK, WHOLE_CJK) if cjk else (SHORTEST, WHOLE)
    if len(text) < whole and not CLOSED.search(text):
        return False
    return shortest <= len(text) <= LONGEST and len(LETTER.findall(text)) >= len(text) // 3


def choose(found: Sequence[Fact], chars: int, chars_per_fact: int) -> list[Fact]:
    """One fact per `chars_per_fact` characters, at least one, spread evenly over the sentences."""
    wanted = min(len(found), max(1, round(chars / chars_per_fact)))
    return [found[index * len(found) // wanted] for index in range(wanted)] if found else []


def around(text: str, facts: Sequence[Fact], chars: int) -> tuple[int, int]:
    """The window of about `chars` characters around some facts, in whole sentences; 0 means all."""
    if chars == 0 or len(text) <= chars:
        return 0, len(text)
    start, end = min(fact.start for fact in facts), max(fact.end for fact in facts)
    spare = max(0, chars - (end - start)) // 2
    low, high = max(0, start - spare), min(len(text), end + spare)
    inside = [one for one in sentences(text) if low <= one.start and one.end <= high]
    return (
        min([start, *(one.start for one in inside)]),
        max([end, *(one.end for one in inside)]),
    )


def language_of(text: str) -> str:
    """`zh` for a text of which a fifth or more is Chinese characters, else `en`."""
    letters = LETTER.findall(text)
    return "zh" if letters and len(CJK.findall(text)) * 5 >= len(letters) else "en"
