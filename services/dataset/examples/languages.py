"""The language of a text, by its letters: good enough to sort examples by."""

from __future__ import annotations

import re

LOOKED_AT = 1000
"""Characters at the start that are looked at."""
HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
KANA = re.compile("[\u3040-\u30ff]")
LATIN = re.compile("[A-Za-z]")
ACCENTED = re.compile("[\u00c0-\u024f]")
WORD_LETTERS = 2
"""Letters that say about as much as one Chinese character."""


def language_of(text: str) -> str:
    """`zh`, `en`, or empty for another language, or none."""
    start = text[:LOOKED_AT]
    han, latin = len(HAN.findall(start)), len(LATIN.findall(start))
    if han and not KANA.search(start) and WORD_LETTERS * han >= latin:
        return "zh"
    plain = latin > han and len(ACCENTED.findall(start)) * 50 < latin
    return "en" if plain and not KANA.search(start) else ""
