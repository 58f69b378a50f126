"""Numbers written in words, as digits: so that a question is known again that writes them otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator

ONES: list[str] = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
)
TENS: list[str] = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
VALUES = {word: value for value, word in enumerate(ONES)} | {
    word: 10 * value for value, word in enumerate(TENS, 2)
}
ONE_WORD = "(?:" + "|".join([*VALUES, *SCALES]) + ")"
# Looking ahead for a first letter makes it four times as fast.
WORDS = re.compile(rf"\b(?=[zotfsenhmb]){ONE_WORD}(?:(?:[\s-]+|\s+and\s+){ONE_WORD})*\b")
BETWEEN_THOUSANDS = re.compile(r"(?<=\d)[,，](?=\d{3}(?!\d))")

DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
UNITS = {"十": 10, "百": 100, "千": 1000}
LARGE = {"万": 10**4, "亿": 10**8}
SIGNS = re.compile("[零〇一二三四五六七八九十百千万亿两]{2,}")


def in_digits(text: str) -> str:
    """A text in lower case whose numbers are written in digits, without signs between thousands.

    `one` alone stays, as it mostly counts nothing, and so does a single Chinese sign.
    """
    text = BETWEEN_THOUSANDS.sub("", text.lower())
    text = WORDS.sub(lambda found: from_words(found[0]), text)
    return text if text.isascii() else SIGNS.sub(lambda found: from_signs(found[0]), text)


def from_words(text: str) -> str:
    """English words of numbers as digits: `nineteen eighty-seven` is 1987, `two hundred and five` 205."""
    words = re.split(r"[\s-]+", text)
    return text if words == ["one"] else " ".join(numbers_in(words))


def numbers_in(words: list[str]) -> Iterator[str]:
    """The numbers that words say, one after the other."""
    total, current, last = 0, 0, ""
    for word in words:
        if word == "and":
            if last in SCALES:
                continue
            yield str(total + current)
            yield word
            total, current, last = 0, 0, ""
            continue
        if word in SCALES:
            if word == "hundred":
                current = 100 * max(1, current)
            else:
                total, current = total + SCALES[word] * max(1, current), 0
        elif not last or last in SCALES or (last in TENS and 0 < VALUES[word] < 10):
            current += VALUES[word]
        elif VALUES[word] > 9 and 9 < current < 100 and not total:
            # The two halves of a year.
            current = 100 * current + VALUES[word]
        else:
            yield str(total + current)
            total, current = 0, VALUES[word]
        last = word
    if last:
        yield str(total + current)


def from_signs(text: str) -> str:
    """Chinese signs of a number as digits, such as 一九八七 and 三百零五; others stay, such as 万一."""
    if all(sign in DIGITS and sign != "两" for sign in text):
        return "".join(str(DIGITS[sign]) for sign in text)
    if text[0] not in DIGITS and text[0] != "十":
        return text
    total = section = 0
    digit: int | None = None
    for sign in text:
        if sign in DIGITS:
            if digit:
                return text
            digit = DIGITS[sign]
        elif sign in UNITS:
            section += UNITS[sign] * (1 if digit is None else digit)
            digit = None
        else:
            section += digit or 0
            total = (total + section) * LARGE[sign] if sign == "亿" else total + section * LARGE[sign]
            section, digit = 0, None
    return str(total + section + (digit or 0))
