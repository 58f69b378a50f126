"""How a server is asked: for JSON by a schema, in JSON mode or in plain text, and whole or streamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODES = ("json_schema", "json_object", "text")
PLAIN_TEXT: Mapping[str, Any] = {"type": "string"}
"""The schema of an answer that is no JSON but words: it is never asked for as JSON, and read as it comes."""
MOST_REFUSALS = 3
SLOW_SECONDS = 60.0
"""A server that takes longer for one answer is asked to stream the next ones."""
ABOUT_JSON = (
    "json",
    "schema",
    "response_format",
    "response format",
    "structured output",
    "grammar",
    "guided",
)


@dataclass(frozen=True)
class Habits:
    """What is worth remembering of a server.

    Args:
        mode: index of the mode of `MODES` that is tried first.
        streams: whether it was so slow that its answers are streamed.
        version: counts how often something was remembered; the same habits are equal in every version.
    """

    mode: int = 0
    streams: bool = False
    version: int = field(default=0, compare=False)


class Server:
    """What is known of a server.

    A mode that it refused three times and never took is not tried first any more. One refusal says little: it
    may be about one schema, and the next one is fine.

    Attributes:
        told: the habits that were made known, or came from there.
    """

    def __init__(self, habits: Habits) -> None:
        self._version = habits.version
        self._begin(habits)

    def _begin(self, habits: Habits) -> None:
        self.told = habits
        self.mode, self.streams = habits.mode, habits.streams
        self._taken: set[int] = set()
        self._refusals: Counter[int] = Counter()

    def heard(self, habits: Habits) -> None:
        """Go by what others found out, in place of what was seen here, unless it is older."""
        if habits.version <= self._version:
            return
        self._version = habits.version
        if habits != self.habits:
            self._begin(habits)

    @property
    def habits(self) -> Habits:
        """What is worth remembering."""
        return Habits(self.mode, self.streams)

    def taken(self, mode: int) -> None:
        """Note that the server answered in a mode."""
        self._taken.add(mode)

    def refused(self, mode: int) -> None:
        """Note that the server refused a mode."""
        self._refusals[mode] += 1
        if self._refusals[mode] >= MOST_REFUSALS and mode not in self._taken:
            self.mode = max(self.mode, mode + 1)

    def took(self, seconds: float) -> None:
        """Note how long an answer took that was not streamed."""
        self.streams = self.streams or seconds > SLOW_SECONDS

    def timed_out(self) -> None:
        """Note that an answer did not come in time."""
        self.streams = True


def is_about_json(message: str) -> bool:
    """Whether a refusal may be about the way in which JSON is asked for."""
    folded = message.lower()
    return any(word in folded for word in ABOUT_JSON)


def response_format(mode: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The request field that asks for JSON, by what the server takes; none where words are wanted."""
    if schema == PLAIN_TEXT:
        return {}
    if mode == "json_schema":
        named = {"name": "answer", "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}
