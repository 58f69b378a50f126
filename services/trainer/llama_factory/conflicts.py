"""Arguments that cannot go together: those that LLaMA-Factory refuses, and those that would mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from services.trainer.llama_factory.meanings import zero_stage
from services.trainer.llama_factory.saying import Said


class Conflict(NamedTuple):
    """Two sides that exclude each other."""

    argument: str
    """Whose fault it is said to be."""
    other: str
    """Against what it stands."""
    holds: Callable[[Said], bool]
    why: str


def _zero3(said: Said) -> bool:
    return zero_stage(said) == 3


def _needs_lora(name: str) -> Conflict:
    return Conflict(
        name,
        "finetuning_type",
        lambda said: bool(said.has(name) and said[name]) and said["finetuning_type"] != "lora",
        "it belongs to finetuning_type lora; remove it, or train with lora",
    )


def _needs_sft(name: str) -> Conflict:
    return Conflict(
        name,
        "stage",
        lambda said: bool(said[name]) and said["stage"] != "sft",
        "it belongs to stage sft; remove it",
    )


CONFLICTS = (
    Conflict("fp16", "bf16", lambda said: said["fp16"] and (said["bf16"] or said["pure_bf16"]), "choose one"),
    Conflict(
        "pure_bf16",
        "deepspeed",
        lambda said: said["pure_bf16"] and _zero3(said),
        "ZeRO-3 keeps weights in fp32 beside; use bf16",
    ),
    Conflict(
        "pissa_init",
        "deepspeed",
        lambda said: said["pissa_init"] and _zero3(said),
        "PiSSA needs whole weights, which ZeRO-3 divides; use ZeRO-2, or remove pissa_init",
    ),
    Conflict(
        "pissa_init",
        "quantization_bit",
        lambda said: said["pissa_init"] and said["quantization_bit"],
        "PiSSA changes the weights that are frozen, and quantised ones cannot be changed; remove one",
    ),
    Conflict(
        "pissa_init",
        "stage",
        lambda said: (
            said["pissa_init"]
            and (said["stage"] in ("ppo", "kto") or (said["stage"] == "dpo" and _has_reference(said)))
        ),
        "PiSSA changes the base, which is the reference of this stage; remove pissa_init",
    ),
    Conflict(
        "quantization_bit",
        "finetuning_type",
        lambda said: said["quantization_bit"] and said["finetuning_type"] in ("full", "freeze"),
        "quantised weights cannot learn; use finetuning_type lora, or remove quantization_bit",
    ),
    Conflict(
        "quantization_bit",
        "deepspeed",
        lambda said: said["quantization_bit"] and _zero3(said),
        "ZeRO-3 cannot divide 4-bit weights; use ZeRO-2, or remove quantization_bit",
    ),
    Conflict(
        "use_unsloth",
        "deepspeed",
        lambda said: said["use_unsloth"] and _zero3(said),
        "Unsloth does not go with ZeRO-3; remove use_unsloth",
    ),
    *map(_needs_lora, ("use_rslora", "use_dora", "loraplus_lr_ratio", "pissa_init")),
    *map(_needs_sft, ("neat_packing", "train_on_prompt", "mask_history")),
    Conflict(
        "mask_history",
        "train_on_prompt",
        lambda said: said["mask_history"] and said["train_on_prompt"],
        "the one leaves out what the other learns; choose one",
    ),
    Conflict(
        "dpo_label_smoothing",
        "pref_loss",
        lambda said: (
            said["dpo_label_smoothing"] > 0 and said["stage"] == "dpo" and said["pref_loss"] != "sigmoid"
        ),
        "it belongs to pref_loss sigmoid; remove it",
    ),
    Conflict(
        "load_best_model_at_end",
        "stage",
        lambda said: said["load_best_model_at_end"] and said["stage"] in ("rm", "ppo"),
        "there is no validation loss in this stage; remove it",
    ),
    Conflict(
        "streaming",
        "max_steps",
        lambda said: said["streaming"] and said["max_steps"] < 1,
        "a stream has no end; give max_steps",
    ),
    Conflict(
        "streaming",
        "max_samples",
        lambda said: said["streaming"] and said.has("max_samples"),
        "a stream is not cut; remove one",
    ),
    Conflict(
        "streaming",
        "val_size",
        lambda said: said["streaming"] and 0 < said["val_size"] < 1,
        "a stream has no share; give a number of rows",
    ),
    Conflict(
        "val_size",
        "eval_dataset",
        lambda said: said["val_size"] > 0 and said.has("eval_dataset"),
        "validation rows come from one of them; remove one",
    ),
    Conflict(
        "packing",
        "stage",
        lambda said: said["packing"] and said["stage"] not in ("sft", "pt"),
        "pairs of answers are not packed into blocks; remove it",
    ),
)


def check(said: Said) -> None:
    """Note every contradiction, with the lines of both sides."""
    for conflict in CONFLICTS:
        if conflict.holds(said):
            pair = f"{conflict.argument} and {conflict.other}"
            said.fault(
                conflict.argument,
                "ARGUMENTS_CONFLICT",
                f"{pair} do not go together: {conflict.why}",
                other=conflict.other,
                why=conflict.why,
            )


def _has_reference(said: Said) -> bool:
    return said["pref_loss"] not in ("orpo", "simpo")
