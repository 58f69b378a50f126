"""How to train: the defaults, their limits, and the engine's spec file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from services.runtime.errors import InvalidArgument
from services.trainer.engine.contradictions import find_contradiction
from services.trainer.engine.errors import InvalidSpecError
from services.trainer.engine.files import write_durably
from services.trainer.engine.parallel import zero_config
from services.trainer.engine.spec import ALL_LINEAR, MEASURED_SCHEDULES, TrainSpec

LIMITS = {
    field.name: (field.metadata["low"], field.metadata["high"])
    for field in fields(TrainSpec)
    if "low" in field.metadata
}
"""Smallest and largest value that the engine takes, by the name that field and spec share."""


NOT_OF_ENGINE = {"max_rows", "ignore_estimate", "keep_best_checkpoints", "trackers", "tracker_project"}
"""Parameters of which the engine knows nothing."""

PREFERENCE_RATE = 5e-5
"""Usual peak learning rate of preferences: what is learned from them is small, and easily too much."""
SIMPO_BETA = 2.0
TEXT_RATE = 1e-4
"""Usual rate of adapters on plain text."""
WHOLE_RATE = 2e-5
"""Usual rate of a base's own weights; of preferences a quarter of it."""
LEAST_RATE_RATIO = 0.1
"""Where a schedule ends that cannot do without a least rate."""
_NAMES = ("lora_targets", "freeze_modules", "freeze_extra_modules", "trackers")
"""Lists of names."""


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
    """Shape of the learning rate after warm-up, by its name in transformers."""
    warmup_ratio: float = 0.05
    """Share of the steps over which the learning rate rises."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises, in place of `warmup_ratio`; 0 means that."""
    weight_decay: float = 0.0
    """Weight decay, decoupled in AdamW."""
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
    step_rows: int = 0
    """Rows of an optimizer step, in place of `accumulation` micro-batches; 0 means these."""
    cutoff_length: int = 2048
    """Longest row in tokens."""
    precision: str = "auto"
    """`auto`, `bf16`, `fp16` or `fp32`."""
    seed: int = 42
    """Seed of data order and initial weights."""
    max_rows: int = 0
    """Of the training rows only so many, from the first; 0 means all."""
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
    """`best` or `last`: of which step the adapter or model is that the run gives."""
    objective: str = "sft"
    """`sft`, `cpt`, `dpo`, `orpo`, `simpo` or `kto`: what is learned."""
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
    devices: int = 1
    """Devices of the trainer's machine among which the rows of a step are divided."""
    deepspeed_stage: int = 0
    """Stage of ZeRO; 0 means that every device has everything."""
    cpu_offload: bool = False
    """Whether the optimizer's state, and at stage 3 the weights, are kept in the machine's memory."""
    deepspeed_config: str = ""
    """DeepSpeed's own settings as JSON; empty means ours."""
    method: str = "lora"
    """`lora`, `freeze` or `full`: which weights learn."""
    freeze_layers: int = 2
    """Of `freeze`: how many of the last layers learn; below 0 so many of the first."""
    freeze_modules: tuple[str, ...] = ()
    """Of `freeze`: modules that learn within these layers; none means all."""
    freeze_extra_modules: tuple[str, ...] = ()
    """Of `freeze`: modules that learn wherever they are."""
    optimizer: str = "adamw"
    """`adamw`, `adamw_8bit`, `adafactor`, `sgd`, `rmsprop` or `adagrad`."""
    schedule_cycles: int = 1
    """Falls of the schedule `cosine_with_restarts`."""
    schedule_power: float = 1.0
    """Power of the schedule `polynomial`."""
    min_rate_ratio: float = 0.0
    """Share of the peak rate at which schedules with a least rate end."""
    decay_ratio: float = 0.1
    """Share of the steps in which `warmup_stable_decay` falls."""
    plateau_patience: int = 10
    """Measurements without a better loss before schedules that follow it lower the rate."""
    neftune_alpha: float = 0.0
    """Noise on the embeddings; 0 means none."""
    quantization_bits: int = 0
    """4, 8, or 0 for a base as it is."""
    lora_init: str = "default"
    """`default` or `pissa`: how adapters begin."""

    reasoning: str = "auto"
    """`auto`, `on` or `off`: the template's switch for reasoning, and whether thoughts stay in answers."""
    system_prompt: str = ""
    """System message of conversations that have none."""
    train_on_prompt: bool = False
    """Whether questions and system messages are learned too."""
    mask_history: bool = False
    """Whether only the last answer of a conversation is learned."""
    truncation: str = "split_turns"
    """`split_turns`, `keep_end` or `drop`: what becomes of rows that are too long."""
    packing: str = "auto"
    """`auto`, `on` or `off`: rows end to end in place of padding."""
    attention: str = "auto"
    """`auto`, `sdpa` or `eager`."""
    logits_positions: int = 2048
    """Most learned positions whose logits exist at the same time."""
    bad_step: str = "stop"
    """`stop` or `rollback`: what becomes of a step whose loss or gradient is no number, or is 0."""
    rollback_limit: int = 5
    """Failed steps after which the run fails all the same."""
    rollback_rate: float = 0.5
    """What the learning rate is multiplied by when the run goes back."""
    ignore_estimate: bool = False
    """Whether to start although the estimate says that it will not fit."""
    keep_checkpoints: int = 2
    """How many of the newest checkpoints are kept."""
    keep_best_checkpoints: int = 1
    """How many of those with the lowest validation losses are kept in the bucket beside the newest."""
    trackers: tuple[str, ...] = ()
    """`swanlab`, `mlflow`, `wandb`: experiment trackers that are told of every step."""
    tracker_project: str = ""
    """Their project; empty means `sishu`."""

    @property
    def gives_whole_model(self) -> bool:
        """Whether a run gives a model of its own, in place of an adapter."""
        return self.method != "lora"

    @property
    def measured_for(self) -> str:
        """The field because of which the run cannot do without validation rows; empty where it can."""
        if self.schedule in MEASURED_SCHEDULES:
            return "schedule"
        return "early_stop_patience" if self.early_stop_patience else ""

    @classmethod
    def of_json(cls, values: Mapping[str, object]) -> TrainingConfig:
        """The config that `as_json` wrote."""
        names: dict[str, object] = {}
        for name in _NAMES:
            given = values.get(name, [])
            assert isinstance(given, list)  # noqa: S101  # as_json writes a list
            names[name] = tuple(given)
        return cls(**{**values, **names})  # type: ignore[arg-type]

    def as_json(self) -> dict[str, object]:
        """As a jsonb value."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _NAMES}}


def resolve(given: Mapping[str, object]) -> TrainingConfig:
    """Fill what was not given with the defaults; alpha follows the rank, and the rate what is learned how.

    Raises:
        InvalidArgument: a value is out of the engine's range, or does not go with another; the message names
            the field.
    """
    config = TrainingConfig(**given)  # type: ignore[arg-type]
    usual: dict[str, object] = {"lora_alpha": 2 * config.lora_rank, "learning_rate": usual_rate(config)}
    if config.objective == "simpo":
        usual["beta"] = SIMPO_BETA
    if config.schedule.endswith("with_min_lr"):
        usual["min_rate_ratio"] = LEAST_RATE_RATIO
    config = TrainingConfig(**{**usual, **given})  # type: ignore[arg-type]
    for name, value in asdict(config).items():
        if name in LIMITS:
            check_range(name, value)
    found = find_contradiction(config, measured=None)
    if found is not None:
        raise _invalid(found.field, f"config.{found.field} {found.fault}")
    check_division(config)
    return config


def usual_rate(config: TrainingConfig) -> float:
    """The peak learning rate of a run that does not say one."""
    prefers = config.objective not in {"sft", "cpt"}
    if config.gives_whole_model:
        return WHOLE_RATE / 4 if prefers else WHOLE_RATE
    if prefers:
        return PREFERENCE_RATE
    return TEXT_RATE if config.objective == "cpt" else TrainingConfig.learning_rate


def check_division(config: TrainingConfig) -> None:
    """Refuse what DeepSpeed cannot do.

    Raises:
        InvalidArgument: two fields contradict each other, or the settings are no JSON object.
    """
    if config.deepspeed_config and not config.deepspeed_config.lstrip().startswith("{"):
        # To the engine it would be the name of a file on the trainer's machine.
        raise _invalid("deepspeed_config", "config.deepspeed_config must be a JSON object")
    try:
        zero_config.check(config)
    except InvalidSpecError as error:
        raise _invalid(str(error).partition(":")[0], f"config.{error}") from error


def _invalid(field: str, message: str) -> InvalidArgument:
    return InvalidArgument("FIELD_INVALID", message, f"training_run.config.{field}")


def check_range(name: str, value: float) -> None:
    """Hold a number against the engine's range.

    Raises:
        InvalidArgument: it is outside.
    """
    low, high = LIMITS[name]
    if not low <= value <= high:
        raise _invalid(name, f"config.{name} must be from {low:g} to {high:g}, not {value:g}")


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
        **{name: value for name, value in config.as_json().items() if name not in NOT_OF_ENGINE},
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
