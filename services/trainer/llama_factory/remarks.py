"""What there is to say about an argument: a fault, or a note."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Remark:
    """One thing to say about one argument of a file."""

    argument: str
    """Its name; empty where it is about the file as a whole."""
    line: int
    """Of the file, from 1; 0 where the argument does not stand in it."""
    reason: str
    """UPPER_SNAKE_CASE, for programs."""
    message: str
    """For people: what was wrong and what to do, or what is done in its place."""
    metadata: dict[str, str] = field(default_factory=dict)
    """Every variable part of the message."""
