"""What jobs and their items are, wherever they are stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from services.runtime.db import Connection
from services.runtime.failures import Failure

TIMES = ("create_time", "update_time", "end_time")
ENDED = frozenset({"succeeded", "failed", "cancelled"})

Holds = Callable[[Connection], Awaitable[bool]]
"""Says in a transaction whether the reason for something is there still."""


@dataclass(frozen=True)
class Job:
    """Work made of items; the counters cover the items known by now."""

    id: str
    project_id: str | None
    kind: str
    state: str
    resource_id: str | None
    progress: str
    create_time: datetime
    update_time: datetime
    end_time: datetime | None
    total: int
    done: int
    failed: int
    skipped: int
    failure: Failure | None = None
    """Of the first failed item of a failed job; why the service paused a paused one."""

    @property
    def ended(self) -> bool:
        """Whether nothing changes any more unless someone asks for it."""
        return self.state in ENDED

    @property
    def hint(self) -> str:
        """What to do about something that it has not made."""
        return f"{'see the failures of' if self.ended else 'wait for'} its job {self.id}"


@dataclass(frozen=True)
class NewItem:
    """An item to add; within a job and kind the same key is added once."""

    kind: str
    key: str
    resource_id: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    turn: int | None = None
    """Of the item whose work this one goes on with, so that it comes next; else it begins a chain."""


@dataclass(frozen=True)
class Item:
    """An item handed to a worker."""

    id: str
    job_id: str
    project_id: str
    job_resource_id: str
    kind: str
    key: str
    resource_id: str
    payload: Mapping[str, Any]
    attempt: int = 1
    turn: int = 0
    lane: str = ""


@dataclass(frozen=True)
class FailedItem:
    """A dead letter: an item that failed for good."""

    id: str
    kind: str
    resource_id: str | None
    failure: Failure
    attempts: int
    update_time: datetime


class ItemClosed(Exception):
    """The item was finished by another worker, or its job stopped; nothing is to be stored."""


def job_of(values: Mapping[str, Any] | asyncpg.Record) -> Job:
    """A row of `job_view`, or what `to_jsonb` makes of one."""
    failure = values["failure"]
    times = {name: datetime.fromisoformat(values[name]) for name in TIMES if isinstance(values[name], str)}
    return Job(**{**values, **times, "failure": failure and Failure(**failure)})


def size_of_job(job: Job) -> int:
    """About how many bytes a job takes in an answer."""
    return len(job.progress.encode()) + (job.failure.size if job.failure else 0)


def failed_item(row: asyncpg.Record) -> FailedItem:
    """A row of `list_failed_items`."""
    values = dict(row)
    return FailedItem(**{**values, "failure": Failure(**values["failure"])})
