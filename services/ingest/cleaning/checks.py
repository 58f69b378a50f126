"""Whether a tidied block still says what the block said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

LEAST_WORDS = 0.8
LEAST_LENGTH, MOST_LENGTH = 0.5, 1.2
HAN = "\u3040-\u30ff\u3400-\u9fff"
NUMBER = re.compile(r"(?:(?<![\w.-])[-−])?\d+(?:[.,:/]\d+)*(?:\s?[%‰])?")
HAN_NUMERAL = re.compile(r"[〇零一二三四五六七八九十百千万亿兩两]")
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nor|neither|without|cannot)\b|n['’]t\b|[不没沒無无非未否]", re.IGNORECASE
)
LINK = re.compile(r"https?://[^\s)>\]]+|[\w.+-]+@[\w-]+\.[\w.-]+|\]\([^)\s]*\)|\[\^[^\]\s]+\]")
WORD = re.compile(rf"[{HAN}]|[^\W{HAN}_]+")
NAME = re.compile(
    r"(?<![.!?:\n])[ \t][\"'“‘(]?([A-Z\u00c0-\u00de][\w'’-]+)|\b(\w*[a-z0-9][A-Z]\w*|[A-Z]{2,}\w*)"
)
"""Words with a capital letter that no sentence start asks for."""
HEADING = re.compile(r"^#{1,6}(?= )", re.MULTILINE)
BROKEN = re.compile(r"-[ \t]*\n\s*")
SENTENCE_MARKS = ".!?:,;"


def unfaithful(block: str, answer: str) -> str:
    """What an answer lost or added: `length`, `numbers`, `links`, `headings`, `names`, `words`; or empty."""
    ratio = len(squeezed(answer)) / max(1, len(squeezed(block)))
    if not LEAST_LENGTH <= ratio <= MOST_LENGTH:
        return "length"
    if counted(block) != counted(answer):
        return "numbers"
    if links(block) != links(answer):
        return "links"
    if HEADING.findall(block) != HEADING.findall(answer) or block.count("```") != answer.count("```"):
        return "headings"
    said = squeezed(answer)
    if not all(squeezed(name) in said for name in names(block)):
        return "names"
    before, after = words(block), words(answer)
    kept = (before & after).total()
    if kept < LEAST_WORDS * before.total() or kept < LEAST_WORDS * after.total():
        return "words"
    return ""


def squeezed(text: str) -> str:
    """The letters and digits of a text."""
    return "".join(WORD.findall(text))


def counted(text: str) -> Counter[str]:
    """Numbers in digits and in Chinese characters, and what turns a sentence into its opposite."""
    found = [number.replace("−", "-").replace(" ", "") for number in NUMBER.findall(text)]
    negations = (negation.casefold() for negation in NEGATION.findall(text))
    return Counter([*found, *HAN_NUMERAL.findall(text), *negations])


def links(text: str) -> Counter[str]:
    """Addresses, targets of links and pictures, footnote marks."""
    return Counter(link.rstrip(SENTENCE_MARKS) for link in LINK.findall(text))


def names(text: str) -> Iterator[str]:
    """Words that look like proper names."""
    for match in NAME.finditer(text):
        yield match[1] or match[2]


def words(text: str) -> Counter[str]:
    """Words, those broken by a line end joined; of Chinese the characters."""
    return Counter(word.casefold() for word in WORD.findall(BROKEN.sub("", text)))
