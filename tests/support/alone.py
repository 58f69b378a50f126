"""What one worker would share with others, in memory."""

from __future__ import annotations

import time

from services.generation.calls.concurrency import Concurrency, Tick, advance
from services.generation.calls.sharing import Report, Share
from services.generation.providers import Endpoint


class Alone:
    """The reports of a worker that has no others beside it."""

    def __init__(self) -> None:
        self.known: dict[str, Concurrency] = {}
        self.reports: list[Report] = []

    async def report(self, endpoint: Endpoint, report: Report) -> Share:
        """Find the limit from this worker's reports."""
        self.reports.append(report)
        tick = Tick(
            report.round, report.calls, report.seconds, report.refused, report.in_flight, report.demand
        )
        known = self.known.get(endpoint.id, Concurrency())
        known = self.known[endpoint.id] = advance(known, tick, time.monotonic())
        most = endpoint.limits.calls_in_flight or known.allowed
        return Share(known.round, min(known.allowed, most), 1.0, report.pause_seconds)

    async def leave(self) -> None:
        """Nobody is told."""
