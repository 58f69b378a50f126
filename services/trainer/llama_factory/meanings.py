"""What several arguments mean together, in fields of `TrainingConfig`."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from services.trainer.llama_factory.arguments import ARGUMENTS
from services.trainer.llama_factory.saying import FIELDS, OPTIONS, Said
from services.trainer.training_config import LIMITS

OF_LORA = {"lora_rank", "lora_dropout", "use_rslora", "use_dora", "loraplus_lr_ratio"}
OF_STAGE = {"simpo_gamma": "dpo", "kto_chosen_weight": "kto", "kto_rejected_weight": "kto"}
"""Arguments that count in one stage only, as their defaults do."""
DETAILS = {"min_lr_rate": "min_rate_ratio", "power": "schedule_power"}
ADAMW = {"adamw", "adamw_hf", "adamw_torch", "adamw_torch_fused", "adamw_torch_npu_fused", "adamw_apex_fused"}
ADAMW_8BIT = {"adamw_8bit", "adamw_bnb_8bit"}
TRACKERS = ("swanlab", "mlflow", "wandb")
LONGEST_PROJECT = 100
"""Characters of a tracker's project."""
GIVEN_CONFIGS = re.compile(r"(?:.*/)?ds_z([023])(_offload)?_config\.json")
"""The DeepSpeed configs that come with LLaMA-Factory."""


def tell(said: Said, devices: int) -> None:
    """Put everything that a file says into fields."""
    _same(said)
    for part in (
        _objective,
        _weights,
        _rate,
        _length,
        _precision,
        _memory,
        _measuring,
        _keeping,
        _tracking,
        _seed,
    ):
        part(said)
    _batch(said, devices)
    _deepspeed(said)


def _same(said: Said) -> None:
    lora = said["finetuning_type"] == "lora"
    for name, argument in ARGUMENTS.items():
        elsewhere = (name in OF_LORA and not lora) or OF_STAGE.get(name, said["stage"]) != said["stage"]
        if argument.field and not elsewhere:
            said.put(argument.field, said[name], name, implied=argument.usual)


def _objective(said: Said) -> None:
    stage, loss = said["stage"], said["pref_loss"]
    if stage == "dpo":
        said.put("objective", "dpo" if loss == "sigmoid" else loss, "pref_loss", implied="")
    else:
        said.put("objective", {"pt": "cpt"}.get(stage, stage), "stage", implied="")
    if stage not in ("dpo", "kto"):
        return
    said.put("beta", said["pref_beta"], "pref_beta")
    if stage == "dpo" and loss == "sigmoid":
        said.put("label_smoothing", said["dpo_label_smoothing"], "dpo_label_smoothing")
    if stage == "dpo" and loss in ("sigmoid", "simpo"):
        said.put("sft_weight", said["pref_ftx"], "pref_ftx")
    elif said["pref_ftx"] > 0:
        said.lack("pref_ftx", "", "orpo has its own supervised part, kto has none; remove it")


def _weights(said: Said) -> None:
    method = said["finetuning_type"]
    said.put("method", method, "finetuning_type", implied="lora")
    if method == "lora":
        targets = said["lora_target"]
        said.put("lora_targets", () if targets == ("all",) else targets, "lora_target")
        alpha = said["lora_alpha"] if said.has("lora_alpha") else max(1, 2 * said["lora_rank"])
        said.put("lora_alpha", alpha, "lora_alpha" if said.has("lora_alpha") else "lora_rank")
        said.put("lora_init", "pissa" if said["pissa_init"] else "default", "pissa_init", implied="default")
    if method == "freeze":
        said.put("freeze_layers", said["freeze_trainable_layers"], "freeze_trainable_layers")
        modules = said["freeze_trainable_modules"]
        chosen = () if modules == ("all",) else modules
        said.put("freeze_modules", chosen, "freeze_trainable_modules", implied=())
        said.put("freeze_extra_modules", said["freeze_extra_modules"], "freeze_extra_modules", implied=())
    if said["quantization_bit"] and said["quantization_method"] not in (None, "bnb", "bitsandbytes"):
        said.lack("quantization_method", said["quantization_method"], "bnb is")


def _rate(said: Said) -> None:
    schedule, optimizer = said["lr_scheduler_type"], said["optim"]
    climbs = schedule != "constant"
    if schedule not in OPTIONS["schedule"] and schedule == "constant_with_warmup":
        schedule = "constant"
    said.put("schedule", schedule, "lr_scheduler_type")
    steps, ratio = said["warmup_steps"], said["warmup_ratio"]
    if 0 < steps < 1:
        # Newer releases of transformers take a share here.
        steps, ratio = 0, steps
    said.put("warmup_ratio", ratio if climbs else 0.0, "warmup_ratio")
    said.put("warmup_steps", int(steps) if climbs else 0, "warmup_steps", implied=0)
    _details(said)
    optimizer = "adamw" if optimizer in ADAMW else "adamw_8bit" if optimizer in ADAMW_8BIT else optimizer
    said.put("optimizer", optimizer, "optim", implied="adamw")


def _details(said: Said) -> None:
    """Details of a schedule, by the names that transformers gives them."""
    for name, value in (said["lr_scheduler_kwargs"] or {}).items():
        if name == "min_lr":
            said.put("min_rate_ratio", value / said["learning_rate"], "lr_scheduler_kwargs")
        elif name == "num_cycles":
            said.put("schedule_cycles", int(value), "lr_scheduler_kwargs")
        elif name in DETAILS:
            said.put(DETAILS[name], value, "lr_scheduler_kwargs")
        else:
            said.lack("lr_scheduler_kwargs", name, "there are min_lr, min_lr_rate, num_cycles and power")


