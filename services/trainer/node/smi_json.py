"""Cards from the JSON of `hy-smi` and `rocm-smi`, which is not always JSON.

Some builds leave out commas (`"Average Graphics Package Power (W)": "91.0""Average GFX Core Power (W)": …`),
repeat an empty key, and print warnings before the first brace.
"""

from __future__ import annotations

import json
import re
from typing import Any

from services.trainer.node.accelerators import Accelerator, UnreadableError, card_of

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
CARD = re.compile(r"(?:card|[DH]CU|GPU)\s*\[?(\d+)\]?", re.IGNORECASE)
AFTER_A_VALUE = re.compile(r"\s*|\s*:\s*[\w.+-]+\s*|.*[}\]]\s*", re.DOTALL)
"""Between two strings: what lacks a comma before the second."""
LAST_COMMA = re.compile(r",(\s*[}\]])")


def cards_of_json(text: str) -> list[Accelerator]:
    """The cards, by number.

    Raises:
        UnreadableError: not even mended is it JSON, or it names no card.
    """
    content = _loaded(text)
    cards = [
        card_of(int(match[1]), fields)
        for key, fields in content.items()
        if (match := CARD.fullmatch(key.strip())) and isinstance(fields, dict)
    ]
    if not cards:
        raise UnreadableError("the JSON names no card")
    return sorted(cards, key=lambda card: card.index)


def _loaded(text: str) -> dict[str, Any]:
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise UnreadableError("there is no JSON object in it")
    text = text[start : end + 1]
    content = _parsed(text) or _parsed(mended(text))
    if not isinstance(content, dict):
        raise UnreadableError("the JSON cannot be read")
    return content


def _parsed(text: str) -> Any:
    """What a text says; None where it is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def mended(text: str) -> str:
    """JSON with the commas that were left out, and without one before a brace."""
    parts: list[str] = []
    end, is_value = 0, False
    for string in STRING.finditer(text):
        gap = text[end : string.start()]
        # A key is followed by its value; what stands behind a value without a comma is the next key.
        follows_key = gap.strip() == ":"
        # Behind a brace: a comma before it is one too many, and no help for what follows.
        last = re.split(r"[}\]]", gap)[-1]
        lacks_comma = not follows_key and "," not in last and (is_value or gap.strip())
        if parts and lacks_comma and AFTER_A_VALUE.fullmatch(gap):
            gap += ","
        parts += [gap, string.group()]
        end, is_value = string.end(), follows_key
    return LAST_COMMA.sub(r"\1", "".join([*parts, text[end:]]))
