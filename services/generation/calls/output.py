"""JSON out of what a model wrote, and how it is asked again where there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from services.generation.calls.replies import THINK, block_end, string
from services.generation.calls.salvage import OPEN_ARRAY, OPEN_OBJECT, Broken, salvage

BRACKET = re.compile(f"[{re.escape(OPEN_OBJECT + OPEN_ARRAY)}]")
BLANKS = " \t\r\n\ufeff\u200b"
MOST_BEGINNINGS = 20
"""Brackets at which a value is looked for; prose holds some, and looking costs time."""
SHOWN_CHARACTERS = 80


class OutputInvalid(ValueError):
    """The model's output is not what was asked for; the message is told to the model."""


class OutputIncomplete(OutputInvalid):
    """A part of what was asked for is there, and good; the rest is asked for.

    Args:
        message: what lacks.
        parts: the members of the answer that are good as they are, and are not asked for again.
        value: what is made of these parts, for the case that the rest never comes.
    """

    def __init__(self, message: str, parts: Mapping[str, Any], value: Any) -> None:
        super().__init__(message)
        self.parts, self.value = parts, value


@dataclass(frozen=True)
class Decoded:
    """A value out of a model's text.

    Args:
        salvaged: the text is not JSON and nothing else.
        cut: the text was cut off; the value holds what is whole.
    """

    value: Any
    salvaged: bool = False
    cut: bool = False


def decode(text: str) -> Decoded:
    """JSON out of a text: alone, in a code fence, with words around it, with wrong signs, or cut off.

    Raises:
        OutputInvalid: the text holds no JSON, or none that can be read without a guess.
    """
    stripped = text.strip(BLANKS)
    with suppress(ValueError, RecursionError):
        value = strictly(stripped)
        if isinstance(value, str):
            value = strictly(value)
            return Decoded(storable(value), salvaged=True)
        return Decoded(storable(value) if "\\" in stripped else value)
    return longest(stripped)


def longest(text: str) -> Decoded:
    """The longest value that stands in a text.

    Raises:
        OutputInvalid: there is none.
    """
    found, size, error = None, 0, ""
    for value, length, cut in values(text):
        if isinstance(value, Broken):
            error = error or str(value)
        elif length > size and value:
            found, size = Decoded(storable(value), salvaged=True, cut=cut), length
    if found:
        return found
    if error:
        raise OutputInvalid(f"the answer is no valid JSON: {error}")
    shown = text[:SHOWN_CHARACTERS]
    raise OutputInvalid(f"the answer holds no JSON: {shown!r}" if shown else "the answer is empty")


def values(text: str) -> Iterator[tuple[Any, int, bool]]:
    """The values that begin at the brackets of a text, side by side: value, length, whether it was cut off.

    In place of a value that cannot be read, the error.
    """
    at = 0
    for _ in range(MOST_BEGINNINGS):
        bracket = BRACKET.search(text, at)
        if not bracket:
            return
        thought = THINK.search(text, at, bracket.start())
        if thought and not thought[1]:
            at = block_end(text, thought.start())
            continue
        start = bracket.start()
        try:
            value, at, cut = value_at(text, start)
        except Broken as broken:
            yield broken, 0, False
            # What stands inside a broken answer is not the answer.
            if broken.begun:
                return
            at = start + 1
        else:
            yield value, at - start, cut


def value_at(text: str, at: int) -> tuple[Any, int, bool]:
    """The value that begins at a bracket, where it ends, and whether it was cut off.

    Raises:
        Broken: it cannot be read without a guess.
    """
    with suppress(ValueError, RecursionError):
        value, end = STRICT.raw_decode(text, at)
        return value, end, False
    return salvage(text, at)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, unless one of its keys has two values."""
    members = dict(pairs)
    if len(members) < len(pairs) and any(members[key] != value for key, value in pairs):
        raise ValueError("a key stands there twice")
    return members


def refused_constant(name: str) -> Any:
    """JSON has neither NaN nor Infinity."""
    raise ValueError(f"{name} is no JSON value")


STRICT = json.JSONDecoder(object_pairs_hook=unique, parse_constant=refused_constant)
strictly = STRICT.decode


def storable(value: Any) -> Any:
    r"""A decoded value as it was meant, and as Postgres can hold it.

    Models write LaTeX with single backslashes, and JSON reads `\frac` as a form feed; a text has none.

    Raises:
        OutputInvalid: a text holds half of a surrogate pair.
    """
    match value:
        case str():
            if not value.isascii() and string(value) != value.replace("\0", ""):
                raise OutputInvalid("an escape \\ud... in a text is half of a sign")
            return value.replace("\0", "").replace("\f", "\\f").replace("\b", "\\b")
        case list():
            return [storable(item) for item in value]
        case dict():
            return {storable(key): storable(item) for key, item in value.items()}
        case _:
            return value


def unwrapped(value: Any, schema: Mapping[str, Any]) -> Any:
    """The object inside an array of one, where an object is wanted."""
    wanted = schema.get("type") == "object"
    alone = isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
    return value[0] if wanted and alone else value


def without(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the members that lack."""
    properties = {name: one for name, one in schema["properties"].items() if name not in parts}
    return {**schema, "properties": properties, "required": list(properties)}


def correction(
    text: str, error: str, *, cut: bool = False, wanted: str = "", form: str = "JSON"
) -> list[dict[str, str]]:
    """The turns that ask again.

    Args:
        text: what the model said.
        error: what is wrong with it.
        cut: it was cut off, so that the same again would be, too.
        wanted: the keys that lack, where others are there.
        form: what an answer is made of.
    """
    if cut:
        error = f"it was cut off because it was too long ({error}). Write less"
    only = f" and only with the keys {wanted}" if wanted else ""
    return [
        # Some servers refuse a message without text.
        {"role": "assistant", "content": text[:2000] or "(nothing)"},
        {"role": "user", "content": f"That is not valid: {error}. Answer again, with {form} only{only}."},
    ]
