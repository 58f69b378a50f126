"""When two texts are near copies: their character 3-grams, case, width and blanks left aside, are alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

GRAM = 3
TEXTS, LETTERS = 2000, 2_000_000
"""Most texts and some letters of a batch."""


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


def batched(texts: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Texts, some at a time: at most `TEXTS` of them, and no more when they have `LETTERS` together."""
    batch: list[str] = []
    letters = 0
    for text in texts:
        batch.append(text)
        letters += len(text)
        if len(batch) == TEXTS or letters >= LETTERS:
            yield tuple(batch)
            batch, letters = [], 0
    if batch:
        yield tuple(batch)
