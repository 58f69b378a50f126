"""What Prometheus is told of the accelerators: read from the sampler at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
        sampler: who looks at the devices.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def collect(self) -> Iterator[Metric]:
        """The series as they are now."""
        sample = self._sampler.sample
        yield _info(sample)
        for name, (text, value) in VALUES.items():
            family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["device"])
            for card in sample.accelerators:
                said = value(card)
                if said is not None:
                    family.add_metric([str(card.index)], said)
            yield family
        yield from self._of_sample(sample)

    def _of_sample(self, sample: Sample) -> Iterator[Metric]:
        for name, text, value in (
            ("sample_stale", "1 while these values are old, as no tool answers; else 0", sample.is_stale),
            ("sample_timestamp_seconds", "When a tool answered last, in Unix time; 0 never", sample.time),
            ("sample_seconds", "Seconds that the newest try took", sample.seconds),
        ):
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=float(value))
        failures = CounterMetricFamily(
            f"{PREFIX}_sample_failures", "Tries that gave nothing, by reason", labels=["reason"]
        )
        for reason, count in sorted(self._sampler.failures.items()):
            failures.add_metric([reason], count)
        yield failures


def _info(sample: Sample) -> Metric:
    family = GaugeMetricFamily(
        f"{PREFIX}_info",
        "1, with the device's name and the tool that tells of it",
        labels=["device", "name", "tool"],
    )
    for card in sample.accelerators:
        family.add_metric([str(card.index), card.name, sample.tool], 1)
    return family
