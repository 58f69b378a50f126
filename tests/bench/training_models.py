"""Base models of random weights in the shapes of Qwen2.5, and rows of uneven lengths to train them on."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from tests.unit.trainer.engine.tiny import conversation, make_tokenizer, write_rows


@dataclass(frozen=True)
class Shape:
    """What decides the cost of a Qwen2 model."""

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    tied: bool


SHAPES = {
    "tiny": Shape(64, 128, 2, 4, 2, 512, True),
    "0.5b": Shape(896, 4864, 24, 14, 2, 151_936, True),
    "1.5b": Shape(1536, 8960, 28, 12, 2, 151_936, True),
    "7b": Shape(3584, 18_944, 28, 28, 4, 152_064, False),
}
"""By name; all but tiny are those of the Qwen2.5 models."""
_MEDIAN_TOKENS = 250
_SPREAD = 0.9
"""Of the logarithm of lengths: a tenth of the rows is above three times the median."""


def make_base(folder: Path, shape: Shape, device: torch.device, longest: int) -> None:
    """Write a model of random weights with the tokenizer of the unit tests, in bf16."""
    tokenizer = make_tokenizer()
    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=max(4096, longest),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    with device:
        torch.set_default_dtype(torch.bfloat16)
        model = Qwen2ForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_rows(path: Path, count: int, longest: int) -> Path:
    """Write rows whose lengths are log-normal, at most about `longest` tokens, and whose answers can be learned."""
    draw = random.Random(0)  # noqa: S311 - repeatable, no secret
    rows = []
    for index in range(count):
        tokens = min(longest - 80, max(24, draw.lognormvariate(math.log(_MEDIAN_TOKENS), _SPREAD)))
        answer = f"the town {index % 50} lies by the river Amber. "
        # About 24 tokens of the tests' tokenizer each.
        rows.append(conversation(f"Where is town {index % 50}?", answer * max(1, round(tokens / 24))))
    return write_rows(path, rows)


def useful_flops(shape: Shape, lengths: list[int], supervised: int) -> float:
    """Multiplications and additions that one pass of LoRA over these rows cannot do without.

    Forward and the activations' gradient, 2 + 2 per frozen weight and token (their own gradients are not
    needed); the head at learned tokens only; causal attention, whose backward pass is 2.5 times its forward.
    The adapters' own products are left out.
    """
    head_size = shape.hidden // shape.heads
    attention = shape.hidden * (2 * shape.hidden + 2 * shape.key_heads * head_size)
    layer = attention + 3 * shape.hidden * shape.feed_forward
    scores = sum(2.0 * length * length * shape.hidden for length in lengths)
    return (
        4.0 * layer * shape.layers * sum(lengths)
        + 3.5 * scores * shape.layers
        + 4.0 * shape.hidden * shape.vocabulary * supervised
    )
