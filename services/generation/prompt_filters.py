"""The filters of prompts. None of them makes a text grow without bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2.filters import FILTERS as THEIRS

MOST_FILLED = 1_000_000
"""Characters of a message when it is filled, and of whatever a filter gives."""

PLAIN = ("default", "first", "last", "length", "lower", "trim", "upper")
"""Those of Jinja; what they give is not longer than what they get."""


def joined(values: Iterable[object], separator: str = "") -> str:
    """The values as one text."""
    texts = [str(value) for value in values]
    within(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def replaced(text: str, old: str, new: str) -> str:
    """A text with another in the place of a part of it."""
    if not old:
        raise ValueError("`replace` needs a text to look for")
    within(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def to_json(value: object) -> str:
    """A value as JSON, in plain letters."""
    text = json.dumps(value, ensure_ascii=False)
    within(len(text))
    return text


def within(length: int) -> None:
    """Refuse what grows too long.

    Raises:
        ValueError: it does.
    """
    if length > MOST_FILLED:
        raise ValueError(f"it grows beyond {MOST_FILLED} characters")


FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: THEIRS[name] for name in PLAIN},
    "join": joined,
    "replace": replaced,
    "tojson": to_json,
}
