"""How a room puts up with trouble that is not an item's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from services.runtime.errors import SishuError
from services.runtime.failures import Failure
from services.runtime.jobs import Item


@dataclass(frozen=True)
class Endurance:
    """How trouble is put up with that is not an item's own, such as a server that is away.

    Args:
        longer: how many times longer than any other, by reason.
        pause: gives the failure with which a job is paused when that is over; nothing where its item fails.
        without: by kind, ends an item in place of failing, where the job can go on without its result: it
            counts as skipped. Raises `ItemClosed` where it pauses the job instead.
    """

    longer: Mapping[str, float] = field(default_factory=dict)
    pause: Callable[[SishuError, str], Failure | None] | None = None
    without: Mapping[str, Callable[[Item, SishuError], Awaitable[None]]] = field(default_factory=dict)

    def failure(self, error: SishuError, job_id: str) -> Failure | None:
        """The failure with which a job is paused; nothing where its item fails."""
        return self.pause(error, job_id) if self.pause else None
