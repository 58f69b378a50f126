"""Models of random weights for the bench of estimates, and rows of one length to train them on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from tests.unit.trainer.engine.tiny import make_tokenizer


class RowsMade(NamedTuple):
    """Rows of a file; all are alike."""

    path: Path
    tokens: int
    """Of each."""
    learned: int
    """Of them the answer's."""


def make_model(folder: Path, shape: dict[str, Any]) -> Path:
    """Write a model of this config, of random weights in bf16, with the tokenizer of the unit tests."""
    tokenizer = make_tokenizer()
    marks = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = AutoConfig.for_model(**shape, **marks, bos_token_id=None)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]  # it has no types
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_rows(path: Path, base: Path, tokens: int, count: int) -> RowsMade:
    """Write conversations of as many tokens as can be had up to `tokens`, of which nearly all are learned."""
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    words = ["by the river"]
    while _length(tokenizer, [*words, "a"]) <= tokens:
        words.append("a")
    # All rows are the same, since their numbers would not be of one length.
    rows = [{"id": f"row-{number}", "messages": _messages(words)} for number in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    whole = _length(tokenizer, words)
    question = tokenizer.apply_chat_template(_messages(words)[:1], tokenize=False, add_generation_prompt=True)
    return RowsMade(path, whole, whole - len(tokenizer(question, add_special_tokens=False)["input_ids"]))


def _messages(words: list[str]) -> list[dict[str, str]]:
    return [{"role": "user", "content": "?"}, {"role": "assistant", "content": " ".join(words)}]


def _length(tokenizer: Any, words: list[str]) -> int:
    text = tokenizer.apply_chat_template(_messages(words), tokenize=False)
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])
