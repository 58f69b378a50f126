"""Rows of data files, and what becomes of them: an example or a fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import orjson

MOST_ROW_BYTES = 16 << 20
"""A longer row is no example that a model learns from, and would fill the memory."""


class BadRow(Exception):
    """A row that is no example.

    Args:
        reason: UPPER_SNAKE_CASE.
        message: what is wrong and what to do.
        field: the column at fault, with the place in it; empty for the whole row.
    """

    def __init__(self, reason: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


Row: TypeAlias = tuple[int, dict[str, Any] | BadRow]
"""Number of a row in its file, from 1 (of JSON Lines and tables: its line), and what it holds."""
Rows: TypeAlias = Iterator[Row]


class Fault(NamedTuple):
    """A row that became no example."""

    file: str
    row: int
    field: str
    reason: str
    message: str


class Imported(NamedTuple):
    """A row that became an example.

    Args:
        file: where it stood.
        row: its number there, from 1.
        kind: of example.
        content: compact JSON.
        key: equal for exact duplicates.
        characters: of its texts and thoughts.
        turns: messages that are not of the system.
        language: `zh`, `en`, or empty for others.
        score: 0 to 5, if it has one.
        labels: free words.
        lineage: JSON that an export of our own carries; empty otherwise.
        tag_ids: those that an export of our own carries.
    """

    file: str
    row: int
    kind: str
    content: bytes
    key: bytes
    characters: int
    turns: int
    language: str
    score: float | None
    labels: tuple[str, ...]
    lineage: bytes
    tag_ids: tuple[str, ...] = ()


class Stored(NamedTuple):
    """What a profile tells of an example that is stored."""

    kind: str
    content: bytes
    characters: int
    language: str


@dataclass(frozen=True)
class Columns:
    """Which column holds what; None for no such column.

    Args:
        instruction: what the user says, or its first part.
        input: the second part of what the user says.
        answer: what the assistant says.
        system: the system message.
        reasoning: the assistant's thoughts.
        history: earlier turns, a list of pairs.
        messages: a list of messages.
        chosen: the better answer.
        rejected: the worse answer.
        desirable: whether the answer is a good one.
        text: text without roles.
        content: the content of an example, as exports of our own have it.
        kind: its kind.
        labels: free words, a list or one text with `,` between them.
        score: a number from 0 to 5.
        lineage: where an example of our own came from.
        tags: ids of its tags.
    """

    instruction: str | None = None
    input: str | None = None
    answer: str | None = None
    system: str | None = None
    reasoning: str | None = None
    history: str | None = None
    messages: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    desirable: str | None = None
    text: str | None = None
    content: str | None = None
    kind: str | None = None
    labels: str | None = None
    score: str | None = None
    lineage: str | None = None
    tags: str | None = None


@dataclass(frozen=True)
class Tags:
    """The words of a list of messages: keys of a message, and names of roles."""

    role: str = "from"
    content: str = "value"
    user: str = "human"
    assistant: str = "gpt"
    system: str = "system"
    observation: str = "observation"
    function: str = "function_call"


def encoded(value: object) -> bytes:
    """A value as compact JSON.

    Raises:
        BadRow: it holds half a character, which UTF-8 has not.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        raise BadRow(
            "TEXT_INVALID",
            "the row holds half a character (a lone surrogate), or a number that JSON has not; write it anew",
        ) from None
