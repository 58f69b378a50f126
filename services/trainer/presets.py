"""Named ways to train on certain devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from services.runtime.errors import InvalidArgument
from services.trainer.planning import Cards, ModelShape, Plan, step_seconds
from services.trainer.training_config import TrainingConfig

QWEN2_32B = ModelShape(layers=64, hidden=5120, kv_width=1024, ffn=27648, vocabulary=152064, lora_rank=16)
K100_AI = Cards(count=8, flops=196e12, efficiency=0.5, memory_bytes=68.7e9, gather_rate=14.8e9)
"""Peak and memory as published; the rate of gathers is what remains of a published run's 9.16 s a
micro-batch when its products are taken off. None of it was measured by us."""
STEP_ROWS = 256
ROW_TOKENS = 711.6
"""Mean tokens of a row in that run."""
CARD_TOKENS = STEP_ROWS * ROW_TOKENS / K100_AI.count
"""Tokens of a step on one card."""


@dataclass(frozen=True)
class Preset:
    """A named config."""

    name: str
    title: str
    settings: Mapping[str, object]
    plan: Plan

    @property
    def config(self) -> dict[str, object]:
        """Its fields of `TrainingConfig`."""
        known = {field.name for field in fields(TrainingConfig)}
        return {name: value for name, value in self.settings.items() if name in known}

    @property
    def tokens_per_second(self) -> float:
        """Predicted real tokens a second of all cards together."""
        return K100_AI.count * CARD_TOKENS / step_seconds(QWEN2_32B, K100_AI, self.plan, CARD_TOKENS)


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
            Plan(2048, recompute=True),
        ),
        Preset(
            "dcu-k100ai-32b-fast",
            "The same rows in every step, in micro-batches as large as is fastest",
            {**TUTORIAL, "batch_tokens": 16_384},
            Plan(16_384, recompute=True),
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