def _length(said: Said) -> None:
    said.put("max_steps", max(0, said["max_steps"]), "max_steps")
    if said.has("enable_thinking"):
        said.put("reasoning", "on" if said["enable_thinking"] else "off", "enable_thinking", implied="on")


def _precision(said: Said) -> None:
    half = "bf16" if said["bf16"] or said["pure_bf16"] else "fp16" if said["fp16"] else "auto"
    said.put("precision", half, "fp16" if half == "fp16" else "bf16")


def _memory(said: Said) -> None:
    """Recomputing is left to the engine unless the file speaks of it."""
    if said["gradient_checkpointing"]:
        said.put("gradient_checkpointing", True, "gradient_checkpointing")
    elif said["disable_gradient_checkpointing"]:
        said.put("gradient_checkpointing", False, "disable_gradient_checkpointing")


def _measuring(said: Said) -> None:
    strategy = said["eval_strategy"] if said.has("eval_strategy") else said["evaluation_strategy"]
    if strategy == "steps":
        _whole_steps(said, "validation_steps", "eval_steps" if said.has("eval_steps") else "logging_steps")
    if said.has("early_stopping_steps"):
        said.put("early_stop_patience", said["early_stopping_steps"], "early_stopping_steps")
    best = said["load_best_model_at_end"] or said.has("early_stopping_steps")
    said.put("publish", "best" if best else "last", "load_best_model_at_end")


def _keeping(said: Said) -> None:
    strategy = said["save_strategy"]
    if strategy == "no":
        said.put("checkpoint_steps", 0, "save_strategy")
    elif strategy == "steps":
        _whole_steps(said, "checkpoint_steps", "save_steps")
    limit = said["save_total_limit"]
    # There as here 0 and less limit nothing.
    if limit is not None:
        most = int(LIMITS["keep_checkpoints"][1])
        said.put("keep_checkpoints", min(limit, most) if limit > 0 else most, "save_total_limit")


def _tracking(said: Said) -> None:
    """Trackers that the service knows; of others the note of `report_to` says that they are told nothing."""
    named = said["report_to"]
    if "all" in named:
        said.lack("report_to", "all", f"name those that are meant, of {', '.join(TRACKERS)}")
        return
    chosen = [tracker for tracker in TRACKERS if tracker in named]
    if said["use_swanlab"]:
        chosen = list(dict.fromkeys([*chosen, "swanlab"]))
        if len(said["swanlab_project"]) > LONGEST_PROJECT:
            said.refuse("swanlab_project", f"must have {LONGEST_PROJECT} characters at most")
            return
        said.put("tracker_project", said["swanlab_project"], "swanlab_project")
    if chosen:
        said.put("trackers", tuple(chosen), "report_to" if said.has("report_to") else "use_swanlab")


def _whole_steps(said: Said, field: str, name: str) -> None:
    if said[name] < 1 or not said[name].is_integer():
        said.refuse(name, f"must be a whole number of steps, not {said[name]:g}")
    else:
        said.put(field, int(said[name]), name)


def _seed(said: Said) -> None:
    if said.has("data_seed") and said["data_seed"] != said["seed"]:
        said.lack("data_seed", str(said["data_seed"]), "one `seed` decides everything; remove it")
    if not said["do_train"]:
        said.lack("do_train", "false", "a training run trains; set it to true, or use `sishu exam create`")


def _batch(said: Said, devices: int) -> None:
    """A step has as many rows as it would have there; where rows are packed, as many tokens."""
    rows, times = said["per_device_train_batch_size"], said["gradient_accumulation_steps"]
    for name in ("per_device_train_batch_size", "gradient_accumulation_steps"):
        if said[name] < 1:
            said.refuse(name, f"must be 1 at least, not {said[name]}")
            return
    said.put("devices", devices, "per_device_train_batch_size", implied=1)
    said.put("batch_tokens", rows * said["cutoff_len"], "per_device_train_batch_size")
    if packs(said):
        said.put("accumulation", times * devices, "gradient_accumulation_steps")
        if "packing" in FIELDS and said["stage"] != "pt":
            said.put("packing", "on", "packing")
    else:
        said.put("step_rows", rows * times * devices, "per_device_train_batch_size")


def packs(said: Said) -> bool:
    """Whether rows are laid end to end, as they are in pre-training unless it is said otherwise."""
    implied = said["stage"] == "pt" and not said.has("packing")
    return bool(said["packing"] or said["neat_packing"] or implied)


def _deepspeed(said: Said) -> None:
    if not said.has("deepspeed"):
        return
    stage = zero_stage(said)
    if stage is None:
        instead = "name one of LLaMA-Factory's own (ds_z0, ds_z2, ds_z3), or write its content in its place"
        said.lack("deepspeed", "", instead)
        return
    said.put("deepspeed_stage", stage, "deepspeed", implied=-1)
    value = said["deepspeed"]
    if isinstance(value, dict):
        said.put("deepspeed_config", json.dumps(plain(value)), "deepspeed")
    elif "_offload" in value:
        said.put("cpu_offload", True, "deepspeed", implied=False)


def zero_stage(said: Said) -> int | None:
    """DeepSpeed's stage, where the file speaks of it."""
    value = said["deepspeed"]
    if isinstance(value, dict):
        zero = plain(value).get("zero_optimization", {})
        stage = zero.get("stage", 0) if isinstance(zero, dict) else None
        return stage if isinstance(stage, int) else None
    found = GIVEN_CONFIGS.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) if found else None


def plain(value: Any) -> Any:
    """A written value as JSON would have it."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if value is None:
        return None
    if isinstance(value, list):
        return [plain(each) for each in value]
    for read in (json.loads, float):
        with suppress(ValueError):
            return read(value.lower())
    return value
