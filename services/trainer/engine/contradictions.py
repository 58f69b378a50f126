"""Settings that are each allowed but make no sense together; for the engine's spec and the service's config.

Both have the fields by the same names, so both are held against the same list before anything is begun.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Contradiction(NamedTuple):
    """A setting that does not go with another."""

    field: str
    fault: str

    def __str__(self) -> str:
        return f"{self.field}: {self.fault}"


_WITH_LEAST = (
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "polynomial",
    "warmup_stable_decay",
    "reduce_lr_on_plateau",
    "greedy",
)
"""Schedules that end at a share of the peak rate."""
_ONLY_WITH = (
    # A field, the value that means it was not asked for, and the setting that it belongs to.
    ("use_dora", False, "method", ("lora",)),
    ("use_rslora", False, "method", ("lora",)),
    ("loraplus_ratio", 1.0, "method", ("lora",)),
    ("lora_dropout", 0.0, "method", ("lora",)),
    ("lora_init", "default", "method", ("lora",)),
    ("quantization_bits", 0, "method", ("lora",)),
    ("freeze_modules", (), "method", ("freeze",)),
    ("freeze_extra_modules", (), "method", ("freeze",)),
    ("train_on_prompt", False, "objective", ("sft",)),
    ("mask_history", False, "objective", ("sft",)),
    ("schedule_cycles", 1, "schedule", ("cosine_with_restarts",)),
    ("schedule_power", 1.0, "schedule", ("polynomial",)),
    ("min_rate_ratio", 0.0, "schedule", _WITH_LEAST),
)


def find_contradiction(settings: Any, *, measured: bool | None) -> Contradiction | None:
    """The first contradiction among settings, or nothing.

    Args:
        settings: has the fields of `spec.TrainSpec` that say how to train.
        measured: whether there are rows to measure a validation loss on; None where that is not known yet.
    """
    return next(_contradictions(settings, measured), None)


def _contradictions(settings: Any, measured: bool | None) -> Iterator[Contradiction]:
    for field, unasked, other, values in _ONLY_WITH:
        if getattr(settings, field) != unasked and getattr(settings, other) not in values:
            mine = getattr(settings, other)
            wanted = " or ".join(values) if len(values) < 3 else "one of " + ", ".join(values)
            yield Contradiction(field, f"has no meaning with {other} {mine}; it goes with {other} {wanted}")
    if settings.method != "lora" and settings.lora_targets not in ((), "all-linear"):
        yield Contradiction("lora_targets", f"has no meaning with method {settings.method}; leave it out")
    if settings.train_on_prompt and settings.mask_history:
        yield Contradiction("train_on_prompt", "contradicts mask_history; choose one of them")
    if settings.lora_init == "pissa":
        for field in ("quantization_bits", "use_dora", "use_rslora"):
            if getattr(settings, field):
                yield Contradiction(field, "does not go with lora_init pissa; take default, or leave it out")
    if settings.method == "freeze" and not settings.freeze_layers:
        if settings.freeze_modules:
            yield Contradiction("freeze_modules", "names modules within layers, and freeze_layers is 0")
        if not settings.freeze_extra_modules:
            yield Contradiction(
                "freeze_layers", "0 leaves nothing to learn; give a number, or freeze_extra_modules"
            )
    if settings.schedule.endswith("with_min_lr") and not settings.min_rate_ratio:
        yield Contradiction("min_rate_ratio", f"{settings.schedule} needs one above 0, such as 0.1")
    if settings.schedule in ("reduce_lr_on_plateau", "greedy") and measured is False:
        yield Contradiction(
            "schedule", f"{settings.schedule} follows the validation loss, and there are no validation rows"
        )
