"""What workers tell each other of an endpoint, and what each of them may take of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.generation.calls.modes import Habits

URGENT_PART = 0.5
"""Of a rate, what urgent calls get while there are some."""


@dataclass(frozen=True)
class Report:
    """What a worker saw of an endpoint since its last report.

    Args:
        round: the round in which its calls were measured.
        calls: calls measured.
        seconds: sum of how long they took.
        refused: calls that the server refused as too many.
        in_flight: its calls in flight now.
        demand: its calls in flight and waiting now.
        pause_seconds: for how long the server wants to be left alone by everybody; 0 for not at all.
        urgent: of the calls that it has in flight or waiting, those that go first: somebody waits for them.
        timed_out: calls of the round that came to nothing, as the server took too long.
        answered: calls of the round that were answered, measured or not.
    """

    round: int
    calls: int
    seconds: float
    refused: int
    in_flight: int
    demand: int
    pause_seconds: float = 0.0
    urgent: int = 0
    timed_out: int = 0
    answered: int = 0


@dataclass(frozen=True)
class Share:
    """What a worker may take of an endpoint until its next report.

    Args:
        round: the round that the limit belongs to.
        calls: calls in flight.
        part: its part of what all workers want, 0 to 1; its part of a rate.
        paused_seconds: how long nobody may call.
        habits: how the endpoint is asked, as far as workers tell each other.
    """

    round: int
    calls: int
    part: float
    paused_seconds: float = 0.0
    habits: Habits | None = None


@dataclass(frozen=True)
class Demand:
    """Calls of a worker.

    Args:
        in_flight: in flight.
        total: in flight and waiting.
        urgent: of all these, those that go first.
        granted: in flight that its last share allows.
    """

    worker_id: str
    in_flight: int
    total: int
    urgent: int = 0
    granted: int = 0

    @property
    def usual(self) -> int:
        """Calls that wait for their turn."""
        return max(0, self.total - self.urgent)


def share_of(worker_id: str, limit: int, demands: Sequence[Demand]) -> tuple[int, float]:
    """Calls in flight that a worker may have, and its part of all: as much as it wants of what all want.

    Urgent calls have their places before all others, and half of the rates while there are others. The shares
    of all workers that go by the same list, in the same order, add up to the limit.

    Raises:
        ValueError: the worker is not among those of the demands.
    """
    at = [demand.worker_id for demand in demands].index(worker_id)
    urgent, usual = [demand.urgent for demand in demands], [demand.usual for demand in demands]
    first = min(limit, sum(urgent)) if any(usual) else limit
    calls = split(first, urgent, at) + split(limit - first, usual, at)
    weight = (URGENT_PART if any(usual) else 1.0) if any(urgent) else 0.0
    return calls, weight * part_of(urgent, at) + (1 - weight) * part_of(usual, at)


def split(limit: int, wanted: Sequence[int], at: int) -> int:
    """The share of one of those who want a part of a limit; all shares add up to it."""
    before, total = sum(wanted[:at]), sum(wanted)
    return round(limit * (before + wanted[at]) / total) - round(limit * before / total) if total else 0


def part_of(wanted: Sequence[int], at: int) -> float:
    """The part of one in what all want."""
    return wanted[at] / total if (total := sum(wanted)) else 0.0


def free_of(worker_id: str, limit: int, demands: Sequence[Demand]) -> int:
    """Calls in flight that a hard limit leaves to a worker: what the others do not have, and may not begin.

    Another worker learns only with its next report that its share became smaller.
    """
    held = (max(one.in_flight, one.granted) for one in demands if one.worker_id != worker_id)
    return max(0, limit - sum(held))
