"""Numbers and names in questions: two that differ in one ask for different things, however alike they are."""

from __future__ import annotations

import re

NUMBER_OR_NAME = re.compile(r"(?<=[\w,;:] )[A-Z][^\W\d_]+|\d+")
"""A number, or a word with a capital letter that does not begin a sentence."""


def named(text: str) -> frozenset[str]:
    """The numbers and names in a question, case folded."""
    return frozenset(one.casefold() for one in NUMBER_OR_NAME.findall(text))
