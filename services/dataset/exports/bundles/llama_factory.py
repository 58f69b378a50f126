"""A `dataset_dir` of LLaMA-Factory: files, `dataset_info.json`, configurations.

Release 0.9.5: `data/parser.py`, `data/converter.py`. Where `columns` are given, those that are not are null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.dataset.exports.bundles.bundle import BASE_MODEL, Bundle, Made, Wanted, of_shape
from services.dataset.exports.bundles.yaml import yaml_of
from services.dataset.exports.options import ExportOptions

PREFIX = "sishu"
ALPACA = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
SHAREGPT_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "system_tag": "system",
}
MESSAGES = {"messages": "conversations"}
DESCRIPTIONS: Mapping[str, Mapping[str, Any]] = {
    "alpaca": {"formatting": "alpaca", "columns": ALPACA},
    "sharegpt": {"formatting": "sharegpt", "columns": MESSAGES, "tags": SHAREGPT_TAGS},
    "dpo_llama_factory_sharegpt": {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {**MESSAGES, "chosen": "chosen", "rejected": "rejected"},
        "tags": SHAREGPT_TAGS,
    },
    "kto_llama_factory_sharegpt": {
        "formatting": "sharegpt",
        "columns": {**MESSAGES, "kto_tag": "kto_tag"},
        "tags": SHAREGPT_TAGS,
    },
    "pretraining": {"formatting": "alpaca", "columns": {"prompt": "text"}},
}
"""How `dataset_info.json` describes the files of a shape."""
NAMES = {
    "alpaca": "alpaca",
    "sharegpt": "sharegpt",
    "dpo_llama_factory_sharegpt": "dpo",
    "kto_llama_factory_sharegpt": "kto",
    "pretraining": "pretraining",
}
"""What the data sets of a shape are called, behind the prefix."""
STAGES = {
    "sharegpt": "sft",
    "dpo_llama_factory_sharegpt": "dpo",
    "kto_llama_factory_sharegpt": "kto",
    "pretraining": "pt",
}
"""The stage that trains on a shape."""
LEARNING: Mapping[str, Mapping[str, object]] = {
    "sft": {"learning_rate": 1e-4},
    "dpo": {"learning_rate": 5e-6, "pref_beta": 0.1, "pref_loss": "sigmoid"},
    "kto": {"learning_rate": 5e-6, "pref_beta": 0.1},
    "pt": {"learning_rate": 1e-4},
}


def papers(made: Sequence[Made], options: ExportOptions) -> dict[str, str]:
    """`dataset_info.json`, and a configuration for every stage that there are files for."""
    found = {"dataset_info.json": json.dumps(dataset_info(made), indent=2) + "\n"}
    for shape, stage in STAGES.items():
        files = of_shape(made, shape)
        if "train" in files:
            name = f"{stage}.yaml"
            found[name] = yaml_of(
                config(shape, stage, files, options),
                f"llamafactory-cli train {name}   (in this folder; put your own model and template)",
            )
    return found


def dataset_info(made: Sequence[Made]) -> dict[str, Any]:
    """The data sets of the folder by their names."""
    return {
        dataset_name(shape, split): {"file_name": file.name, **described(shape, file)}
        for shape in DESCRIPTIONS
        for split, file in of_shape(made, shape).items()
    }


def described(shape: str, file: Made) -> dict[str, Any]:
    """What `dataset_info.json` says of a file besides its name."""
    description = dict(DESCRIPTIONS[shape])
    if shape == "alpaca" and file.examples.get("conversation"):
        description["columns"] = {**ALPACA, "history": "history"}
    return description


def dataset_name(shape: str, split: str) -> str:
    """Name of a data set."""
    parts = [PREFIX, NAMES[shape]] if split == "train" else [PREFIX, split, NAMES[shape]]
    return "_".join(parts)


def config(shape: str, stage: str, files: Mapping[str, Made], options: ExportOptions) -> dict[str, object]:
    """A configuration to start with."""
    validation = {"eval_dataset": dataset_name(shape, "validation")} if "validation" in files else {}
    evaluation = {"eval_strategy": "epoch", "per_device_eval_batch_size": 1} if validation else {}
    return {
        "model_name_or_path": BASE_MODEL,
        "stage": stage,
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": 8,
        "lora_target": "all",
        "dataset_dir": ".",
        "dataset": dataset_name(shape, "train"),
        **validation,
        "template": "qwen3" if options.reasoning == "tags" else "qwen3_nothink",
        "cutoff_len": 2048,
        "output_dir": f"output/{stage}",
        "logging_steps": 10,
        "plot_loss": True,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "num_train_epochs": 3.0,
        "lr_scheduler_type": "cosine",
        "bf16": True,
        **LEARNING[stage],
        **evaluation,
    }


BUNDLE = Bundle(
    "llama_factory",
    [Wanted(shape, "json", name, f"{name}_{{split}}") for shape, name in NAMES.items()],
    papers,
)
