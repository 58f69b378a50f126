"""Metrics of the trainer room, beside those that every room has; docs/training.md lists them all."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.db import DATABASE_AWAY
from services.trainer.node.peaks import peak_flops
from services.trainer.run_metrics import RunMetrics, of_step
from services.trainer.store import Store
from services.trainer.training_runs import TrainingRun

STATES = ("pending", "running", "paused", "succeeded", "failed", "cancelled")
STEP_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
COUNT_SECONDS = 10.0

log = structlog.get_logger()


class TrainerMetrics:
    """What the engines of this process do, and how many runs there are.

    Args:
        registry: the process's registry.
        peak: most operations a second of a device, where it is not to be found by the device's name; 0 means
            by its name.
        clock: seconds that never go back.
    """

    def __init__(
        self, registry: CollectorRegistry, peak: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._peak_given = peak
        self._peaks: dict[str, float] = {}
        self.tokens = Counter(
            "sishu_trainer_tokens_total",
            "Tokens computed, by kind: real (no padding), supervised (in the loss), padded (with padding)",
            ["kind"],
            registry=registry,
        )
        self.flops = Counter(
            "sishu_trainer_flops_total",
            "Operations of products, by kind: model (what the steps need), hardware (what was computed)",
            ["kind"],
            registry=registry,
        )
        self.step_seconds = Histogram(
            "sishu_trainer_step_seconds",
            "Seconds that one optimizer step took",
            buckets=STEP_SECONDS,
            registry=registry,
        )
        self.data_wait = Counter(
            "sishu_trainer_data_wait_seconds_total",
            "Seconds of steps in which their rows were read and laid out",
            registry=registry,
        )
        self.uploaded = Counter(
            "sishu_trainer_uploaded_bytes_total",
            "Bytes stored in the bucket, by what they are of: model, record, checkpoint",
            ["kind"],
            registry=registry,
        )
        self.queued = Gauge(
            "sishu_trainer_queued_runs", "Training runs that wait for a device", registry=registry
        )
        self.counts = Gauge(
            "sishu_trainer_runs", "Training runs in the database, by state", ["state"], registry=registry
        )
        self.runs = RunMetrics(clock)
        registry.register(self.runs)

    def began(self, run: TrainingRun) -> None:
        """An engine of this process begins a run, or goes on with it."""
        self.runs.began(run.id, run.name)

    def observe(self, run: TrainingRun, events: Iterable[Mapping[str, Any]]) -> None:
        """Take note of what an engine of this process did; each event is to come once."""
        for event in events:
            match event["type"]:
                case "started":
                    found = self._peak_given or peak_flops(event.get("device_name", ""))
                    self._peaks[run.id] = found
                    self.runs.set(run.id, {"planned_steps": event["steps_total"]})
                case "step":
                    self._count(event)
                    peak = self._peaks.get(run.id, self._peak_given)
                    self.runs.set(run.id, of_step(event, run.config.devices, peak))
                case "checkpoint":
                    self.runs.set(
                        run.id,
                        {
                            "last_checkpoint_timestamp_seconds": event["time"],
                            "checkpoint_seconds": event.get("seconds"),
                        },
                    )

    def ended(self, run_id: str, state: str) -> None:
        """No engine of this process works on the run any more, and it is now in this state."""
        self._peaks.pop(run_id, None)
        self.runs.ended(run_id, state)

    def stored(self, kind: str, size: int) -> None:
        """So many bytes of a run were stored in the bucket."""
        self.uploaded.labels(kind).inc(size)

    def counted(self, counts: Mapping[str, int]) -> None:
        """Take note of how many runs there are, by state."""
        for state in STATES:
            self.counts.labels(state).set(counts.get(state, 0))
        self.queued.set(counts.get("pending", 0))

    def _count(self, step: Mapping[str, Any]) -> None:
        self.tokens.labels("real").inc(step["tokens"])
        self.tokens.labels("supervised").inc(step["supervised_tokens"])
        self.tokens.labels("padded").inc(step["padded_tokens"])
        self.flops.labels("model").inc(step.get("model_flops", 0))
        self.flops.labels("hardware").inc(step.get("hardware_flops", 0))
        self.data_wait.inc(step.get("data_wait_seconds", 0))
        self.step_seconds.observe(step["seconds"])


async def count_runs(store: Store, metrics: TrainerMetrics, stop: asyncio.Event) -> None:
    """Keep the numbers of runs by state fresh until `stop` is set."""
    while not stop.is_set():
        try:
            metrics.counted(await store.count_runs())
        except (*DATABASE_AWAY, OSError, TimeoutError) as error:
            log.warning("runs_not_counted", error=str(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), COUNT_SECONDS)
