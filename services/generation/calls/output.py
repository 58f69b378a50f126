"""JSON out of what a model wrote, and how it is asked again where there is none."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import json_repair

FENCE = re.compile(r"```(?:json)?\s*(.*?)(?:```|\Z)", re.DOTALL)


class OutputInvalid(ValueError):
    """The model's output is not what was asked for; the message is told to the model."""


def decode(text: str) -> Any:
    """JSON out of a text: alone, in a code fence, with words around it, or cut off.

    Raises:
        OutputInvalid: the text holds no JSON.
    """
    fenced = FENCE.search(text)
    body = fenced.group(1) if fenced else text
    # The whole text first: a fence may stand inside one of its strings.
    for whole in (text, body):
        with suppress(ValueError):
            return json.loads(whole)
    start = min((place for place in (body.find("{"), body.find("[")) if place >= 0), default=-1)
    if start < 0:
        raise OutputInvalid("the answer holds no JSON")
    return json_repair.loads(body[start:])


def correction(text: str, error: str) -> list[dict[str, str]]:
    """The turns that ask again."""
    return [
        {"role": "assistant", "content": text[:2000]},
        {"role": "user", "content": f"That is not valid: {error}. Answer again, with JSON only."},
    ]
