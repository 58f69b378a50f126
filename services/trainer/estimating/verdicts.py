"""An estimate in words: why a training is refused, and what to mind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from services.trainer.estimating.accelerators import UNCONFIRMED
from services.trainer.estimating.advice import REFUSE_SHARE, WARN_SHARE, Advice
from services.trainer.estimating.estimates import TIGHT, Estimate

GB = 1e9


@dataclass(frozen=True)
class Warn:
    """Something to mind."""

    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def refusal(found: Estimate) -> str:
    """Why the memory does not suffice, by component, and what would fit."""
    share = f"more than {REFUSE_SHARE:.0%} of the {_gb(found.hardware.free)} that are free"
    return (
        f"the run needs {_gb(found.needed)} on {_place(found)}, {share}: {breakdown(found)}. "
        f"{remedy(found.nearest)}; ignore_estimate starts it all the same"
    )


def disk_refusal(found: Estimate) -> str:
    """Why the disk does not suffice."""
    return (
        f"the run leaves {_gb(found.disk.needed)} on the trainer's disk (checkpoints "
        f"{_gb(found.disk.checkpoints)}, model {_gb(found.disk.model)}), of which "
        f"{_gb(found.hardware.disk_free_bytes)} are free; free some, or learn fewer weights (method lora); "
        "ignore_estimate starts it all the same"
    )


def breakdown(found: Estimate) -> str:
    """The components of memory, the largest first; those that are nothing left out."""
    parts = sorted(asdict(found.memory).items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {_gb(value)}" for name, value in parts if value > 0.005 * GB)


def remedy(advice: Advice | None) -> str:
    """The nearest setting that fits, as options."""
    if advice is None:
        return "No setting of this model fits there; take a smaller model, more devices or larger ones"
    return "The nearest setting that fits: " + ", ".join(
        f"{each.field} {json.dumps(each.value).strip(chr(34))}" for each in advice.changes
    )


def warnings_of(found: Estimate) -> Iterator[Warn]:
    """What people should know before they believe an estimate."""
    shape, device = found.work.architecture, found.hardware.accelerator
    if found.verdict == TIGHT:
        yield Warn(
            "MEMORY_TIGHT", f"it needs more than {WARN_SHARE:.0%} of what is free; less is known to hold"
        )
    if shape.assumed:
        words = f"layers of {shape.name} are not known; they are taken as Llama's"
        yield Warn("ARCHITECTURE_ASSUMED", words, {"name": shape.name})
    if shape.experts:
        yield Warn(
            "MIXTURE_UNMEASURED", "estimates of mixtures of experts were not held against a measurement"
        )
    unsure = [name for name, source in device.sources.items() if UNCONFIRMED in source]
    if unsure:
        words = f"no datasheet of {device.name} confirms its {', '.join(unsure)}"
        yield Warn("DATASHEET_MISSING", words, {"name": device.name})
    if not found.hardware.products_rate:
        share = f"{device.efficiency:.0%}"
        words = f"products are taken to reach {share} of the peak; --products-tflops gives a measured rate"
        yield Warn("RATE_ASSUMED", words, {"share": share})
    if found.disk_is_short:
        bytes_of = {"needed_bytes": found.disk.needed, "free_bytes": found.hardware.disk_free_bytes}
        told = {name: str(round(value)) for name, value in bytes_of.items()}
        yield Warn("DISK_SHORT", disk_refusal(found), told)


def _place(found: Estimate) -> str:
    device = found.hardware.accelerator
    return "this machine" if device.is_cpu else f"each {device.name}"


def _gb(value: float) -> str:
    return f"{value / GB:.2f} GB" if value < 10 * GB else f"{value / GB:.1f} GB"
