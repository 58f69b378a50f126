"""Questions that are alike, and ask for different things: they name different numbers or names.

Those of one template differ in little else, so the share of common 3-grams, or the cosine of embeddings,
hardly tells them from copies. A copy that lacks a number is still one, and so is what was cut or garbled.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from services.dataset.copies.ngrams import words_of
from services.runtime.names import named

NUMBER = re.compile(r"\d+")


class Named(NamedTuple):
    """What a text names.

    Args:
        named: its numbers in digits, and its names, case folded.
        words: all its words, and numbers within words.
        last: its last word, which may have been cut.
    """

    named: frozenset[str]
    words: frozenset[str]
    last: str


def named_in(text: str, plain: str) -> Named:
    """What a text names.

    Args:
        text: as it was written: names are known by their capital letters.
        plain: the form in which it is compared, with numbers in digits, and without instructions.
    """
    words = words_of(plain)
    numbers = frozenset(NUMBER.findall(" ".join(words)))
    names = named(unicodedata.normalize("NFKC", text)).intersection(words) - numbers
    # Where most words have capital letters, these tell of no names.
    if 2 * len(names) > len(set(words)):
        names = frozenset()
    return Named(numbers | names, numbers.union(words), words[-1] if words else "")


def are_different(one: Named, other: Named) -> bool:
    """Whether each of two texts names something that the other does not."""
    return bool(only_in(one, other)) and bool(only_in(other, one))


def only_in(one: Named, other: Named) -> frozenset[str]:
    """What a text names, and another one neither says nor has cut or garbled in it."""
    found = one.named - other.words
    if not found:
        return found
    is_garbled = bool(one.words - other.words - one.named)
    return frozenset(each for each in found if not is_part(each, one, other, is_garbled))


def is_part(word: str, one: Named, other: Named, is_garbled: bool) -> bool:
    """Whether a word of a text is what is left of one of another: at the end of it, or beside other words."""
    if word == one.last and any(each.startswith(word) for each in other.named):
        return True
    return is_garbled and any(
        each.startswith(word) or each.endswith(word) for each in other.named if each.isdigit()
    )
