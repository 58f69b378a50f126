"""What one worker would share with others, in memory."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry

from services.generation.calls.concurrency import Concurrency, Tick, advance
from services.generation.calls.gate import Gate
from services.generation.calls.llm import Llm, Memory
from services.generation.calls.modes import Habits
from services.generation.calls.sharing import Report, Share
from services.generation.calls.transport import Transport
from services.generation.metrics import GenerationMetrics
from services.generation.providers.providers import Endpoint


class Alone:
    """The reports of a worker that has no others beside it."""

    def __init__(self) -> None:
        self.known: dict[str, Concurrency] = {}
        self.habits: dict[str, Habits] = {}
        self.paused_until: dict[str, float] = {}

    async def report(self, endpoint: Endpoint, report: Report) -> Share:
        """Find the limit from this worker's reports."""
        seen = report.calls, report.seconds, report.refused
        tick = Tick(report.round, *seen, report.in_flight, report.demand, report.timed_out, report.answered)
        known = self.known.get(endpoint.id, Concurrency())
        now = time.monotonic()
        known = self.known[endpoint.id] = advance(known, tick, now)
        most = endpoint.limits.calls_in_flight or known.allowed
        if report.pause_seconds:
            self.paused_until[endpoint.id] = now + report.pause_seconds
        paused = max(0.0, self.paused_until.get(endpoint.id, now) - now)
        return Share(known.round, min(known.allowed, most), 1.0, paused)

    async def leave(self) -> None:
        """Nobody is told."""

    async def recall(self, endpoint: Endpoint) -> Habits:
        """What was remembered."""
        return self.habits.get(endpoint.id, Habits())

    async def remember(self, endpoint: Endpoint, habits: Habits) -> None:
        """Keep it."""
        self.habits[endpoint.id] = habits


def llm_alone(
    transport: Transport, registry: CollectorRegistry | None = None, memory: Memory | None = None
) -> Llm:
    """An `Llm` of one worker, which hands on what a server refuses instead of asking again."""
    metrics, alone = GenerationMetrics(registry or CollectorRegistry()), Alone()
    return Llm(transport, Gate(alone, metrics, refused_seconds=0), memory or alone, metrics)
