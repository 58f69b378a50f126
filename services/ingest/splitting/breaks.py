"""Where sentences, lines and words end, and what is never cut: numbers, addresses, characters as seen."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence

BLANK = r"[ \t\n\f\v\u1680\u2000-\u2006\u2008\u200a\u2028\u2029\u205f\u3000]"
"""White space that may end a line of print; the spaces inside of numbers are left out."""
CLOSERS = r"[\"'”’»)\]*_」』）】》〉]"
STOPS = "[.!?…。！？；]"
SENTENCE = re.compile(rf"{STOPS}++{CLOSERS}*+{BLANK}*+")
"""A match ends a sentence if there is white space in it, or a mark of Chinese."""
CHINESE_MARKS = frozenset("。！？；")
MAYBE_SENTENCE = re.compile(rf"{STOPS}(?:(?<=[。！？；])|(?<=…)…|{CLOSERS}*+{BLANK})")
"""Where it matches nothing, no sentence ends; it is faster."""
LINE = re.compile(r"\n[ \t\n]*+")
WORD = re.compile(rf"{BLANK}++|(?<!\d)[，、：；。！？）】》」』](?!\d){BLANK}*+")
ABBREVIATIONS = frozenset(
    [
        "abb",
        "al",
        "approx",
        "art",
        "bzw",
        "ca",
        "cf",
        "ch",
        "d.h",
        "dr",
        "e.g",
        "eq",
        "eqs",
        "et",
        "fig",
        "figs",
        "i.e",
        "kap",
        "mr",
        "mrs",
        "ms",
        "nr",
        "no",
        "p",
        "pp",
        "prof",
        "sec",
        "st",
        "tab",
        "u.a",
        "vgl",
        "vol",
        "vs",
        "z.b",
    ]
)
LONGEST_ABBREVIATION = 8
ENDINGS = frozenset(word[-3:] for word in ABBREVIATIONS)
"""A word of three letters or more that ends otherwise is no abbreviation."""
LETTER_ENDINGS = "".join(sorted(ending for ending in ENDINGS if len(ending) == 3 and ending.isalpha()))
"""Those of three letters, one behind the other."""
AROUND = 8
"""Characters before and behind a place that make its rank."""
BRACKETS = "([{“„‘\"'*_"
MOST_LIST_DIGITS = 2

URL_SIGNS = r"[^\s<>\"，。；、！？（）「」『』【】《》]"
ATOM = re.compile(
    rf"(?:https?|ftp)://{URL_SIGNS}++|www\.{URL_SIGNS}++|mailto:{URL_SIGNS}++"
    r"|(?<![\w.+-])[\w.+-]{1,64}+@[\w-]++(?:\.[\w-]++)++"
    r"|\d++(?:[.,\u00a0\u2007\u2009\u202f'’]\d++)*+"
    r"|(?<![A-Za-z])[A-Za-z]{2,40}+(?![A-Za-z])"
)
"""URLs, e-mail addresses, numbers and words of Latin letters."""
LATIN = re.compile(r"[\dA-Za-z]")

ZWJ = "\u200d"
SPACING_LETTERS = "\u0e33\u0eb3"
"""Thai and Lao letters that are written onto the letter before."""


def sentence_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where sentences end in a part of a text, white space behind them included."""
    return (match.end() for match in SENTENCE.finditer(text, start, end) if is_sentence_end(match))


def line_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where lines end in a part of a text, blank lines behind them included."""
    return (match.end() for match in LINE.finditer(text, start, end))


def word_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where words end in a part of a text, white space behind them included."""
    return (match.end() for match in WORD.finditer(text, start, end))


def is_sentence_end(match: re.Match[str]) -> bool:
    """Whether a match of `SENTENCE` ends one: no number, name or abbreviation has these signs."""
    found = match[0]
    if found[0] != ".":
        return found[-1].isspace() or not CHINESE_MARKS.isdisjoint(found) or found[:2] == "……"
    return found[-1].isspace() and not is_abbreviation(match.string, match.start(), match.end())


def is_abbreviation(text: str, dot: int, following: int) -> bool:
    """Whether a full stop ends a word and no sentence: `e.g. `, `Dr. `, `J. `, `5. `, `approx. ten`."""
    if text[following : following + 1].islower():
        return True
    words = text[max(0, dot - LONGEST_ABBREVIATION) : dot].split()
    word = words[-1].strip(BRACKETS) if words else ""
    initial = len(word) == 1 and word.isalpha()
    return initial or (word.isdigit() and len(word) <= MOST_LIST_DIGITS) or word.lower() in ABBREVIATIONS


def splits_character(text: str, place: int, start: int) -> bool:
    """Whether a cut would part what is seen as one character (a cheap form of https://unicode.org/reports/tr29/).

    Args:
        text: the text.
        place: offset of the cut.
        start: a place before it that parts no character.
    """
    sign = text[place] if place < len(text) else "\n"
    if sign < "\u0300" or text[place - 1] < " ":
        return False
    if text[place - 1] == ZWJ or sign in SPACING_LETTERS or extends(sign):
        return True
    if is_flag_half(sign):
        before = place
        while before > start and is_flag_half(text[before - 1]):
            before -= 1
        return (place - before) % 2 == 1
    return "\u1160" <= sign <= "\u11ff" and "\u1100" <= text[place - 1] <= "\ud7a3"


def extends(sign: str) -> bool:
    """Whether a code point belongs to the one before it: marks, joiners, skin tones, tags."""
    return (
        unicodedata.category(sign) in {"Mn", "Mc", "Me"}
        or sign in {ZWJ, "\u200c"}
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
        or "\U000e0020" <= sign <= "\U000e007f"
    )


def is_flag_half(sign: str) -> bool:
    """Whether two such code points are a flag."""
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def ranks(text: str, places: Sequence[int]) -> list[int]:
    """For each place a number made of the characters around it, and so the same after changes elsewhere."""
    crc = zlib.crc32
    return [crc(text[max(0, place - AROUND) : place + AROUND].encode()) for place in places]
