"""The one input of a run: a JSON object, checked before anything heavy is imported."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from services.trainer.engine.contradictions import find_contradiction
from services.trainer.engine.errors import InvalidSpecError
from services.trainer.engine.parallel import zero_config

ALL_LINEAR = "all-linear"
MEASURED_SCHEDULES = ("reduce_lr_on_plateau", "greedy")
"""Those that follow the loss on the validation rows."""
SCHEDULES = (
    "cosine",
    "linear",
    "constant",
    "constant_with_warmup",
    "cosine_with_restarts",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "polynomial",
    "inverse_sqrt",
    "warmup_stable_decay",
    *MEASURED_SCHEDULES,
)


def _number(default: float, low: float, high: float) -> Any:
    return field(default=default, metadata={"low": low, "high": high})


def _choice(default: str, *options: str) -> Any:
    return field(default=default, metadata={"options": options})


@dataclass(frozen=True)
class TrainSpec:
    """Everything that decides what a run does."""

    run_id: str
    """Written into every event; an output folder belongs to one run."""
    base_model: Path
    """Folder with config.json, *.safetensors and a tokenizer that has a chat template."""
    train_file: Path
    """JSON Lines: {"id": str, "messages": [{"role": "system|user|assistant", "content": str}, ...]}; of cpt
    rows with a "text", or a .txt or .md file; of preferences see preferences.py."""
    output_dir: Path
    """Receives events.jsonl, checkpoints/ and adapter/; a run continues in the folder it began in."""
    validation_file: Path | None = None
    """Rows like those of train_file that are not learned: their loss is measured while the run goes on."""
    base_model_name: str = ""
    """What the adapter calls its base; empty means the name of the base_model folder, never its path."""
    method: str = _choice("lora", "lora", "freeze", "full")
    """Which weights learn: lora adapters beside the base (Hu et al., arXiv 2106.09685), freeze some of the
    base's own, full all of them. The last two give a whole model."""
    freeze_layers: int = _number(2, -10_000, 10_000)
    """Of freeze: how many of the last layers learn; below 0 so many of the first, 0 none."""
    freeze_modules: tuple[str, ...] = ()
    """Of freeze: modules that learn within these layers, such as mlp or self_attn.q_proj; none means all."""
    freeze_extra_modules: tuple[str, ...] = ()
    """Of freeze: what learns wherever it is, such as lm_head, norm or layers.3.mlp."""
    objective: str = _choice("sft", "sft", "cpt", "dpo", "orpo", "simpo", "kto")
    """What is learned: sft all answers of conversations; cpt plain text, every token of it; dpo, orpo and
    simpo the better of two answers; kto single answers that are good or bad (rows as in preferences.py)."""
    beta: float = _number(0.1, 1e-6, 100.0)
    """Of dpo and kto how dear it is to move away from the base; of simpo the scale of the reward; of orpo the
    weight of the odds ratio. SimPO wants 2 to 10, the others about 0.1."""
    simpo_gamma: float = _number(0.5, 0.0, 100.0)
    """Margin by which simpo wants the better answer to win."""
    label_smoothing: float = _number(0.0, 0.0, 0.5)
    """Of dpo and simpo: share of pairs that are taken to be labelled the wrong way round."""
    sft_weight: float = _number(0.0, 0.0, 100.0)
    """Of dpo and simpo: weight of the better answer's mean cross-entropy in the loss; orpo always has it."""
    desirable_weight: float = _number(1.0, 0.0, 100.0)
    """Weight of the good answers of kto."""
    undesirable_weight: float = _number(1.0, 0.0, 100.0)
    """Weight of the bad answers of kto."""
    lora_rank: int = _number(16, 1, 1024)
    """Inner width r of each adapter."""
    lora_alpha: int = _number(32, 1, 4096)
    """The adapter's output is scaled by alpha / rank."""
    lora_dropout: float = _number(0.0, 0.0, 0.9)
    """Share of adapter inputs zeroed in training; anything above 0 costs the fast adapter path."""
    use_rslora: bool = False
    """Scale by alpha / sqrt(rank), which suits large ranks (rsLoRA, arXiv 2312.03732)."""
    use_dora: bool = False
    """Learn the length of each row of a weight beside its direction (DoRA, arXiv 2402.09353); it costs the
    fast adapter path."""
    lora_init: str = _choice("default", "default", "pissa")
    """How adapters begin: default as nothing, pissa as the main part of the weights (arXiv 2404.02948)."""
    quantization_bits: int = field(default=0, metadata={"low": 0, "high": 8, "only": (0, 4, 8)})
    """Bits of the frozen base's weights, by bitsandbytes: 4 (QLoRA, arXiv 2305.14314) or 8; 0 leaves them."""
    loraplus_ratio: float = _number(1.0, 1e-3, 1000.0)
    """B matrices, and DoRA's lengths, learn so many times as fast as A matrices (LoRA+, arXiv 2402.12354)."""
    lora_targets: str | tuple[str, ...] = ALL_LINEAR
    """Names of the linear layers that get an adapter, or "all-linear": every one but the output head."""
    epochs: float = _number(3.0, 0.001, 1000.0)
    """Passes over the rows; a fraction stops inside an epoch."""
    max_steps: int = _number(0, 0, 100_000_000)
    """Optimizer steps; above 0 it replaces epochs."""
    learning_rate: float = _number(2e-4, 1e-8, 1.0)
    """Peak rate. LoRA wants about ten times that of full tuning; 1e-3 suits models below 0.5 B."""
    optimizer: str = _choice("adamw", "adamw", "adamw_8bit", "adafactor", "sgd", "rmsprop", "adagrad")
    """Rule of the updates. adamw_8bit (Dettmers et al., arXiv 2110.02861) needs bitsandbytes and keeps the
    moments in a byte each; adafactor (arXiv 1804.04235) only those of rows and columns; sgd none."""
    schedule: str = _choice("cosine", *SCHEDULES)
    """Shape of the rate after warm-up, by its name in transformers; cosine and linear fall towards 0, and the
    last step stays above it. reduce_lr_on_plateau and greedy follow the loss on the validation_file."""
    schedule_cycles: int = _number(1, 1, 10_000)
    """Falls of cosine_with_restarts."""
    schedule_power: float = _number(1.0, 0.01, 100.0)
    """Of polynomial: power of the share of steps that are left."""
    min_rate_ratio: float = _number(0.0, 0.0, 1.0)
    """Share of the peak rate at which the schedules that have a least rate end: cosine_with_min_lr,
    cosine_warmup_with_min_lr, polynomial, warmup_stable_decay, and the two that follow the loss."""
    decay_ratio: float = _number(0.1, 1e-6, 1.0)
    """Of warmup_stable_decay: share of the steps after the climb in which the rate falls."""
    plateau_patience: int = _number(10, 0, 100_000)
    """Of the schedules that follow the loss: measurements without a better one before the rate falls."""
    warmup_ratio: float = _number(0.05, 0.0, 0.9)
    """Share of the steps in which the rate climbs from 0."""
    warmup_steps: int = _number(0, 0, 100_000_000)
    """Steps in which the rate climbs; above 0 it replaces warmup_ratio."""
    weight_decay: float = _number(0.0, 0.0, 1.0)
    """Decay of the learned weights, decoupled in adamw; norms and biases of a base do not decay."""
    max_grad_norm: float = _number(1.0, 0.0, 1e6)
    """Gradients with a larger L2 norm are scaled down to it; 0 means no clipping."""
    neftune_alpha: float = _number(0.0, 0.0, 1000.0)
    """Noise on the embeddings while training (arXiv 2310.05914 uses 5 to 15); 0 means none."""
    batch_tokens: int = _number(1024, 1, 10_000_000)
    """Most tokens of a micro batch, padding included; one longer row makes a batch of its own."""
    micro_tokens: int = _number(0, 0, 10_000_000)
    """Most tokens that are computed at once, where memory lacks for batch_tokens: micro batches are parted,
    and the step stays the same. 0 means batch_tokens."""
    accumulation: int = _number(1, 1, 100_000)
    """Micro batches of one optimizer step."""
    step_rows: int = _number(0, 0, 100_000_000)
    """Samples of one optimizer step: a number above 0 replaces accumulation, and the step then is the same
    whatever its micro batches are."""
    packing: str = _choice("auto", "auto", "on", "off")
    """Rows of a step end to end, never seeing each other, in place of padded micro batches: the same step,
    sooner. auto packs on a CPU, and where torch has a flash kernel for it; no packing where the model cannot
    have it."""
    attention: str = _choice("auto", "auto", "sdpa", "eager")
    """Attention of the model: auto is the fastest that it has; the others are transformers' own."""
    logits_positions: int = _number(2048, 1, 10_000_000)
    """Most learned positions whose logits exist at the same time."""
    cutoff_length: int = _number(2048, 8, 10_000_000)
    """Most tokens of a row; what becomes of a longer one says `truncation`."""
    truncation: str = _choice("split_turns", "split_turns", "keep_end", "drop")
    """split_turns parts a conversation that is too long into shorter ones and leaves out a turn that is too
    long by itself; keep_end lets the oldest turns go, then the beginning of the last question; drop leaves
    the row out. The header before an answer, the answer and its end token are never cut."""
    system_prompt: str = ""
    """What rows without a system message begin with; when the model is served, requests without one too."""
    reasoning: str = _choice("auto", "auto", "on", "off")
    """on and off turn the chat template's switch for reasoning, off also takes thoughts out of the answers;
    auto leaves both as they are. A trained model is served as it was trained."""
    train_on_prompt: bool = False
    """Learn questions and system messages too, of sft."""
    mask_history: bool = False
    """Learn only the last answer of a conversation, of sft."""
    tokenizer_processes: int = _number(0, 0, 256)
    """Processes that tokenize; 0 means as many as there are cores where there are many rows."""
    precision: str = _choice("auto", "auto", "bf16", "fp16", "fp32")
    """Number format of weights and activations; auto takes bf16 where the hardware computes in it, else fp32.
    fp16, with loss scaling, is for accelerators without bf16, and works on no CPU."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: about half the memory for a third more time."""
    seed: int = _number(42, 0, 2**31 - 1)
    """Decides adapter initialisation, dropout and the order of batches."""
    checkpoint_steps: int = _number(50, 0, 100_000_000)
    """Steps between two checkpoints; 0 means none but the last, and one where a signal stops the run."""
    keep_checkpoints: int = _number(2, 1, 1000)
    """Older checkpoints are deleted; the one with the lowest validation loss stays beside them."""
    validation_steps: int = _number(0, 0, 100_000_000)
    """Steps between measurements on validation_file; 0 means once a pass. The last step always has one."""
    early_stop_patience: int = _number(0, 0, 100_000)
    """Measurements in a row that are no better than the best, after which the run ends; 0 means never."""
    early_stop_margin: float = _number(0.0, 0.0, 1000.0)
    """A validation loss is better only if it lies under the best by more than this, in nats."""
    publish: str = _choice("best", "best", "last")
    """Whose adapter the run gives: that of the lowest validation loss, or of the last step. Without a
    validation_file it is the last."""
    bad_step: str = _choice("stop", "stop", "rollback")
    """What becomes of a step whose loss or gradient is no number, or is 0, and which no weight has seen: stop
    ends the run, rollback goes back to a checkpoint with a lower rate or passes it over. See recovery.py."""
    rollback_limit: int = _number(5, 1, 1000)
    """Of bad_step rollback: failed steps after which the run ends all the same."""
    rollback_rate: float = _number(0.5, 0.001, 1.0)
    """What the learning rate is multiplied by when the run goes back."""
    threads: int = _number(0, 0, 4096)
    """CPU threads of each device's process; 0 leaves the choice to torch."""
    device: str = _choice("auto", "auto", "cpu", "cuda")
    """Where to compute; a DCU is "cuda" too."""
    devices: int = _number(1, 1, 1024)
    """Devices of this machine among which the rows of each step are divided; of a CPU, processes. Under a
    `torchrun` of your own, which may span machines, its processes count."""
    deepspeed_stage: int = _number(0, 0, 3)
    """What ZeRO (arXiv 1910.02054) divides among the devices too: 1 the optimizer's state, 2 gradients as
    well, 3 weights as well. 0 divides nothing and needs no DeepSpeed."""
    cpu_offload: bool = False
    """Keep the optimizer's state, and at stage 3 the weights, in the machine's memory; needs stage 2 or 3."""
    deepspeed_config: str = ""
    """DeepSpeed's own settings in place of ours, as a JSON object or the path of a file that has one; "auto"
    in it means ours."""

    @property
    def base_name(self) -> str:
        """The base model's name as the adapter records it."""
        return self.base_model_name or self.base_model.resolve().name


