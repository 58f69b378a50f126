"""The settings that estimates are measured at: kinds of models and layers, methods, formats, ways to save memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BUILTIN = "builtin"


@dataclass(frozen=True)
class Case:
    """A setting to measure: a model, rows of one length, and fields of the config."""

    name: str
    shape: dict[str, Any] | str
    """A config of transformers, or the name of the built-in model."""
    row_tokens: int = 128
    config: dict[str, Any] = field(default_factory=dict)


LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 4096,
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}
QWEN2 = {**LLAMA, "model_type": "qwen2", "tie_word_embeddings": False}
QWEN3 = {**LLAMA, "model_type": "qwen3", "head_dim": 24, "num_hidden_layers": 5, "vocab_size": 8192}
MISTRAL = {**LLAMA, "model_type": "mistral", "num_hidden_layers": 8, "sliding_window": None}
GPT2 = {
    "model_type": "gpt2",
    "vocab_size": 4096,
    "n_embd": 128,
    "n_layer": 4,
    "n_head": 8,
    "n_positions": 1024,
}
BF16, FP32 = {"precision": "bf16"}, {"precision": "fp32"}
FULL: dict[str, Any] = {"method": "full"}
FREEZE: dict[str, Any] = {"method": "freeze"}
AGAIN: dict[str, Any] = {"gradient_checkpointing": True}

CASES = (
    Case("llama lora fp32", LLAMA, 128, FP32),
    Case("llama lora bf16", LLAMA, 128, BF16),
    Case("llama lora bf16, rows of 768", LLAMA, 768, {**BF16, "batch_tokens": 1536}),
    Case("llama lora fp32, rows of 512", LLAMA, 512, FP32),
    Case("llama lora bf16, recomputing", LLAMA, 128, {**BF16, **AGAIN, "batch_tokens": 4096}),
    Case("llama lora fp32, PiSSA", LLAMA, 128, {**FP32, "lora_init": "pissa"}),
    Case("llama lora bf16, dropout", LLAMA, 128, {**BF16, "lora_dropout": 0.1}),
    Case("llama full fp32", LLAMA, 128, {**FP32, **FULL}),
    Case("llama full bf16", LLAMA, 128, {**BF16, **FULL}),
    Case(
        "llama full bf16, adafactor, recomputing",
        LLAMA,
        128,
        {**BF16, **FULL, **AGAIN, "optimizer": "adafactor", "batch_tokens": 2048},
    ),
    Case(
        "llama freeze fp32, first layers, adagrad",
        LLAMA,
        128,
        {**FP32, **FREEZE, "freeze_layers": -2, "optimizer": "adagrad"},
    ),
    Case("qwen2 lora bf16, packed", QWEN2, 128, {**BF16, "batch_tokens": 2048, "packing": "on"}),
    Case("qwen2 lora bf16, 256 logits", QWEN2, 128, {**BF16, "batch_tokens": 2048, "logits_positions": 256}),
    Case("qwen2 full fp32, sgd", QWEN2, 128, {**FP32, **FULL, "optimizer": "sgd"}),
    Case("qwen2 freeze bf16, last layers", QWEN2, 128, {**BF16, **FREEZE, "batch_tokens": 2048}),
    Case("qwen3 lora bf16, rank 64", QWEN3, 256, {**BF16, "lora_rank": 64, "batch_tokens": 2048}),
    Case("qwen3 lora fp32, q and v", QWEN3, 128, {**FP32, "lora_targets": ("q_proj", "v_proj")}),
    Case("qwen3 full bf16, rmsprop", QWEN3, 128, {**BF16, **FULL, "optimizer": "rmsprop"}),
    Case("mistral lora fp32, recomputing", MISTRAL, 256, {**FP32, **AGAIN, "batch_tokens": 2048}),
    Case("gpt2 lora fp32", GPT2, 128, FP32),
    Case("gpt2 full bf16", GPT2, 128, {**BF16, **FULL}),
    Case("smollm2-135m lora bf16", BUILTIN, 128, {**BF16, "batch_tokens": 512}),
    Case("smollm2-135m lora bf16, recomputing", BUILTIN, 128, {**BF16, **AGAIN, "batch_tokens": 1024}),
    Case("smollm2-135m full bf16", BUILTIN, 128, {**BF16, **FULL, "batch_tokens": 256}),
)
