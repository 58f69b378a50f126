"""How the value of an argument is written, and what it then is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from services.trainer.llama_factory.reading import Value

Kind = Callable[[Value], Any]
"""Makes a value of what is written; raises ValueError with the words `must be …`."""

TRUE = {"true", "yes", "on"}
FALSE = {"false", "no", "off"}


def flag(value: Value) -> bool:
    """True or false."""
    word = value.lower() if isinstance(value, str) else ""
    if word not in TRUE | FALSE:
        raise ValueError("must be true or false")
    return word in TRUE


def number(value: Value) -> float:
    """A finite number, as in `1e-4`."""
    try:
        found = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError("must be a number")
    return found


def whole(value: Value) -> int:
    """A whole number."""
    try:
        found = number(value)
    except ValueError:
        found = math.nan
    if not found.is_integer():
        raise ValueError("must be a whole number")
    return int(found)


def bits(value: Value) -> int:
    """Bits of a quantised weight."""
    if value not in ("4", "8"):
        raise ValueError("must be 4 or 8")
    return whole(value)


def text(value: Value) -> str:
    """A text."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value.strip()


def word(*options: str) -> Kind:
    """One of some words."""

    def read(value: Value) -> str:
        if value not in options:
            raise ValueError(f"must be one of {', '.join(options)}")
        return str(value)

    return read


def off_or(kind: Kind, off: object) -> Kind:
    """Something, or `no` and `false` in its place, which YAML and people write alike."""

    def read(value: Value) -> Any:
        return off if isinstance(value, str) and value.lower() in FALSE else kind(value)

    return read


def names(value: Value) -> tuple[str, ...]:
    """Names in a list, or in one text with commas between."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(each, str) for each in parts):
        raise ValueError("must be names with commas between")
    found = tuple(str(each).strip() for each in parts)
    if not found or not all(found):
        raise ValueError("must be names with commas between")
    return found


def mapping(value: Value) -> dict[str, float]:
    """Names with a number each."""
    if not isinstance(value, dict):
        raise ValueError("must be names with their numbers")
    return {name: number(each) for name, each in value.items()}


def asked(value: Value) -> bool:
    """Whether it asks for anything: `false`, 0 and what is empty do not."""
    if isinstance(value, str):
        return value.strip().lower() not in {*FALSE, "", "none", "0", "0.0"}
    return bool(value)


def anything(value: Value) -> Value:
    """Whatever it is."""
    return value
