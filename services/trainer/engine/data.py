"""What a run learns from, and the rows of messages that it comes from."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from services.trainer.engine.errors import InvalidRowError
from services.trainer.engine.rendering import Message

Spans = tuple[tuple[int, int], ...]

KEPT, CUT, DROPPED = "kept", "cut", "dropped"
"""What becomes of a row."""
_ROLES = ("system", "user", "assistant")


class Sample(NamedTuple):
    """Tokens of one training sequence."""

    ids: array[int]
    """Token ids."""
    spans: Spans
    """Half-open ranges of `ids` that are learned: each answer and its end token."""
    line: int
    """Line of the train file, from 1."""


class Item(NamedTuple):
    """What is trained together: one conversation, a pair of answers, or one judged answer."""

    sequences: tuple[Sample, ...]
    good: bool = True
    """Of a judged answer: whether it is a good one."""

    @property
    def line(self) -> int:
        """Line of the train file, from 1."""
        return self.sequences[0].line

    @property
    def length(self) -> int:
        """Tokens of its sequences when they are padded to the longest."""
        return len(self.sequences) * max(len(each.ids) for each in self.sequences)

    @property
    def learned_tokens(self) -> int:
        """How many tokens are learned."""
        return sum(end - start for each in self.sequences for start, end in each.spans)


class Encoded(NamedTuple):
    """What a row became."""

    row_id: str
    """Its `id`; empty where it has none."""
    items: list[Item]
    """What is learned of it; nothing of a row that was dropped."""
    outcome: str
    """KEPT, CUT or DROPPED."""
    tokens: int
    """Tokens of the whole row."""

    @property
    def kept_tokens(self) -> int:
        """Tokens of what is learned from."""
        return sum(len(each.ids) for item in self.items for each in item.sequences)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, line) of a file; blank lines are passed over."""
    with path.open("rb") as source:
        for line, content in enumerate(source, 1):
            if content.strip():
                yield line, content


def parse_row(content: bytes) -> dict[str, Any]:
    """The object on a line. Raises InvalidRowError."""
    try:
        row = json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        raise InvalidRowError(f"not a line of JSON in UTF-8: {error}") from error
    return row if isinstance(row, dict) else {}


def row_id(row: dict[str, Any]) -> str:
    """The id of a row; empty where it has none."""
    found = row.get("id")
    return str(found) if isinstance(found, (str, int)) else ""


def check_messages(messages: Any) -> list[Message]:
    """Check the messages of a row and return them. Raises InvalidRowError naming the field."""
    if not isinstance(messages, list) or not messages:
        raise InvalidRowError("messages: must be a list of at least one message")
    for index, message in enumerate(messages):
        _check_message(f"messages[{index}]", message)
    _check_order([message["role"] for message in messages])
    return messages


def _check_message(where: str, message: Any) -> None:
    if not isinstance(message, dict) or set(message) != {"role", "content"}:
        raise InvalidRowError(f'{where}: must be {{"role": ..., "content": ...}} and nothing else')
    if message["role"] not in _ROLES:
        raise InvalidRowError(f"{where}.role: must be one of {', '.join(_ROLES)}, not {message['role']!r}")
    if not isinstance(message["content"], str) or not message["content"].strip():
        raise InvalidRowError(f"{where}.content: must be a text that is not empty")


def _check_order(roles: list[str]) -> None:
    if "system" in roles[1:]:
        raise InvalidRowError(f"messages[{roles.index('system', 1)}].role: system may only come first")
    if "user" not in roles or roles.index("user") > (roles[0] == "system"):
        raise InvalidRowError("messages: the conversation must begin with a user message")
    if roles[-1] != "assistant":
        raise InvalidRowError(f"messages[{len(roles) - 1}].role: the last message must be the assistant's")
