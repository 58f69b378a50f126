"""Comments: what people say about examples."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.runtime.errors import NotFound


@dataclass(frozen=True)
class Comment:
    """What somebody says about an example; the author as they call themselves, empty where nobody said."""

    id: str
    example_id: str
    author: str
    text: str
    create_time: datetime


def comment_not_found(comment_id: str) -> NotFound:
    """The error for a comment that is not there."""
    message = f"there is no comment {comment_id}; `sishu example comment` lists those of an example"
    return NotFound("EXAMPLE_COMMENT_NOT_FOUND", message, comment_id=comment_id)
