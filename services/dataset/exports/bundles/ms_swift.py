"""Files and configurations for ms-swift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.dataset.exports.bundles.bundle import BASE_MODEL, Bundle, Made, Wanted, of_shape
from services.dataset.exports.bundles.yaml import yaml_of
from services.dataset.exports.options import ExportOptions

NAMES = {"openai": "sft", "dpo_ms_swift": "dpo", "kto_ms_swift": "kto", "pretraining_ms_swift": "pretraining"}
COMMANDS = {"sft": "sft", "dpo": "rlhf", "kto": "rlhf", "pretraining": "pt"}
LEARNING: Mapping[str, Mapping[str, object]] = {
    "sft": {"learning_rate": 1e-4},
    "dpo": {"rlhf_type": "dpo", "learning_rate": 5e-6},
    "kto": {"rlhf_type": "kto", "learning_rate": 5e-6},
    "pretraining": {"learning_rate": 1e-4},
}


def papers(made: Sequence[Made], options: ExportOptions) -> dict[str, str]:  # noqa: ARG001  # bundles have one form
    """A configuration for every shape that there are files of."""
    found = {}
    for shape, name in NAMES.items():
        files = of_shape(made, shape)
        if "train" in files:
            command = f"swift {COMMANDS[name]} --config {name}.yaml"
            found[f"{name}.yaml"] = yaml_of(
                config(name, files), f"{command}   (in this folder; put your own model)"
            )
    return found


def config(name: str, files: Mapping[str, Made]) -> dict[str, object]:
    """A configuration to start with."""
    validation = {"val_dataset": [files["validation"].name]} if "validation" in files else {}
    return {
        "model": BASE_MODEL,
        "dataset": [files["train"].name],
        **validation,
        "tuner_type": "lora",
        "lora_rank": 8,
        "lora_alpha": 32,
        "target_modules": ["all-linear"],
        "torch_dtype": "bfloat16",
        "max_length": 2048,
        "output_dir": f"output/{name}",
        "num_train_epochs": 3,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "logging_steps": 10,
        **LEARNING[name],
    }


BUNDLE = Bundle(
    "ms_swift",
    [Wanted(shape, "jsonl", name, f"{name}_{{split}}") for shape, name in NAMES.items()],
    papers,
    file_types=("jsonl", "json"),
)
