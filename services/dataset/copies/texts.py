"""When two texts are near copies: their character 3-grams, case, width and blanks left aside, are alike."""

from __future__ import annotations

import unicodedata

GRAM = 3


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, case folded, runs of blanks made one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def similarity(left: str, right: str) -> float:
    """Jaccard similarity of the character 3-grams of two texts, 0 to 1; they are taken as they are."""
    one, other = grams(left), grams(right)
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def grams(text: str) -> set[str]:
    """The 3-grams of a text; a shorter text is its own only one."""
    return {text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))}
