"""Texts of which some are changed copies of others, and it is known which."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

SYLLABLES = [
    "ba",
    "den",
    "kor",
    "li",
    "mu",
    "ran",
    "sel",
    "ti",
    "vo",
    "zan",
    "pre",
    "con",
    "ter",
    "gal",
    "nim",
    "os",
]
CHINESE = [chr(code) for code in range(0x4E00, 0x4E00 + 2500)]

Words = Sequence[str]
Change = Callable[[random.Random, list[str], Words, str], str]


def vocabulary(draw: random.Random, language: str) -> list[str]:
    """Words of one language."""
    if language == "zh":
        return ["".join(draw.choices(CHINESE, k=draw.choice([1, 2, 2, 2, 3]))) for _ in range(3000)]
    return ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 3))) for _ in range(3000)]


def same(draw: random.Random, words: list[str], _known: Words, glue: str) -> str:
    """An exact copy."""
    return glue.join(words)


def in_other_form(draw: random.Random, words: list[str], _known: Words, glue: str) -> str:
    """Other case, blanks and signs."""
    text = glue.join(words)
    wide = text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    return draw.choice(
        [text.upper(), wide, text.replace(" ", " \u3000\n"), text + "?!", f"«{text}»。", text.title()]
    )


def with_other_word(draw: random.Random, words: list[str], known: Words, glue: str) -> str:
    """One word is another."""
    at = draw.randrange(len(words))
    return glue.join([*words[:at], draw.choice(known), *words[at + 1 :]])


def with_prefix(_draw: random.Random, words: list[str], _known: Words, glue: str) -> str:
    """Something comes before it."""
    return ("Please say: " if glue else "请问:") + glue.join(words)


def truncated(_draw: random.Random, words: list[str], _known: Words, glue: str) -> str:
    """The end is missing."""
    return glue.join(words[: len(words) * 9 // 10])


CHANGES: tuple[Change, ...] = (same, in_other_form, with_other_word, with_prefix, truncated)


def planted(language: str, count: int, copies: int, seed: int = 1) -> tuple[list[str], list[str], list[int]]:
    """Texts to keep, texts to look at, and which of the latter are copies of the former, ascending."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    known, glue = vocabulary(draw, language), "" if language == "zh" else " "
    size = 30 if language == "zh" else 14
    texts = [draw.choices(known, k=draw.randint(size, size * 2)) for _ in range(count)]
    kept, others = texts[: count // 2], [glue.join(words) for words in texts[count // 2 :]]
    at = sorted(draw.sample(range(len(others)), copies))
    for number, place in enumerate(at):
        others[place] = CHANGES[number % len(CHANGES)](draw, draw.choice(kept), known, glue)
    return [glue.join(words) for words in kept], others, at