def load_spec(path: Path) -> TrainSpec:
    """Read and check a spec file. Raises InvalidSpecError with a message of one line."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidSpecError(f"{path}: not a readable JSON file: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidSpecError(f"{path}: must be a JSON object, not {type(raw).__name__}")
    try:
        return parse_spec(raw)
    except InvalidSpecError as error:
        raise InvalidSpecError(f"{path}: {error}") from error


def parse_spec(raw: dict[str, Any]) -> TrainSpec:
    """Turn a JSON object into a TrainSpec. Raises InvalidSpecError naming the field."""
    known = {each.name: each for each in fields(TrainSpec)}
    for name in raw:
        if name not in known:
            raise InvalidSpecError(f"{name}: unknown key; known keys: {', '.join(known)}")
    for name, each in known.items():
        if each.default is MISSING and name not in raw:
            raise InvalidSpecError(f"{name}: required and missing")
    spec = TrainSpec(**{name: _checked(known[name], value) for name, value in raw.items()})
    _check_paths(spec)
    contradiction = find_contradiction(spec, measured=spec.validation_file is not None)
    if contradiction is not None:
        raise InvalidSpecError(str(contradiction))
    return spec


def _checked(each: Any, value: Any) -> Any:
    """Return `value` in the field's type; types are compared by name, as annotations are strings here."""
    name, kind = each.name, each.type
    if kind == "bool":
        return _typed(name, value, isinstance(value, bool), "true or false")
    if kind in ("int", "float"):
        return _checked_number(each, value)
    if kind == "Path | None" and value is None:
        return None
    if kind == "str | tuple[str, ...]" and value == ALL_LINEAR:
        return ALL_LINEAR
    if kind.endswith("tuple[str, ...]"):
        return _checked_names(name, value, may_be_empty=kind == "tuple[str, ...]")
    _typed(name, value, isinstance(value, str), "a string")
    options = each.metadata.get("options")
    if options and value not in options:
        raise InvalidSpecError(f"{name}: must be one of {', '.join(options)}, not {value!r}")
    if (each.default is MISSING or kind.startswith("Path")) and not value.strip():
        raise InvalidSpecError(f"{name}: must not be empty")
    return Path(value) if kind.startswith("Path") else value


