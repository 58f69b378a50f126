"""Changes of examples: what they were before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.dataset.examples.content import CONTENT
from services.dataset.examples.examples import Example
from services.runtime.errors import NotFound

CHANGEABLE = (*CONTENT, "state", "rejection", "score", "labels", "tag_ids", "delete_time", "lineage")
"""Fields of an example that a change can change."""


@dataclass(frozen=True)
class Revision:
    """One change of an example; `number` counts from 1."""

    number: int
    change_id: str
    author: str
    create_time: datetime
    before: Example
    fields: tuple[str, ...]
    """What was changed."""


def changed_fields(before: Example, after: Example) -> list[str]:
    """The fields in which two states of an example differ."""
    return [name for name in CHANGEABLE if value_of(before, name) != value_of(after, name)]


def value_of(example: Example, name: str) -> object:
    """A field, lists and tuples of the same values being the same."""
    value = getattr(example, name)
    return list(value) if isinstance(value, tuple) else value


def says_other(changed: list[str]) -> bool:
    """Whether what an example says is among the fields that were changed."""
    return not set(CONTENT).isdisjoint(changed)


def change_not_found(change_id: str) -> NotFound:
    """The error for a change that there is not."""
    message = f"there is no change {change_id} of examples; `sishu example history` lists those of an example"
    return NotFound("EXAMPLE_CHANGE_NOT_FOUND", message, change_id=change_id)
