"""Reviews: what people say of single examples, and what becomes of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.dataset.examples.edits import SAID, Edit, edited
from services.dataset.examples.examples import Example
from services.dataset.examples.filters import ExampleFilter
from services.runtime.errors import InvalidArgument, NotFound
from services.runtime.failures import Failure

VERDICTS = ("accept", "edit", "reject")
STATES = ("unreviewed", "accepted", "rejected", "disputed")
"""Where an example stands by its reviews."""


@dataclass(frozen=True)
class Review:
    """What a reviewer says of an example; a rejection says why."""

    id: str
    project_id: str
    example_id: str
    reviewer: str
    verdict: str
    rejection: Failure | None
    change_id: str
    create_time: datetime


@dataclass(frozen=True)
class Verdicts:
    """How many examples a reviewer has accepted as they were, edited, and rejected."""

    reviewer: str
    accepted: int
    edited: int
    rejected: int


@dataclass(frozen=True)
class Summary:
    """What reviews say as a whole."""

    states: dict[str, int]
    """Examples by where they stand."""
    reviewers: Sequence[Verdicts]
    compared: int
    """Examples that several have reviewed."""
    alpha: float | None
    """How far these agree; nothing where that cannot be said."""


@dataclass(frozen=True)
class Claim:
    """An example that a reviewer looks at, and until when it is kept for them."""

    example: Example
    expire_time: datetime


def judged(example: Example, verdict: str, edit: Edit, rejection: Failure | None) -> Example:
    """The example after a review: accepted and edited ones are kept, others rejected.

    Raises:
        InvalidArgument: what is given does not belong to the verdict, or the example breaks a rule.
    """
    if any(getattr(edit, name) is not None for name in SAID) != (verdict == "edit"):
        message = "update_mask: name what changes where the verdict is EDIT, and only there"
        raise InvalidArgument("FIELD_INVALID", message, "update_mask")
    if (rejection is not None) != (verdict == "reject"):
        field = "review.rejection"
        message = f"{field}: say why where the verdict is REJECT, and only there"
        raise InvalidArgument("FIELD_INVALID", message, field)
    state = "rejected" if verdict == "reject" else "kept"
    return edited(example, replace(edit, state=state, rejection=rejection))


def claimable(wanted: ExampleFilter) -> ExampleFilter:
    """A filter by which a queue can be ordered at once.

    Raises:
        InvalidArgument: it goes by text, for which every example would have to be read.
    """
    if wanted.text:
        message = "filter.text: reviews do not go by text; label the examples that have it, and go by label"
        raise InvalidArgument("FIELD_INVALID", message, "filter.text")
    return wanted


def review_not_found(review_id: str) -> NotFound:
    """The error for a review that is not there."""
    message = f"there is no review {review_id}; the reviewer may have said something else since"
    return NotFound("REVIEW_NOT_FOUND", message, review_id=review_id)
