"""What DeepSpeed is told: a config of ours, or the user's own with the words `auto` filled in.

Batch sizes in it would say which rows a step has; that is said by `batch_tokens` and `accumulation`, for any
number of devices. The loop steps DeepSpeed itself, so for DeepSpeed each micro batch is a batch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from services.trainer.engine.errors import InvalidSpecError

if TYPE_CHECKING:
    from services.trainer.engine.spec import TrainSpec


class Asked(Protocol):
    """What decides whether ZeRO can do what is asked."""

    @property
    def deepspeed_stage(self) -> int:
        """0 to 3."""

    @property
    def cpu_offload(self) -> bool:
        """Whether the machine's memory is used."""

    @property
    def deepspeed_config(self) -> str:
        """JSON, or the path of a file that has it; empty means ours."""

    @property
    def optimizer(self) -> str:
        """The optimizer's name."""

    @property
    def quantization_bits(self) -> int:
        """Of the base's weights; 0 leaves them as they are."""

    @property
    def use_dora(self) -> bool:
        """Whether adapters are DoRA's."""


AUTO = "auto"
_BATCHES = {"train_batch_size": None, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 1}
"""Names of the batch sizes, and what they are here; nothing where it follows from the others."""
_NOT_OURS = ("optimizer", "scheduler", "amp", "pipeline", "tensor_parallel", "sequence_parallel_size")
_LOSS_SCALE = {
    "loss_scale": 0,
    "initial_scale_power": 16,
    "loss_scale_window": 1000,
    # Each step that overflows is done again: with 1 each time at half the scale.
    "hysteresis": 1,
    "min_loss_scale": 1,
}
"""DeepSpeed's own loss scaling for fp16; 0 lets it follow the gradients."""
_LARGEST_BUCKET = 500_000_000
_SMALLEST_BUCKET = 1_000_000


def check(spec: Asked) -> None:
    """Refuse what DeepSpeed cannot do, or what two fields say differently. Raises InvalidSpecError."""
    stage = stage_of(spec)
    if spec.cpu_offload and spec.deepspeed_config:
        raise InvalidSpecError("cpu_offload: not beside a deepspeed_config; say it there")
    if spec.cpu_offload and stage < 2:
        raise InvalidSpecError("cpu_offload: needs deepspeed_stage 2 or 3")
    if stage:
        _check_with_zero(spec, stage)


def _check_with_zero(spec: Asked, stage: int) -> None:
    if spec.optimizer == "adafactor":
        raise InvalidSpecError(
            "optimizer: adafactor looks at rows and columns, and deepspeed_stage divides weights into flat "
            "pieces; use adamw, adamw_8bit, sgd, rmsprop or adagrad"
        )
    if stage == 3 and spec.use_dora:
        raise InvalidSpecError("use_dora: needs whole weights, which deepspeed_stage 3 divides; use stage 2")
    if stage == 3 and spec.quantization_bits:
        raise InvalidSpecError(
            f"quantization_bits: {spec.quantization_bits} bits are packed by bitsandbytes, and cannot be "
            "divided by deepspeed_stage 3; use stage 2, or 0"
        )


def stage_of(spec: Asked) -> int:
    """The stage of ZeRO (Rajbhandari et al., arXiv 1910.02054); 0 means that every device has everything."""
    if not spec.deepspeed_config:
        return spec.deepspeed_stage
    stage = _read(spec.deepspeed_config).get("zero_optimization", {}).get("stage", 0)
    if stage not in (0, 1, 2, 3):
        raise InvalidSpecError(f"deepspeed_config: zero_optimization.stage must be 0 to 3, not {stage!r}")
    if spec.deepspeed_stage not in (0, stage):
        raise InvalidSpecError(
            f"deepspeed_stage: is {spec.deepspeed_stage}, but deepspeed_config says {stage}; leave one out"
        )
    return int(stage)