def _typed(name: str, value: Any, right: bool, wanted: str) -> Any:
    if not right:
        raise InvalidSpecError(f"{name}: must be {wanted}, not {json.dumps(value)[:80]}")
    return value


def _checked_number(each: Any, value: Any) -> float:
    whole = each.type == "int"
    right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    _typed(each.name, value, right, "a whole number" if whole else "a number")
    low, high = each.metadata["low"], each.metadata["high"]
    only = each.metadata.get("only")
    if only and value not in only:
        raise InvalidSpecError(f"{each.name}: must be one of {', '.join(map(str, only))}, not {value}")
    if not math.isfinite(value) or not low <= value <= high:
        raise InvalidSpecError(f"{each.name}: must be from {low:g} to {high:g}, not {value:g}")
    return value if whole else float(value)


def _checked_names(name: str, value: Any, *, may_be_empty: bool) -> tuple[str, ...]:
    right = isinstance(value, list) and all(isinstance(each, str) and each for each in value)
    wanted = "a list of names" if may_be_empty else f'"{ALL_LINEAR}" or a list of layer names'
    _typed(name, value, right and (may_be_empty or bool(value)), wanted)
    return tuple(value)


def _check_paths(spec: TrainSpec) -> None:
    if not (spec.base_model / "config.json").is_file():
        raise InvalidSpecError(f"base_model: no config.json in the folder {spec.base_model}")
    if not spec.train_file.is_file():
        raise InvalidSpecError(f"train_file: no such file: {spec.train_file}")
    if spec.validation_file is not None and not spec.validation_file.is_file():
        raise InvalidSpecError(f"validation_file: no such file: {spec.validation_file}")
    if spec.validation_file is None and spec.early_stop_patience:
        raise InvalidSpecError("early_stop_patience: needs a validation_file; give one, or 0")
    zero_config.check(spec)
    if spec.output_dir.exists() and not spec.output_dir.is_dir():
        raise InvalidSpecError(f"output_dir: is not a folder: {spec.output_dir}")
