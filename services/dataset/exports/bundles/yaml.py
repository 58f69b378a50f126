"""Small YAML documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./*-]*")
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".", "..", ".nan", ".inf"}
"""Words that YAML takes for something else than a text."""


def yaml_of(value: Mapping[str, object], *comments: str) -> str:
    """A mapping as YAML, under comments."""
    lines = [f"# {comment}" for comment in comments] + list(block(value))
    return "\n".join(lines) + "\n"


def block(value: object) -> Iterator[str]:
    """The lines of a mapping or a list."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if is_nested(inner):
                yield f"{scalar(key)}:"
                yield from ("  " + line for line in block(inner))
            else:
                yield f"{scalar(key)}: {scalar(inner)}"
    elif isinstance(value, list):
        for inner in value:
            lines = list(block(inner)) if is_nested(inner) else [scalar(inner)]
            yield f"- {lines[0]}"
            yield from ("  " + line for line in lines[1:])


def is_nested(value: object) -> bool:
    """Whether a value takes lines of its own."""
    return isinstance(value, (Mapping, list)) and bool(value)


def scalar(value: object) -> str:
    """A value in one line; texts that might be read as something else are quoted."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    if isinstance(value, float):
        # YAML 1.1 takes 1e-05 for a text.
        return f"{value:.12f}".rstrip("0").rstrip(".") if abs(value) >= 1e-9 else "0.0"
    return json.dumps(value)