def config_of(spec: TrainSpec, precision: str, learned: int = 0) -> dict[str, Any]:
    """What `deepspeed.initialize` takes.

    Args:
        spec: of a run with stage 1 to 3.
        precision: `bf16`, `fp16` or `fp32`.
        learned: number of trained weights, where it is known already.
    """
    ours = _generated(spec, precision, learned)
    if not spec.deepspeed_config:
        return ours
    given = _read(spec.deepspeed_config)
    _refuse(given, precision)
    merged = {**ours, **_filled(given, ours)}
    merged["fp16"] = {**merged["fp16"], "hysteresis": _LOSS_SCALE["hysteresis"]}
    # It carries the loop's way of stepping, whatever the file says.
    return {**merged, **{name: size for name, size in _BATCHES.items() if size}, "steps_per_print": 2**31}


def _generated(spec: TrainSpec, precision: str, learned: int) -> dict[str, Any]:
    hidden, widest = _widths(spec.base_model)
    # Buffers of this size are allocated at once; more than all gradients would be a waste.
    bucket = min(_LARGEST_BUCKET, max(_SMALLEST_BUCKET, learned))
    stage = spec.deepspeed_stage or stage_of(spec)
    zero: dict[str, Any] = {
        "stage": stage,
        "overlap_comm": False,
        "contiguous_gradients": True,
        "reduce_scatter": True,
        "reduce_bucket_size": bucket,
        "allgather_bucket_size": bucket,
    }
    if stage == 3:
        # Adapters stay whole on every device: gathered one by one they cost more time than memory.
        stays = spec.lora_rank * widest if spec.method == "lora" else 0
        zero |= {
            "sub_group_size": 1_000_000_000,
            "stage3_prefetch_bucket_size": max(50_000_000, hidden * hidden),
            "stage3_param_persistence_threshold": max(10 * hidden, stays),
            "stage3_max_live_parameters": 1_000_000_000,
            "stage3_max_reuse_distance": 1_000_000_000,
        }
    if spec.cpu_offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
        if stage == 3:
            zero["offload_param"] = {"device": "cpu", "pin_memory": True}
    return {
        **{name: size for name, size in _BATCHES.items() if size},
        "gradient_clipping": spec.max_grad_norm,
        "steps_per_print": 2**31,
        "bf16": {"enabled": precision == "bf16"},
        "fp16": {"enabled": precision == "fp16", **_LOSS_SCALE},
        "zero_optimization": zero,
        # The optimizer is the run's own.
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }


def _refuse(given: dict[str, Any], precision: str) -> None:
    for name in _NOT_OURS:
        if given.get(name):
            raise InvalidSpecError(f"deepspeed_config: {name} is the run's own; delete it there")
    for name in _BATCHES:
        if given.get(name, AUTO) != AUTO:
            raise InvalidSpecError(
                f'deepspeed_config: {name} must be "auto"; batch_tokens and accumulation say it here'
            )
    for kind in ("bf16", "fp16"):
        wanted = given.get(kind, {}).get("enabled", AUTO)
        if wanted not in (AUTO, kind == precision):
            raise InvalidSpecError(
                f"deepspeed_config: {kind}.enabled is {json.dumps(wanted)}, but the run computes in "
                f'{precision}; use "auto"'
            )


def _filled(given: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """The given settings with ours in place of `auto`; where we have none, DeepSpeed chooses."""
    filled: dict[str, Any] = {}
    for name, value in given.items():
        mine = ours.get(name)
        if isinstance(value, dict):
            filled[name] = _filled(value, mine if isinstance(mine, dict) else {})
        elif value != AUTO:
            filled[name] = value
        elif mine is not None:
            filled[name] = mine
    return filled


def _read(text: str) -> dict[str, Any]:
    inline = text.lstrip().startswith("{")
    try:
        found = json.loads(text if inline else Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        place = "the text" if inline else text
        raise InvalidSpecError(f"deepspeed_config: {place} is not readable JSON: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("zero_optimization", {}), dict):
        raise InvalidSpecError("deepspeed_config: must be a JSON object as DeepSpeed takes it")
    return found


def _widths(folder: Path) -> tuple[int, int]:
    """The model's hidden size, and the largest side of its linear layers but the head."""
    config = json.loads((folder / "config.json").read_bytes())
    config = config.get("text_config", config)
    hidden = int(config.get("hidden_size", 4096))
    return hidden, max(hidden, int(config.get("intermediate_size", 4 * hidden)))
