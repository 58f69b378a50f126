"""An estimate in words: why a training is refused, and what to mind."""

from __future__ import annotations

import json
from dataclasses import asdict

from services.trainer.estimating.accelerators import UNCONFIRMED
from services.trainer.estimating.advice import REFUSE_SHARE, WARN_SHARE, Advice
from services.trainer.estimating.estimates import TIGHT, Estimate

GB = 1e9


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


def warnings_of(found: Estimate) -> list[str]:
    """What people should know before they believe an estimate."""
    said = []
    if found.verdict == TIGHT:
        said.append(
            f"it needs more than {WARN_SHARE:.0%} of what is free; plans under that are known to hold"
        )
    shape = found.work.architecture
    if shape.assumed:
        said.append(f"layers of {shape.name} are not known; they are taken as Llama's")
    if shape.experts:
        said.append("estimates of mixtures of experts were not held against a measurement")
    unsure = [name for name, source in found.hardware.accelerator.sources.items() if UNCONFIRMED in source]
    if unsure:
        name = found.hardware.accelerator.name
        said.append(f"no datasheet of {name} confirms its {', '.join(unsure)}")
    if not found.hardware.products_rate:
        share = found.hardware.accelerator.efficiency
        said.append(f"the speed takes {share:.0%} of the peak for products; a probe makes it a measurement")
    if found.disk_is_short:
        said.append(disk_refusal(found))
    return said


def _place(found: Estimate) -> str:
    device = found.hardware.accelerator
    return "this machine" if device.is_cpu else f"each {device.name}"


def _gb(value: float) -> str:
    return f"{value / GB:.2f} GB" if value < 10 * GB else f"{value / GB:.1f} GB"
