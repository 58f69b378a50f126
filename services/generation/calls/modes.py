"""How JSON is asked of a server: as a schema, in JSON mode, or in plain text, whatever it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

MODES = ("json_schema", "json_object", "text")
MOST_REFUSALS = 3


class Modes:
    """What a server takes: a mode that it refused three times and never took is not tried first any more.

    One refusal says little: it may be about one schema, and the next one is fine.
    """

    def __init__(self) -> None:
        self.first = 0
        self._taken: set[int] = set()
        self._refusals: Counter[int] = Counter()

    def taken(self, mode: int) -> None:
        """Note that the server answered in a mode."""
        self._taken.add(mode)

    def refused(self, mode: int) -> None:
        """Note that the server refused a mode."""
        self._refusals[mode] += 1
        if self._refusals[mode] >= MOST_REFUSALS and mode not in self._taken:
            self.first = max(self.first, mode + 1)


def response_format(mode: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The request field that asks for JSON, by what the server takes."""
    if mode == "json_schema":
        named = {"name": "answer", "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}
