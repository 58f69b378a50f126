"""Edits: what a person changes of an example, and why people reject one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.dataset.examples.examples import ExamItem, Example, Message, Preference
from services.dataset.examples.rules import check_example, check_texts
from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.failures import Failure

REVIEW = "REVIEW"
"""The reason of a person who gives no other."""
REASON = re.compile("[A-Z][A-Z0-9_]{0,62}")
SAID = ("messages", "preference", "exam_item", "score", "labels", "tag_ids")
EDITABLE = (*SAID, "state", "rejection")
"""Fields that a person may change."""
REJECTED_BY_HAND = Failure(FailedPrecondition.code, REVIEW, "a person rejected this example")
"""Why examples are rejected that are rejected without a reason."""
REPLACED = Failure(
    FailedPrecondition.code, "REPLACED", "what it was made of was regenerated, and the new one took its place"
)
"""Why the example of an item is rejected that another took the place of."""


@dataclass(frozen=True)
class Edit:
    """What a person changes of an example; what is None stays."""

    messages: Sequence[Message] | None = None
    state: str | None = None
    rejection: Failure | None = None
    preference: Preference | None = None
    exam_item: ExamItem | None = None
    score: float | None = None
    labels: Sequence[str] | None = None
    tag_ids: Sequence[str] | None = None


def edited(example: Example, edit: Edit) -> Example:
    """The example after an edit.

    Raises:
        InvalidArgument: what it says breaks a rule, or an example is to be kept with a rejection.
    """
    given = {name: value for name in SAID if (value := getattr(edit, name)) is not None}
    changed = replace(example, **given)
    if (edit.state or example.state) == "kept":
        if edit.rejection:
            raise InvalidArgument(
                "FIELD_INVALID",
                "example.rejection: only a rejected example has one; change the state to REJECTED with it",
                "example.rejection",
            )
        check_example(changed)
        return replace(changed, state="kept", rejection=None)
    check_texts(changed.messages)
    reason = edit.rejection or example.rejection or REJECTED_BY_HAND
    return replace(changed, state="rejected", rejection=reason)


def rejection_by_hand(reason: str, message: str, metadata: Mapping[str, str] | None = None) -> Failure:
    """Why a person rejects an example; an empty reason is REVIEW.

    Raises:
        InvalidArgument: the message is blank, or something cannot be stored.
    """
    metadata = metadata or {}
    if not message.strip() or "\0" in "".join([reason, message, *metadata, *metadata.values()]):
        raise InvalidArgument(
            "FIELD_INVALID",
            "example.rejection.message: say why, without NUL characters",
            "example.rejection.message",
        )
    if not REASON.fullmatch(reason or REVIEW):
        raise InvalidArgument(
            "FIELD_INVALID",
            "example.rejection.reason: value must be UPPER_SNAKE_CASE of at most 63 characters",
            "example.rejection.reason",
        )
    return Failure(FailedPrecondition.code, reason or REVIEW, message, metadata)
