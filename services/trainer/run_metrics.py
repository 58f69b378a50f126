"""What Prometheus is told of each run that this process has in work.

Series of a run go a while after it has ended, so that there are never more than those of the runs in work and
of those that ended lately.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

KEPT_SECONDS = 600.0
"""How long the series of a run that ended stay: long enough for every scraper to see its last values."""
RUN_STATES = ("running", "succeeded", "failed", "cancelled", "pending")
PREFIX = "sishu_trainer"

GAUGES = {
    "steps": "Optimizer steps done",
    "planned_steps": "Optimizer steps planned",
    "epoch": "Passes over the rows so far",
    "loss": "Loss of the last step, in nats per supervised token",
    "validation_loss": "Newest loss on the validation rows",
    "learning_rate": "Learning rate of the last step",
    "grad_norm": "Norm of all gradients of the last step, before clipping",
    "tokens_per_second": "Real tokens per second of the last step, of all devices",
    "device_tokens_per_second": "The same of each device",
    "data_wait_ratio": "Share of the last step in which its rows were read and laid out",
    "mfu_ratio": "Model operations of the last step by what the devices can do at most",
    "hfu_ratio": "Hardware operations of the last step by what the devices can do at most",
    "memory_allocated_bytes": "Memory in use after the last step: on a GPU what torch allocated",
    "memory_reserved_bytes": "What torch's allocator has reserved of the device",
    "peak_memory_bytes": "Largest memory that the engine had in use",
    "memory_total_bytes": "Memory of the device, on a CPU of the machine",
    "last_step_timestamp_seconds": "When the last step ended, in Unix time",
    "last_checkpoint_timestamp_seconds": "When the last checkpoint was whole, in Unix time",
    "checkpoint_seconds": "Seconds that the last checkpoint took",
}
"""Gauges of a run by name, after the prefix, with their help."""
OF_WORK = ("tokens_per_second", "device_tokens_per_second", "memory_allocated_bytes", "memory_reserved_bytes")
"""What is 0 as soon as nobody works on the run."""


@dataclass
class Series:
    """The values of a run."""

    name: str
    state: str = "running"
    values: dict[str, float] = field(default_factory=dict)
    ended_at: float | None = None


class RunMetrics(Collector):
    """The series of the runs in work, and of those that ended lately.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._runs: dict[str, Series] = {}

    def began(self, run_id: str, name: str) -> None:
        """A run is in work here, perhaps once more; it begins without values."""
        self._forget_ended()
        self._runs[run_id] = Series(name)

    def set(self, run_id: str, values: Mapping[str, float | None]) -> None:
        """Take note of values of a run, by names of gauges; of what is None nothing is known."""
        series = self._runs.setdefault(run_id, Series(""))
        series.values |= {name: float(value) for name, value in values.items() if value is not None}

    def ended(self, run_id: str, state: str) -> None:
        """Nobody here works on the run any more."""
        series = self._runs.get(run_id)
        if series is not None:
            series.state, series.ended_at = state, self._clock()
            series.values |= {name: 0.0 for name in OF_WORK if name in series.values}

    def collect(self) -> Iterator[Metric]:
        """The series as they are now."""
        self._forget_ended()
        for name, text in GAUGES.items():
            family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["run"])
            for run_id, series in self._runs.items():
                if name in series.values:
                    family.add_metric([run_id], series.values[name])
            yield family
        yield from self._of_runs()

    def _of_runs(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(f"{PREFIX}_run_info", "1, with the name of the run", labels=["run", "name"])
        states = GaugeMetricFamily(
            f"{PREFIX}_run_state",
            "1 for the state that this process left the run in, else 0",
            labels=["run", "state"],
        )
        for run_id, series in self._runs.items():
            info.add_metric([run_id, series.name], 1)
            for state in RUN_STATES:
                states.add_metric([run_id, state], state == series.state)
        yield info
        yield states

    def _forget_ended(self) -> None:
        oldest = self._clock() - KEPT_SECONDS
        self._runs = {
            run_id: series
            for run_id, series in self._runs.items()
            if series.ended_at is None or series.ended_at > oldest
        }


def of_step(event: Mapping[str, Any], devices: int, peak_flops: float) -> dict[str, float | None]:
    """The gauges that an event of a step moves.

    Args:
        event: a `step` event of the engine.
        devices: that share the step.
        peak_flops: most operations a second of one of them; 0 where that is not known.
    """
    seconds = event["seconds"] or 0
    rate = event["tokens"] / seconds if seconds else 0
    memory = event.get("memory", {})
    return {
        "steps": event["step"],
        **{name: event[name] for name in ("epoch", "loss", "learning_rate", "grad_norm")},
        "validation_loss": event.get("validation_loss"),
        "tokens_per_second": rate,
        "device_tokens_per_second": rate / devices,
        "data_wait_ratio": _share(event.get("data_wait_seconds"), seconds),
        "mfu_ratio": _share(event.get("model_flops"), seconds * devices * peak_flops),
        "hfu_ratio": _share(event.get("hardware_flops"), seconds * devices * peak_flops),
        "memory_allocated_bytes": memory.get("allocated"),
        "memory_reserved_bytes": memory.get("reserved"),
        "memory_total_bytes": memory.get("total"),
        "peak_memory_bytes": event["peak_memory_bytes"],
        "last_step_timestamp_seconds": event["time"],
    }


def _share(part: float | None, whole: float) -> float | None:
    return part / whole if part is not None and whole else None
