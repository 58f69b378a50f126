"""Metrics of the trainer room, beside those that every room has; without a label for each run."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.db import DATABASE_AWAY
from services.trainer.store import Store
from services.trainer.training_runs import TrainingStep

STATES = ("pending", "running", "succeeded", "failed", "cancelled")
STEP_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
COUNT_SECONDS = 10.0

log = structlog.get_logger()


class TrainerMetrics:
    """What this process's engine does now, and how many runs there are.

    Args:
        registry: the process's registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tokens = Counter(
            "sishu_trainer_tokens_total",
            "Tokens computed, by kind: real (no padding), supervised (in the loss), padded (with padding)",
            ["kind"],
            registry=registry,
        )
        self.step_seconds = Histogram(
            "sishu_trainer_step_seconds",
            "Seconds that one optimizer step took",
            buckets=STEP_SECONDS,
            registry=registry,
        )
        self.tokens_per_second = Gauge(
            "sishu_trainer_tokens_per_second", "Real tokens per second of the last step", registry=registry
        )
        self.loss = Gauge(
            "sishu_trainer_loss", "Loss of the last step, in nats per supervised token", registry=registry
        )
        self.learning_rate = Gauge(
            "sishu_trainer_learning_rate", "Learning rate of the last step", registry=registry
        )
        self.grad_norm = Gauge(
            "sishu_trainer_grad_norm",
            "Norm of all gradients of the last step, before clipping",
            registry=registry,
        )
        self.peak_memory = Gauge(
            "sishu_trainer_peak_memory_bytes", "Largest memory that the engine had in use", registry=registry
        )
        self.last_step = Gauge(
            "sishu_trainer_last_step_timestamp_seconds",
            "When the last step ended, in Unix time",
            registry=registry,
        )
        self.runs = Gauge(
            "sishu_trainer_runs", "Training runs in the database, by state", ["state"], registry=registry
        )

    def observe(self, step: TrainingStep) -> None:
        """Take note of a step that this process's engine did."""
        self.tokens.labels("real").inc(step.tokens)
        self.tokens.labels("supervised").inc(step.supervised_tokens)
        self.tokens.labels("padded").inc(step.padded_tokens)
        self.step_seconds.observe(step.seconds)
        self.tokens_per_second.set(step.tokens / step.seconds if step.seconds else 0)
        self.loss.set(step.loss)
        self.learning_rate.set(step.learning_rate)
        self.grad_norm.set(step.grad_norm)
        self.peak_memory.set(step.peak_memory_bytes)
        self.last_step.set(step.time.timestamp())

    def idle(self) -> None:
        """No engine is at work any more."""
        self.tokens_per_second.set(0)
        self.peak_memory.set(0)


async def count_runs(store: Store, metrics: TrainerMetrics, stop: asyncio.Event) -> None:
    """Keep the numbers of runs by state fresh until `stop` is set."""
    while not stop.is_set():
        try:
            counts = await store.count_runs()
        except (*DATABASE_AWAY, OSError, TimeoutError) as error:
            log.warning("runs_not_counted", error=str(error))
        else:
            for state in STATES:
                metrics.runs.labels(state).set(counts.get(state, 0))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), COUNT_SECONDS)
