"""What each trainer is told: the same LoRA, rows, passes and tokens a step, and its own way of batching."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.bench.peers_environments import CACHE, environment
from tests.bench.training_rows import Rows

LLAMAFACTORY, TRL = "0.9.5", "1.16.0"
RANK, ALPHA, LEARNING_RATE, EPOCHS = 16, 32, 5e-4, 1.0
STEP_TOKENS, CUTOFF = 1024, 512
_WEIGHTS = "model.safetensors"
STEP_ROWS = 8
"""Of about a hundred tokens each, with padding about as many tokens as STEP_TOKENS."""


@dataclass(frozen=True)
class Setting:
    """A way to run LLaMA-Factory or TRL.

    Args:
        name: in the figures.
        arguments: what is set beside what all settings have in common.
        precision: that it computes in, and of the weights that it is given.
        tried: whether it may be the peer's best; its default stands for itself.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    precision: str = "fp32"
    tried: bool = True


def _rows(rows: int, **more: Any) -> dict[str, Any]:
    """Micro batches of so many rows, STEP_ROWS a step, activations kept."""
    return {
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": STEP_ROWS // rows,
        "disable_gradient_checkpointing": True,
        **more,
    }


_BY_LENGTH = {"train_sampling_strategy": "group_by_length"}
_BF16 = {"bf16": True, "use_cpu": True}
_PACKED = {"packing": True, "cutoff_len": CUTOFF, "gradient_accumulation_steps": STEP_TOKENS // CUTOFF}
LLAMAFACTORY_SETTINGS = (
    # Its own: batches of 8, no accumulation, activations recomputed, fp32.
    Setting("default", tried=False),
    Setting("rows_1", _rows(1)),
    Setting("rows_4_by_length", _rows(4, **_BY_LENGTH)),
    Setting("rows_8_by_length", _rows(8, **_BY_LENGTH)),
    Setting("neat_packing", _rows(1, **_PACKED, neat_packing=True)),
    Setting("rows_1_bf16", _rows(1, **_BF16), "bf16"),
    Setting("rows_8_by_length_bf16", _rows(8, **_BY_LENGTH, **_BF16), "bf16"),
)


def llamafactory_python() -> Path:
    """The Python of LLaMA-Factory, with the torch that the engine has. Raises PeerError.

    It imports torchaudio for speech, whose newest release is for an older torch: for text a stub will do, and
    nothing does for the torchvision of images.
    """
    packages = [f"llamafactory=={LLAMAFACTORY}", _torch()]
    folder = CACHE / f"llamafactory-{LLAMAFACTORY}"
    return environment(folder, packages, without=["torchaudio", "torchvision"], stubs=["torchaudio"])


def trl_python() -> Path:
    """The Python of TRL, with the torch that the engine has. Raises PeerError."""
    return environment(CACHE / f"trl-{TRL}", [f"trl=={TRL}", "peft", _torch()])


def _torch() -> str:
    return f"torch=={torch.__version__.partition('+')[0]}"


def llamafactory_arguments(setting: Setting, model: Path, rows: Rows, output: Path) -> dict[str, Any]:
    """What `llamafactory-cli train` would be given."""
    common = {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": model,
        "dataset": "rows",
        "dataset_dir": rows.dataset_info.parent,
        "template": "smollm2",
        "finetuning_type": "lora",
        "lora_rank": RANK,
        "lora_alpha": ALPHA,
        "lora_target": "all",
        "cutoff_len": CUTOFF,
        "output_dir": output,
        "num_train_epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "cosine",
        **_quiet(),
    }
    return {name: _plain(value) for name, value in (common | setting.arguments).items()}


def trl_arguments(model: Path, rows: Rows, output: Path) -> dict[str, Any]:
    """What `peers_trl` takes: packing in steps of STEP_TOKENS."""
    arguments = {
        "output_dir": str(output),
        "num_train_epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "cosine",
        "max_length": CUTOFF,
        "packing": True,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": STEP_TOKENS // CUTOFF,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        **_quiet(),
    }
    lora = {"r": RANK, "lora_alpha": ALPHA, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    return {"model": str(model), "rows": str(rows.completions), "arguments": arguments, "lora": lora}


def in_fp32(model: Path, folder: Path) -> Path:
    """A copy of a model of one weight file, in fp32.

    Peers load weights in the format of the file, whatever precision is asked for. Without bf16 in hardware a
    file in bf16 makes them many times slower, for which nobody would take them.
    """
    shutil.copytree(model, folder)
    weights = {name: weight.float() for name, weight in load_file(folder / _WEIGHTS).items()}
    save_file(weights, folder / _WEIGHTS, {"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float32"}), encoding="utf-8")
    return folder


def engine_spec(model: Path, rows: Rows, precision: str) -> dict[str, Any]:
    """The engine's spec, less its run and folder."""
    return {
        "base_model": str(model),
        "train_file": str(rows.messages),
        "lora_rank": RANK,
        "lora_alpha": ALPHA,
        "epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "warmup_ratio": 0.0,
        "batch_tokens": STEP_TOKENS,
        "cutoff_length": CUTOFF,
        "precision": precision,
        "checkpoint_steps": 0,
    }


def _quiet() -> dict[str, Any]:
    return {"save_strategy": "no", "report_to": "none", "logging_steps": 1000, "disable_tqdm": True}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
