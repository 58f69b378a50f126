"""Shapes of well-known models, as their config.json on the hub has them, for estimates without a file."""

from __future__ import annotations

import re
from typing import Any

from services.trainer.estimating.architectures import Architecture, of_config

Row = tuple[str, str, int, int, int, int, int, int, int, int, bool]
"""Name, model_type, layers, hidden, heads, key heads, head size, inner width, vocabulary, context, tied."""
_ROWS: tuple[Row, ...] = (
    ("smollm2-135m", "llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, True),
    ("smollm2-360m", "llama", 32, 960, 15, 5, 64, 2560, 49152, 8192, True),
    ("smollm2-1.7b", "llama", 24, 2048, 32, 32, 64, 8192, 49152, 8192, True),
    ("qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, True),
    ("qwen2.5-1.5b", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 32768, True),
    ("qwen2.5-3b", "qwen2", 36, 2048, 16, 2, 128, 11008, 151936, 32768, True),
    ("qwen2.5-7b", "qwen2", 28, 3584, 28, 4, 128, 18944, 152064, 32768, False),
    ("qwen2.5-14b", "qwen2", 48, 5120, 40, 8, 128, 13824, 152064, 32768, False),
    ("qwen2.5-32b", "qwen2", 64, 5120, 40, 8, 128, 27648, 152064, 32768, False),
    ("qwen2.5-72b", "qwen2", 80, 8192, 64, 8, 128, 29568, 152064, 32768, False),
    ("qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, True),
    ("qwen3-1.7b", "qwen3", 28, 2048, 16, 8, 128, 6144, 151936, 40960, True),
    ("qwen3-4b", "qwen3", 36, 2560, 32, 8, 128, 9728, 151936, 40960, True),
    ("qwen3-8b", "qwen3", 36, 4096, 32, 8, 128, 12288, 151936, 40960, False),
    ("qwen3-14b", "qwen3", 40, 5120, 40, 8, 128, 17408, 151936, 40960, False),
    ("qwen3-32b", "qwen3", 64, 5120, 64, 8, 128, 25600, 151936, 40960, False),
    ("llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, True),
    ("llama-3.2-3b", "llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, True),
    ("llama-3-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 8192, False),
    ("llama-3.1-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, False),
    ("llama-3.1-70b", "llama", 80, 8192, 64, 8, 128, 28672, 128256, 131072, False),
    ("mistral-7b", "mistral", 32, 4096, 32, 8, 128, 14336, 32768, 32768, False),
    ("deepseek-r1-distill-qwen-1.5b", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 131072, False),
    ("deepseek-r1-distill-qwen-7b", "qwen2", 28, 3584, 28, 4, 128, 18944, 152064, 131072, False),
    ("deepseek-r1-distill-qwen-14b", "qwen2", 48, 5120, 40, 8, 128, 13824, 152064, 131072, False),
    ("deepseek-r1-distill-qwen-32b", "qwen2", 64, 5120, 40, 8, 128, 27648, 152064, 131072, False),
    ("deepseek-r1-distill-llama-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, False),
    ("deepseek-r1-distill-llama-70b", "llama", 80, 8192, 64, 8, 128, 28672, 128256, 131072, False),
)
_KEYS = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "tie_word_embeddings",
)
_CONFIGS: dict[str, dict[str, Any]] = {
    row[0]: {"model_type": row[1], **dict(zip(_KEYS, row[2:], strict=True))} for row in _ROWS
}
_CONFIGS |= {
    "gpt2": {"model_type": "gpt2"},
    "gpt2-xl": {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25},
    "qwen3-30b-a3b": {
        "model_type": "qwen3_moe",
        **dict(zip(_KEYS, (48, 2048, 32, 4, 128, 6144, 151936, 40960, False), strict=True)),
        "moe_intermediate_size": 768,
        "num_experts": 128,
        "num_experts_per_tok": 8,
    },
    "mixtral-8x7b": {
        "model_type": "mixtral",
        **dict(zip(_KEYS, (32, 4096, 32, 8, 128, 14336, 32000, 32768, False), strict=True)),
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
}
_ENDINGS = re.compile(r"[-_](instruct|chat|base|it|hf|bf16|\d{4}|v0\.\d)$")
_BUILTIN = {"builtin": "smollm2-135m"}
NAMES = tuple(sorted(_CONFIGS))
"""Of the models that are known by name."""


def named_model(name: str) -> Architecture | None:
    """The model that a name or a hub id means, such as `Qwen/Qwen2.5-32B-Instruct`; None if not known."""
    plain = name.lower().rsplit("/", 1)[-1].removeprefix("meta-").replace("_", "-")
    while plain not in _CONFIGS and _ENDINGS.search(plain):
        plain = _ENDINGS.sub("", plain)
    plain = _BUILTIN.get(plain, plain)
    return of_config(_CONFIGS[plain], plain) if plain in _CONFIGS else None
