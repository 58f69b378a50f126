"""Conversations, and the errors of asking for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.runtime.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound

MOST_MESSAGES = 1000
"""What one chat may hold, so that a longer conversation could not be gone on with."""


@dataclass(frozen=True)
class Conversation:
    """A talk that is kept."""

    id: str
    project_id: str
    title: str
    message_count: int
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True)
class Said:
    """One message of a conversation, as the OpenAI protocol writes it."""

    position: int
    message: Mapping[str, Any]
    deployment_id: str
    create_time: datetime

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        return len(json.dumps(self.message))


def check_project(conversation: Conversation, project_id: str) -> None:
    """Hold a conversation against the project of the deployment that is to go on with it.

    Raises:
        InvalidArgument: it belongs to another.
    """
    if conversation.project_id != project_id:
        raise InvalidArgument(
            "FIELD_INVALID",
            f"conversation {conversation.id} belongs to project {conversation.project_id}, the deployment to "
            f"{project_id}",
            "conversation_id",
        )


def check_length(conversation_id: str, count: int) -> None:
    """Hold a number of messages against the most that are kept.

    Raises:
        FailedPrecondition: it is larger.
    """
    if count > MOST_MESSAGES:
        raise FailedPrecondition(
            "CONVERSATION_FULL",
            f"conversation {conversation_id} would have {count} messages, {MOST_MESSAGES} at most; begin one",
            conversation_id=conversation_id,
        )


def not_found(conversation_id: str) -> NotFound:
    """The error for a conversation that is not there."""
    return NotFound(
        "CONVERSATION_NOT_FOUND",
        f"there is no conversation {conversation_id}",
        conversation_id=conversation_id,
    )


def changed(conversation_id: str) -> Aborted:
    """The error for an answer to what is no longer the end of the conversation."""
    return Aborted(
        "CONVERSATION_CHANGED",
        f"somebody else went on with conversation {conversation_id} meanwhile; nothing was kept, ask again",
        conversation_id=conversation_id,
    )
