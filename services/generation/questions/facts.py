"""Facts: the sentences of a chunk that questions ask for; of a table or list, its rows and lines."""

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

ROW = re.compile(r"\s*\|.*\|\s*$")
RULE = re.compile(r"\s*\|?[\s|:\-]*-[\s|:\-]*$")
CELL = re.compile(r"[^\s|]")
KEY = re.compile(r"[^:：\n]{1,60}[:：]\s*[^\s/]")
FIGURE = re.compile(r"\d")
LINE = re.compile(r"[^\n]+")
PIECE = re.compile(r"\S.{0,299}(?=\s|$)|\S.{0,299}[,，、;；]|\S.{0,299}", re.DOTALL)

SPARSE = 240
"""With fewer sentences than one in so many characters, a text has its facts in rows and lines as well."""
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
    """The sentences of a text, without list marks; headings and rules are left out.

    A text with few or none, such as a table, a price list or code, has its rows and lines among them, in the
    order of the text. Cached: every question about a chunk looks at the same ones.
    """
    found, start = list[Fact](), 0
    for end in [*(match.start() for match in SENTENCE_END.finditer(text)), len(text)]:
        fact = trimmed(text, start, end)
        if fact and is_sentence(fact.text):
            found.append(fact)
        start = end
    if len(found) * SPARSE >= len(text):
        return tuple(found)
    beside = apart_from(found, rows(text))
    return tuple(sorted([*found, *beside], key=lambda one: one.start) or pieces(text))


def rows(text: str) -> list[Fact]:
    """The rows of tables below their heads, list items, and lines such as `Price: 12 EUR`."""
    found = list[Fact]()
    lines = list(LINE.finditer(text))
    for number, line in enumerate(lines):
        if ROW.match(line[0]):
            if not is_head(lines, number) and says_enough(line[0]):
                found.append(bare(text, line.start(), line.end()))
        elif not STRUCTURE.match(line[0]):
            fact = trimmed(text, line.start(), line.end())
            if fact and is_entry(fact.text, marked=LIST_MARK.match(line[0]) is not None):
                found.append(fact)
    return found


def is_head(lines: Sequence[re.Match[str]], number: int) -> bool:
    """Whether a row of a table is its head, or the rule below that."""
    following = lines[number + 1][0] if number + 1 < len(lines) else ""
    return any(RULE.match(line) for line in (lines[number][0], following))


def says_enough(row: str) -> bool:
    """Whether two cells or more of a row hold something, and one of them a word."""
    cells = [cell for cell in row.strip().strip("|").split("|") if CELL.search(cell)]
    return len(cells) > 1 and LETTER.search(row) is not None and len(row) <= LONGEST


def is_entry(text: str, *, marked: bool) -> bool:
    """Whether a line without a full stop is a key with its value, or a list item that is no title."""
    if len(text) > LONGEST or len(LETTER.findall(text)) < 3:
        return False
    long = len(text) >= (SHORTEST_CJK if CJK.search(text) else SHORTEST)
    return KEY.match(text) is not None or (marked and (long or FIGURE.search(text) is not None))


def pieces(text: str) -> list[Fact]:
    """The lines of a text without sentences, rows and entries, long ones in pieces of 300 characters."""
    found = [
        bare(text, line.start() + piece.start(), line.start() + piece.end())
        for line in LINE.finditer(text)
        if not (STRUCTURE.match(line[0]) or ROW.match(line[0]))
        for piece in PIECE.finditer(line[0])
    ]
    return [one for one in found if is_long(one.text)]


def is_long(text: str) -> bool:
    """Whether a piece is long enough to be asked for, and has words."""
    shortest = SHORTEST_CJK if CJK.search(text) else SHORTEST
    return len(text) >= shortest and len(LETTER.findall(text)) >= len(text) // 3


def apart_from(found: Sequence[Fact], others: Sequence[Fact]) -> list[Fact]:
    """Those of `others` that share no character with what was found; both in the order of the text."""
    taken, rest = list[Fact](), list(reversed(found))
    for one in others:
        while rest and rest[-1].end <= one.start:
            rest.pop()
        if not rest or one.end <= rest[-1].start:
            taken.append(one)
    return taken


def bare(text: str, start: int, end: int) -> Fact:
    """A part of a text without white space around it."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    end = start + len(piece.strip())
    return Fact(start, end, text[start:end])


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
