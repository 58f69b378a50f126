"""Named ways to train on certain devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from services.runtime.errors import InvalidArgument
from services.trainer.estimating.accelerators import find_accelerator
from services.trainer.estimating.estimates import Estimate, Hardware, estimate
from services.trainer.estimating.named_models import named_model
from services.trainer.estimating.trainings import Rows
from services.trainer.training_config import TrainingConfig

NAMED_MODEL, ACCELERATOR = "qwen2.5-32b", "K100-AI"
STEP_ROWS = 256
ROWS = Rows(longest_tokens=2048, mean_tokens=711.6, count=900)
"""Of the published run."""


@dataclass(frozen=True)
class Preset:
    """A named config."""

    name: str
    title: str
    settings: Mapping[str, object]

    @property
    def config(self) -> dict[str, object]:
        """Its fields of `TrainingConfig`."""
        known = {field.name for field in fields(TrainingConfig)}
        return {name: value for name, value in self.settings.items() if name in known}

    @property
    def estimate(self) -> Estimate:
        """What it needs for the model and on the cards that it is for."""
        return self.estimate_on(Hardware(find_accelerator(ACCELERATOR)), int(str(self.settings["devices"])))

    def estimate_on(self, hardware: Hardware, devices: int) -> Estimate:
        """What it needs for the same model on so many other devices."""
        shape = named_model(NAMED_MODEL)
        assert shape is not None  # noqa: S101  # the table has it
        config = replace(TrainingConfig(**self.config), devices=devices)  # type: ignore[arg-type]  # the same names
        return estimate(config, shape, hardware, ROWS, stage=config.deepspeed_stage, epochs=config.epochs)

    @property
    def tokens_per_second(self) -> float:
        """Predicted real tokens a second of all cards together."""
        return self.estimate.speed.tokens_per_second


TUTORIAL: dict[str, object] = {
    "epochs": 3.0,
    "learning_rate": 5e-5,
    "schedule": "cosine",
    "warmup_ratio": 0.0,
    "lora_rank": 16,
    "lora_alpha": 32,
    "cutoff_length": 2048,
    "batch_tokens": 2048,
    "step_rows": STEP_ROWS,
    "precision": "bf16",
    "gradient_checkpointing": True,
    "devices": 8,
    "deepspeed_stage": 3,
}

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "dcu-k100ai-32b",
            "32B model on 8 K100-AI cards, LoRA, ZeRO-3: batch 1 × accumulation 32 a card",
            TUTORIAL,
        ),
        Preset(
            "dcu-k100ai-32b-fast",
            "The same rows in every step, in micro-batches as large as is fastest",
            {**TUTORIAL, "batch_tokens": 16_384},
        ),
    )
}


def preset_fields(name: str) -> dict[str, object]:
    """The fields that a preset sets; none for no name.

    Raises:
        InvalidArgument: there is no such preset.
    """
    if not name:
        return {}
    if name not in PRESETS:
        names = ", ".join(PRESETS)
        raise InvalidArgument(
            "TRAINING_PRESET_UNKNOWN",
            f"there is no preset {name}; there are {names}",
            "preset",
            preset=name,
            presets=names,
        )
    return PRESETS[name].config


def by_name(preset: Preset) -> tuple[str]:
    """What presets are sorted and paged by."""
    return (preset.name,)
