"""The filters of prompts. None of them makes a text grow without bounds.

Those that can make it grow take the library's context, and nothing of it: else the library would call them
when it reads a template, and keep what they give.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import pass_context
from jinja2.filters import FILTERS as THEIRS
from jinja2.runtime import Context

MOST_FILLED = 1_000_000
"""Characters of all messages when they are filled, and of whatever a filter gives."""

PLAIN = ("default", "first", "last", "length", "lower", "trim", "upper")
"""Those of Jinja; what they give is not longer than what they get."""


@pass_context
def joined(_: Context, values: Iterable[object], separator: str = "") -> str:
    """The values as one text."""
    texts = [str(value) for value in values]
    within(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


@pass_context
def replaced(_: Context, text: str, old: str, new: str) -> str:
    """A text with another in the place of a part of it."""
    if not old:
        raise ValueError("`replace` needs a text to look for")
    within(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


@pass_context
def to_json(_: Context, value: object) -> str:
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
