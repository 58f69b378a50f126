"""Causal attention for short rows on a CPU.

torch's CPU flash kernel has a slow backward pass for bf16: at 64 tokens a row it takes ten times as long as
two plain batched products, which win up to about 512 tokens. Longer rows, masks and other devices use SDPA.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from services.trainer.engine.releases import attention_tables

NAME = "sishu_short_rows"
_LONGEST = {torch.bfloat16: 512, torch.float32: 128}

_BEYOND_US = ("softcap", "s_aux", "position_bias")
"""Options of some models that change the scores."""


def install(causal: Any) -> None:
    """Make a loaded model use this attention where transformers allows it and the model's own is SDPA."""
    tables = attention_tables()
    if tables is None or causal.config._attn_implementation != "sdpa":
        return
    functions, masks = tables
    functions.register(NAME, partial(attention, functions["sdpa"]))
    masks.register(NAME, masks["sdpa"])
    causal.config._attn_implementation = NAME


def attention(
    sdpa: Callable[..., tuple[torch.Tensor, None]],
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers' AttentionInterface asks, by `sdpa` where rows are long or anything is unusual.

    Takes query [rows, heads, length, size] and key, value [rows, key heads, length, size]; returns
    [rows, length, heads, size].
    """
    if not _fits(module, query, key, attention_mask, options):
        return sdpa(module, query, key, value, attention_mask, **options)
    scale = options.get("scaling") or query.shape[-1] ** -0.5
    return causal_attention(query, key, value, scale).transpose(1, 2), None


def _fits(module: Any, query: torch.Tensor, key: torch.Tensor, mask: Any, options: dict[str, Any]) -> bool:
    plain = (
        mask is None and not options.get("dropout") and all(options.get(name) is None for name in _BEYOND_US)
    )
    causal = options.get("is_causal") is not False and getattr(module, "is_causal", True)
    short = 1 < query.shape[2] <= _LONGEST.get(query.dtype, 0) and query.shape[2] == key.shape[2]
    return bool(plain and causal and short and query.device.type == "cpu")


def causal_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
) -> torch.Tensor:
    """Softmax(scale * Q K^T + causal mask) V by two batched products; shapes as in `attention`.

    The query heads that share a key head are laid out as its queries, so no key is repeated in memory.
    """
    rows, heads, length, size = query.shape
    shared = heads // key.shape[1]
    unseen = torch.full((length, length), -torch.inf, dtype=query.dtype).triu(1).repeat(shared, 1)
    queries = query.reshape(-1, shared * length, size)
    keys = key.reshape(-1, length, size).transpose(1, 2)
    weights = torch.softmax(torch.baddbmm(unseen, queries, keys, alpha=scale), -1)
    return torch.bmm(weights, value.reshape(-1, length, value.shape[-1])).view(rows, heads, length, -1)
