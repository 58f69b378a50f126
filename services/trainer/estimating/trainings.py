"""From a training's settings to what one device does."""

from __future__ import annotations

from dataclasses import dataclass

from services.trainer.estimating.architectures import Architecture
from services.trainer.estimating.workloads import ACCELERATOR, CPU, Workload
from services.trainer.training_config import TrainingConfig

LARGEST_MICRO_BATCH = 16_384
"""Tokens; where the engine fits micro-batches to the device it makes none that is larger."""


@dataclass(frozen=True)
class Rows:
    """What is known of the rows; 0 where it is not."""

    longest_tokens: int = 0
    """Of the longest one; unknown, a row may have as many as the cutoff allows."""
    mean_tokens: float = 0.0
    count: int = 0
    learned_share: float = 1.0
    """Of the tokens: those of answers."""


def workload_of(
    settings: TrainingConfig,
    architecture: Architecture,
    rows: Rows,
    *,
    on_cpu: bool,
    native_bf16: bool,
    stage: int,
) -> Workload:
    """The work of one device, in the largest micro-batch that the settings allow.

    Args:
        settings: of the training.
        architecture: of the base model.
        rows: what is known of them.
        on_cpu: whether it computes on a CPU.
        native_bf16: whether the device computes in bf16, which `auto` then takes.
        stage: of ZeRO, as settings or DeepSpeed's own say.
    """
    longest = longest_row(settings, architecture, rows)
    tokens = max(settings.batch_tokens, longest)
    if rows.count:
        # There are no more.
        tokens = min(tokens, rows.count * longest)
    return Workload(
        architecture=architecture,
        device=CPU if on_cpu else ACCELERATOR,
        devices=settings.devices,
        method=settings.method,
        lora_rank=settings.lora_rank,
        lora_targets=settings.lora_targets,
        lean=not (settings.lora_dropout or settings.use_dora or stage == 3),
        lora_dropout=settings.lora_dropout > 0,
        freeze_layers=settings.freeze_layers,
        freeze_modules=settings.freeze_modules,
        freeze_extra_modules=settings.freeze_extra_modules,
        precision=precision_of(settings.precision, native_bf16=native_bf16),
        quantization_bits=settings.quantization_bits,
        optimizer=settings.optimizer,
        stage=stage,
        offload=settings.cpu_offload,
        micro_tokens=tokens,
        row_tokens=longest,
        learned_share=rows.learned_share,
        packed=settings.packing == "on" or (settings.packing == "auto" and not on_cpu),
        recompute=settings.gradient_checkpointing,
        logits_positions=settings.logits_positions,
    )


def precision_of(wanted: str, *, native_bf16: bool) -> str:
    """The number format that the engine takes."""
    return wanted if wanted != "auto" else "bf16" if native_bf16 else "fp32"


def longest_row(settings: TrainingConfig, architecture: Architecture, rows: Rows) -> int:
    """Most tokens of a row: what is known, and never more than cutoff and model allow."""
    limits = [settings.cutoff_length, architecture.context, rows.longest_tokens]
    return min(each for each in limits if each)


def fits_itself(work: Workload) -> bool:
    """Whether the engine fits micro-batches to the device: packed rows on an accelerator without ZeRO."""
    return work.device == ACCELERATOR and work.packed and work.stage == 0


def step_tokens(settings: TrainingConfig, rows: Rows, longest: int) -> float:
    """Real tokens of an optimizer step on all devices together."""
    if settings.step_rows:
        return settings.step_rows * (rows.mean_tokens or longest)
    return float(settings.accumulation * settings.batch_tokens)
