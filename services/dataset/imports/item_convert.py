"""What questions and candidates of the generation room have in common."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias

from sishu.generation.v1 import candidate_pb2, question_pb2

GenerationItem: TypeAlias = question_pb2.Question | candidate_pb2.Candidate
REPLACED = "REPLACED"
"""The reason of what was rejected as something else took its place."""


def is_good(item: GenerationItem) -> bool:
    """Whether it passed every gate."""
    if isinstance(item, question_pb2.Question):
        return item.state == question_pb2.QUESTION_STATE_ANSWERED
    return item.state == candidate_pb2.CANDIDATE_STATE_KEPT


def is_rejected(item: GenerationItem) -> bool:
    """Whether a gate rejected it."""
    if isinstance(item, question_pb2.Question):
        return item.state == question_pb2.QUESTION_STATE_REJECTED
    return item.state == candidate_pb2.CANDIDATE_STATE_REJECTED


def has_ended(item: GenerationItem) -> bool:
    """Whether nothing more comes of it."""
    return is_good(item) or is_rejected(item)


def gone_time(item: GenerationItem) -> datetime | None:
    """Since when a chunk of it is gone; nothing while all are there."""
    if not item.HasField("source_gone_time"):
        return None
    return item.source_gone_time.ToDatetime(UTC)


def replaced_by(items: Iterable[GenerationItem]) -> list[str]:
    """Ids of items in whose place others are, by what some say of themselves and of others."""
    found = list(items)
    own = [one.id for one in found if one.rejection.reason == REPLACED]
    others = [one.replaces_id for one in found if one.replaces_id and is_good(one)]
    return own + others
