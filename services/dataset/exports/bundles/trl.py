"""Files and configurations for TRL's commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.dataset.exports.bundles.bundle import BASE_MODEL, Bundle, Made, Wanted, of_shape
from services.dataset.exports.bundles.yaml import yaml_of
from services.dataset.exports.options import ExportOptions

COMMANDS = {"openai": "sft", "dpo_trl": "dpo", "kto_trl": "kto", "pretraining": "sft"}
"""The command that trains on a shape."""
NAMES = {"openai": "sft", "dpo_trl": "dpo", "kto_trl": "kto", "pretraining": "pretraining"}
RATES = {"sft": 2e-4, "dpo": 5e-6, "kto": 5e-6, "pretraining": 1e-4}


def papers(made: Sequence[Made], options: ExportOptions) -> dict[str, str]:  # noqa: ARG001  # bundles have one form
    """A configuration for every shape that there are files of."""
    found = {}
    for shape, name in NAMES.items():
        files = of_shape(made, shape)
        if "train" in files:
            command = f"trl {COMMANDS[shape]} --config {name}.yaml"
            found[f"{name}.yaml"] = yaml_of(
                config(name, files), f"{command}   (in this folder; put your own model)"
            )
    return found


def config(name: str, files: Mapping[str, Made]) -> dict[str, object]:
    """A configuration to start with."""
    train = files["train"]
    kind = "parquet" if train.name.endswith(".parquet") else "json"
    return {
        "model_name_or_path": BASE_MODEL,
        "datasets": [{"path": kind, "data_files": {"train": train.name}, "split": "train"}],
        "output_dir": f"output/{name}",
        "learning_rate": RATES[name],
        "num_train_epochs": 3.0,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "gradient_checkpointing": True,
        "max_length": 2048,
        "logging_steps": 10,
        "use_peft": True,
        "lora_r": 16,
        "lora_alpha": 32,
        "lora_target_modules": "all-linear",
    }


BUNDLE = Bundle(
    "trl",
    [Wanted(shape, "jsonl", name, f"{name}_{{split}}") for shape, name in NAMES.items()],
    papers,
)
