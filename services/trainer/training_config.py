"""How to train: the defaults, their limits, and the engine's spec file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from services.runtime.errors import InvalidArgument
from services.trainer.engine.files import write_durably
from services.trainer.engine.spec import ALL_LINEAR, TrainSpec

LIMITS = {
    field.name: (field.metadata["low"], field.metadata["high"])
    for field in fields(TrainSpec)
    if "low" in field.metadata
}
"""Smallest and largest value that the engine takes, by the name that field and spec share."""


PREFERENCE_RATE = 5e-5
"""Usual peak learning rate of preferences: what is learned from them is small, and easily too much."""
SIMPO_BETA = 2.0


@dataclass(frozen=True)
class TrainingConfig:
    """Every parameter of a run. Names and meaning are those of the contract and of the engine's spec."""

    epochs: float = 3.0
    """Passes over the data."""
    max_steps: int = 0
    """Optimizer steps, in place of `epochs`; 0 means as many as `epochs` take."""
    learning_rate: float = 1e-3
    """Peak learning rate; LoRA on a small model wants a high one."""
    schedule: str = "cosine"
    """`cosine`, `linear` or `constant`."""
    warmup_ratio: float = 0.05
    """Share of the steps over which the learning rate rises."""
    weight_decay: float = 0.0
    """Decoupled weight decay of AdamW."""
    max_grad_norm: float = 1.0
    """Gradients with a larger norm are scaled down to it; 0 means no clipping."""
    lora_rank: int = 16
    """Rank of the LoRA matrices."""
    lora_alpha: int = 32
    """LoRA scale: the update is multiplied by alpha / rank."""
    lora_dropout: float = 0.0
    """Dropout on the LoRA input."""
    lora_targets: tuple[str, ...] = ()
    """Modules that get LoRA matrices; none means every linear layer but the head."""
    batch_tokens: int = 1024
    """Token budget of a micro-batch, padding included."""
    accumulation: int = 1
    """Micro-batches per optimizer step."""
    cutoff_length: int = 2048
    """Longest row in tokens."""
    precision: str = "auto"
    """`auto`, `bf16` or `fp32`."""
    seed: int = 42
    """Seed of data order and initial weights."""
    checkpoint_steps: int = 50
    """Steps between checkpoints; 0 means none but the last."""
    gradient_checkpointing: bool = False
    """Whether activations are computed again in the backward pass."""
    validation_steps: int = 0
    """Steps between measurements on the validation rows; 0 means once a pass."""
    early_stop_patience: int = 0
    """Measurements in a row without a better loss that end the run; 0 means never."""
    early_stop_margin: float = 0.0
    """How much lower a better validation loss is, in nats."""
    publish: str = "best"
    """`best` or `last`: whose adapter the run gives."""
    objective: str = "sft"
    """`sft`, `dpo`, `orpo`, `simpo` or `kto`: what is learned."""
    beta: float = 0.1
    """Of preferences: how dear it is to move away from the base, or the scale of the reward."""
    simpo_gamma: float = 0.5
    """Margin of `simpo`."""
    label_smoothing: float = 0.0
    """Share of pairs that are taken to be labelled the wrong way round."""
    sft_weight: float = 0.0
    """Weight of the better answer's cross-entropy in the loss of `dpo` and `simpo`."""
    desirable_weight: float = 1.0
    """Weight of the good answers of `kto`."""
    undesirable_weight: float = 1.0
    """Weight of the bad ones."""
    use_rslora: bool = False
    """Whether LoRA's scale is alpha / sqrt(rank)."""
    use_dora: bool = False
    """Whether the length of each row of a weight is learned beside its direction."""
    loraplus_ratio: float = 1.0
    """How many times as fast as LoRA's A matrices its B matrices learn."""

    @classmethod
    def of_json(cls, values: Mapping[str, object]) -> TrainingConfig:
        """The config that `as_json` wrote."""
        targets = values["lora_targets"]
        assert isinstance(targets, list)  # noqa: S101  # as_json writes a list
        return cls(**{**values, "lora_targets": tuple(targets)})  # type: ignore[arg-type]

    def as_json(self) -> dict[str, object]:
        """As a jsonb value."""
        return {**asdict(self), "lora_targets": list(self.lora_targets)}


def resolve(given: Mapping[str, object]) -> TrainingConfig:
    """Fill what was not given with the defaults; alpha follows the rank.

    Raises:
        InvalidArgument: a value is out of the engine's range; the message names the field.
    """
    config = TrainingConfig(**given)  # type: ignore[arg-type]
    usual: dict[str, object] = {"lora_alpha": 2 * config.lora_rank}
    if config.objective != "sft":
        usual["learning_rate"] = PREFERENCE_RATE
    if config.objective == "simpo":
        usual["beta"] = SIMPO_BETA
    config = TrainingConfig(**{**usual, **given})  # type: ignore[arg-type]
    for name, value in asdict(config).items():
        if name in LIMITS:
            check_range(name, value)
    return config


def check_range(name: str, value: float) -> None:
    """Hold a number against the engine's range.

    Raises:
        InvalidArgument: it is outside.
    """
    low, high = LIMITS[name]
    if not low <= value <= high:
        raise InvalidArgument(
            "FIELD_INVALID",
            f"config.{name} must be from {low:g} to {high:g}, not {value:g}",
            f"training_run.config.{name}",
        )


@dataclass(frozen=True)
class Place:
    """Where a run happens on this machine: folders, device, threads."""

    work: Path
    base_model: Path
    train_file: Path
    device: str
    threads: int
    validation_file: Path | None = None


def spec_of(run_id: str, config: TrainingConfig, base_model_name: str, place: Place) -> dict[str, object]:
    """The engine's spec."""
    held_out = {"validation_file": str(place.validation_file)} if place.validation_file else {}
    return {
        **config.as_json(),
        **held_out,
        "lora_targets": list(config.lora_targets) or ALL_LINEAR,
        "run_id": run_id,
        "base_model": str(place.base_model),
        "base_model_name": base_model_name,
        "train_file": str(place.train_file),
        "output_dir": str(place.work),
        "device": place.device,
        "threads": place.threads,
    }


def write_spec(path: Path, spec: Mapping[str, object]) -> None:
    """Write the spec whole or not at all."""
    write_durably(path, json.dumps(spec, ensure_ascii=False, indent=2).encode())
