"""Metrics that every room exports; names `sishu_<room>_<what>_<unit>`, labels bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@dataclass
class Outcome:
    """How an item ended: `done`, `skipped`, `failed`, `retried`, `closed` or `cancelled`."""

    value: str = "done"

    def set(self, value: str) -> None:
        """Note another end than `done`."""
        self.value = value


class RuntimeMetrics:
    """The metrics of server and worker, in a registry of their own to which the room adds its own.

    Args:
        room: name of the room, the second part of every metric's name.
    """

    def __init__(self, room: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        prefix = f"sishu_{room}"
        self.requests = Counter(
            f"{prefix}_grpc_requests_total",
            "gRPC calls ended, by method and status code",
            ["method", "code"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            f"{prefix}_grpc_request_seconds",
            "Seconds from the start of a gRPC call to its end",
            ["method"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            f"{prefix}_grpc_in_flight_requests", "gRPC calls in progress", registry=self.registry
        )
        self.items = Counter(
            f"{prefix}_items_total",
            "Job items ended, by kind and outcome",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.item_seconds = Histogram(
            f"{prefix}_item_seconds",
            "Seconds that one try of a job item took",
            ["kind"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.items_in_flight = Gauge(
            f"{prefix}_items_in_flight", "Job items in work in this process", registry=self.registry
        )

    @contextmanager
    def item(self, kind: str) -> Iterator[Outcome]:
        """Count and time one try of a job item."""
        outcome = Outcome()
        started = time.monotonic()
        with self.items_in_flight.track_inprogress():
            try:
                yield outcome
            except asyncio.CancelledError:
                outcome.set("cancelled")
                raise
            finally:
                self.items.labels(kind, outcome.value).inc()
                self.item_seconds.labels(kind).observe(time.monotonic() - started)
