"""What examples say as plain text, from their content as JSON values: no object a message is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WHOLE = frozenset({"preference", "pretraining"})
"""Kinds of examples that are compared by all that they say."""


def asked_text(kind: str, content: Mapping[str, Any]) -> str:
    """What the user says, turn by turn; of a preference and of a text, all that is said."""
    if kind not in WHOLE:
        asked = [turn["content"] for turn in content.get("messages", ()) if turn["role"] == "user"]
        if asked:
            return "\n".join(asked)
    return said_text(content)


def said_text(content: Mapping[str, Any]) -> str:
    """All turns, and the answers of a preference."""
    preference = content.get("preference") or {}
    answers = [preference[name] for name in ("chosen", "rejected") if preference.get(name)]
    return "\n".join(turn["content"] for turn in [*content.get("messages", ()), *answers])


def says(content: Mapping[str, Any], wanted: str) -> bool:
    """Whether a text in lower case stands in one of the turns, as `ExampleFilter.says` sees it."""
    preference = content.get("preference") or {}
    answers = [preference[name] for name in ("chosen", "rejected") if preference.get(name)]
    return any(
        wanted in turn.get(part, "").lower()
        for turn in [*content.get("messages", ()), *answers]
        for part in ("content", "reasoning")
    )
