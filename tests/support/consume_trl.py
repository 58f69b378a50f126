"""Data sets as `datasets` and TRL load them; run by their own Python: `consume_trl.py TASKS ANSWER`.

A task is `{"path", "data_files", "split"}` with further arguments of `load_dataset`; its answer
`{"rows", "columns", "conversational", "templated"}`: the rows, their columns, whether TRL takes them for conversations,
and what its `apply_chat_template` makes of them. A task may be `{"config": path, "command": sft, dpo or kto}`, whose
answer is the number of rows that the configuration leads to.
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from datasets import load_dataset
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from trl import (
    DatasetMixtureConfig,
    DPOConfig,
    KTOConfig,
    ModelConfig,
    ScriptArguments,
    SFTConfig,
    TrlParser,
    get_dataset,
)
from trl.data_utils import apply_chat_template, is_conversational

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONFIGS = {"sft": SFTConfig, "dpo": DPOConfig, "kto": KTOConfig}
SHAPES = [
    {"messages"},
    {"prompt", "chosen", "rejected"},
    {"prompt", "completion", "label"},
]
"""Columns of TRL's conversations."""


def load(task):
    """What they make of files."""
    task = dict(task)
    templating = task.pop("templating", True)
    found = load_dataset(**task)
    rows = list(found)
    conversational = bool(rows) and is_conversational(rows[0])
    templated = []
    if conversational and templating and set(found.column_names) in SHAPES:
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"x": 0})))
        tokenizer.chat_template = CHATML
        templated = [apply_chat_template(row, tokenizer) for row in rows]
    return {
        "rows": rows,
        "columns": found.column_names,
        "conversational": conversational,
        "templated": templated,
    }


def followed(task):
    """How many rows a configuration leads to, by the parser and the loader of TRL's commands."""
    os.chdir(Path(task["config"]).parent)
    parser = TrlParser((ScriptArguments, CONFIGS[task["command"]], ModelConfig, DatasetMixtureConfig))
    _, _, model, mixture = parser.parse_args_and_config(["--config", task["config"], "--use_cpu"])
    return {"rows": get_dataset(mixture)["train"].num_rows, "model": model.model_name_or_path}


def main() -> None:
    """Do the tasks."""
    tasks = json.loads(Path(sys.argv[1]).read_text())
    answers = [followed(task) if "config" in task else load(task) for task in tasks]
    Path(sys.argv[2]).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
