"""What Prometheus is told of the accelerators: read from the sampler at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.trainer.node.accelerators import Accelerator
from services.trainer.node.sampler import Sample, Sampler

PREFIX = "sishu_trainer_device"

VALUES: dict[str, tuple[str, Callable[[Accelerator], float | None]]] = {
    "utilization_ratio": ("Share of the time that the device computes", lambda card: card.utilization),
    "memory_used_bytes": ("Memory of the device in use, by whomever", lambda card: card.memory_used_bytes),
    "memory_installed_bytes": ("Memory of the device", lambda card: card.memory_total_bytes),
    "temperature_celsius": ("Temperature of its hottest sensor", lambda card: card.temperature_celsius),
    "power_watts": ("Power that it draws", lambda card: card.power_watts),
    "power_limit_watts": ("Power that it may draw", lambda card: card.power_limit_watts),
}
"""Of each device: what is told, and where it is found. A device that does not say it has no series."""


class DeviceMetrics(Collector):
    """The series of the devices; while no tool answers they keep their last values, and one says so.

    Args:
        host: this machine.
        sampler: who looks at its devices.
        others: what other machines told of theirs.
    """

    def __init__(
        self, host: str, sampler: Sampler, others: Callable[[], Mapping[str, Sample]] = lambda: {}
    ) -> None:
        self._host = host
        self._sampler = sampler
        self._others = others

    def collect(self) -> Iterator[Metric]:
        """The series as they are now."""
        samples = {self._host: self._sampler.sample, **self._others()}
        yield _info(samples)
        for name, (text, value) in VALUES.items():
            family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["host", "device"])
            for host, sample in samples.items():
                for card in sample.accelerators:
                    said = value(card)
                    if said is not None:
                        family.add_metric([host, str(card.index)], said)
            yield family
        yield from _of_samples(samples)
        yield self._failures()

    def _failures(self) -> Metric:
        failures = CounterMetricFamily(
            f"{PREFIX}_sample_failures",
            "Tries on this machine that gave nothing, by reason",
            labels=["host", "reason"],
        )
        for reason, count in sorted(self._sampler.failures.items()):
            failures.add_metric([self._host, reason], count)
        return failures


def _of_samples(samples: Mapping[str, Sample]) -> Iterator[Metric]:
    told: tuple[tuple[str, str, Callable[[Sample], float]], ...] = (
        ("sample_stale", "1 while these values are old, as nobody answers; else 0", lambda one: one.is_stale),
        (
            "sample_timestamp_seconds",
            "When a tool answered last, in Unix time; 0 never",
            lambda one: one.time,
        ),
        ("sample_seconds", "Seconds that the newest try took", lambda one: one.seconds),
    )
    for name, text, value in told:
        family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["host"])
        for host, sample in samples.items():
            family.add_metric([host], float(value(sample)))
        yield family


def _info(samples: Mapping[str, Sample]) -> Metric:
    family = GaugeMetricFamily(
        f"{PREFIX}_info",
        "1, with the device's name and the tool that tells of it",
        labels=["host", "device", "name", "tool"],
    )
    for host, sample in samples.items():
        for card in sample.accelerators:
            family.add_metric([host, str(card.index), card.name, sample.tool], 1)
    return family
