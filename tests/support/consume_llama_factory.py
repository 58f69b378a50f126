"""Data sets as LLaMA-Factory loads them; run by its own Python: `consume_llama_factory.py TASKS ANSWER`.

A task is `{"folder", "dataset", "stage"}`; its answer `{"rows": [{"prompt", "response", "system"}], "samples",
"learned"}`: what its converter makes of every row, how many samples its `get_dataset` makes of them, and the texts that
these teach (sft and pt). A task may be `{"config": path}`, whose answer says what it takes the file for.
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import yaml
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import get_train_args
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

TEMPLATE = "qwen3_nothink"
LONG = 1_000_000


def tiny_tokenizer(folder: str) -> None:
    """A tokenizer of bytes, which gives every text back."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",  # noqa: S106  # no secret
        pad_token="<|endoftext|>",  # noqa: S106  # no secret
        additional_special_tokens=["<|im_start|>"],
        clean_up_tokenization_spaces=False,
    )
    made.save_pretrained(folder)


def arguments(model: str, **more):
    """Arguments of LLaMA-Factory, parsed and checked by itself."""
    fixed = {
        "model_name_or_path": model,
        "do_train": True,
        "finetuning_type": "lora",
        "output_dir": tempfile.mkdtemp(),
        "overwrite_cache": True,
        "report_to": "none",
    }
    return get_train_args({**fixed, **more})


def load(task, model: str):
    """What it makes of a data set."""
    stage = task["stage"]
    loader_stage = "rm" if stage == "dpo" else stage
    model_args, data_args, training_args, _, _ = arguments(
        model,
        stage=stage,
        dataset_dir=task["folder"],
        dataset=task["dataset"],
        template=TEMPLATE,
        cutoff_len=100 if stage == "pt" else LONG,
        packing=False,
    )
    converted = _get_merged_dataset(data_args.dataset, model_args, data_args, training_args, loader_stage)
    rows = [
        {"prompt": row["_prompt"], "response": row["_response"], "system": row["_system"]}
        for row in converted
    ]
    tokenizer = AutoTokenizer.from_pretrained(model)
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    loaded = get_dataset(template, model_args, data_args, training_args, loader_stage, tokenizer)
    samples = loaded["train_dataset"]
    return {"rows": rows, "samples": len(samples), "learned": learned(samples, stage, tokenizer)}


def learned(samples, stage: str, tokenizer):
    """The texts that samples teach."""
    if stage == "sft":
        return [tokenizer.decode([one for one in row["labels"] if one >= 0]) for row in samples]
    return [tokenizer.decode(row["input_ids"]) for row in samples] if stage == "pt" else []


def parsed(path: str, model: str):
    """What it takes a configuration for."""
    options = yaml.safe_load(Path(path).read_text())
    options |= {
        "model_name_or_path": model,
        "bf16": False,
        "output_dir": tempfile.mkdtemp(),
        "report_to": "none",
    }
    _, data_args, _, finetuning_args, _ = get_train_args(options)
    return {
        "stage": finetuning_args.stage,
        "dataset": data_args.dataset,
        "eval_dataset": data_args.eval_dataset,
    }


def main() -> None:
    """Do the tasks."""
    model = tempfile.mkdtemp()
    tiny_tokenizer(model)
    tasks = json.loads(Path(sys.argv[1]).read_text())
    answers = [parsed(task["config"], model) if "config" in task else load(task, model) for task in tasks]
    Path(sys.argv[2]).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
