"""What workers tell each other of an endpoint, and what each of them may take of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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
    """

    round: int
    calls: int
    seconds: float
    refused: int
    in_flight: int
    demand: int
    pause_seconds: float = 0.0


@dataclass(frozen=True)
class Share:
    """What a worker may take of an endpoint until its next report.

    Args:
        round: the round that the limit belongs to.
        calls: calls in flight.
        part: its part of what all workers want, 0 to 1; its part of a rate.
        paused_seconds: how long nobody may call.
    """

    round: int
    calls: int
    part: float
    paused_seconds: float = 0.0


@dataclass(frozen=True)
class Demand:
    """Calls of a worker: in flight, and with those that wait."""

    worker_id: str
    in_flight: int
    total: int


def share_of(worker_id: str, limit: int, demands: Sequence[Demand]) -> tuple[int, float]:
    """Calls in flight that a worker may have, and its part of all: as much as it wants of what all want.

    The shares of all workers that go by the same list, in the same order, add up to the limit.
    """
    total = sum(demand.total for demand in demands)
    before = 0
    for demand in demands:
        after = before + demand.total
        if demand.worker_id == worker_id and total:
            return round(limit * after / total) - round(limit * before / total), demand.total / total
        before = after
    return 0, 0.0
