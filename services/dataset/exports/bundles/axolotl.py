"""Files and configurations for Axolotl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.dataset.exports.bundles.bundle import BASE_MODEL, Bundle, Made, Wanted, of_shape
from services.dataset.exports.bundles.yaml import yaml_of
from services.dataset.exports.options import ExportOptions

NAMES = {"openai": "sft", "dpo_axolotl": "dpo", "pretraining": "pretraining"}
READ: Mapping[str, Mapping[str, object]] = {
    "openai": {"type": "chat_template", "field_messages": "messages"},
    "dpo_axolotl": {
        "type": "chat_template.default",
        "field_messages": "messages",
        "field_chosen": "chosen",
        "field_rejected": "rejected",
    },
    "pretraining": {"type": "completion", "field": "text"},
}
"""How Axolotl is told to read a shape."""
LEARNING: Mapping[str, Mapping[str, object]] = {
    "openai": {"learning_rate": 2e-4},
    "dpo_axolotl": {"rl": "dpo", "learning_rate": 5e-6},
    "pretraining": {"learning_rate": 1e-4},
}


def papers(made: Sequence[Made], options: ExportOptions) -> dict[str, str]:  # noqa: ARG001  # bundles have one form
    """A configuration for every shape that there are files of."""
    found = {}
    for shape, name in NAMES.items():
        files = of_shape(made, shape)
        if "train" in files:
            command = f"axolotl train {name}.yaml"
            found[f"{name}.yaml"] = yaml_of(
                config(shape, name, files), f"{command}   (in this folder; put your own model)"
            )
    return found


def config(shape: str, name: str, files: Mapping[str, Made]) -> dict[str, object]:
    """A configuration to start with."""
    tests = {"test_datasets": [source(shape, files["validation"])]} if "validation" in files else {}
    return {
        "base_model": BASE_MODEL,
        "datasets": [source(shape, files["train"])],
        **tests,
        "chat_template": "tokenizer_default",
        "adapter": "lora",
        "lora_r": 16,
        "lora_alpha": 32,
        "lora_target_linear": True,
        "sequence_len": 2048,
        "output_dir": f"output/{name}",
        "micro_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "num_epochs": 3,
        "optimizer": "adamw_torch",
        "lr_scheduler": "cosine",
        "bf16": "auto",
        **LEARNING[shape],
    }


def source(shape: str, file: Made) -> dict[str, object]:
    """A file as a configuration names it."""
    kind = "parquet" if file.name.endswith(".parquet") else "json"
    split = "train"  # a file by itself is loaded as that, whatever it holds
    return {"path": file.name, "ds_type": kind, "split": split, **READ[shape]}


BUNDLE = Bundle(
    "axolotl",
    [Wanted(shape, "jsonl", name, f"{name}_{{split}}") for shape, name in NAMES.items()],
    papers,
)
