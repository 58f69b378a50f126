"""Changes of cleaning as a person sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.cleaning import Change


@dataclass(frozen=True)
class Hunk:
    """A change as a person sees it: what goes, what comes, and what stands around it in the base text."""

    start: int
    end: int
    removed: str
    added: str
    rule: str
    before: str
    after: str


def diff(base: str, changes: Sequence[Change], context: int = 40) -> list[Hunk]:
    """The changes with what they remove, and up to `context` characters on both sides."""
    return [
        Hunk(
            change.start,
            change.end,
            base[change.start : change.end],
            change.added,
            change.rule,
            base[max(0, change.start - context) : change.start],
            base[change.end : change.end + context],
        )
        for change in changes
    ]
