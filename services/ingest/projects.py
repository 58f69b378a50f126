"""Projects: what holds everything that belongs to one body of documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.runtime.errors import InvalidArgument

LONGEST_NAME = 100
LONGEST_DESCRIPTION = 2000


@dataclass(frozen=True)
class Project:
    """A project."""

    id: str
    name: str
    description: str
    create_time: datetime
    update_time: datetime


def check_project(name: str | None, description: str | None) -> None:
    """Hold name and description, those that are given, against the rules of the contract.

    Raises:
        InvalidArgument: one of them breaks its rule.
    """
    if name is not None and not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
        raise InvalidArgument(
            "FIELD_INVALID", "a project's name has 1 to 100 printable characters", "project.name"
        )
    if description is not None and len(description) > LONGEST_DESCRIPTION:
        raise InvalidArgument(
            "FIELD_INVALID", "a project's description has at most 2000 characters", "project.description"
        )
