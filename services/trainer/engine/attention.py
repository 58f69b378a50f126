"""Causal attention for short rows on a CPU, and for packed rows anywhere.

torch's CPU flash kernel has a slow backward pass for bf16: at 64 tokens a row it takes ten times as long as
two plain batched products, which win up to about 512 tokens. Longer rows, masks and other devices use SDPA.
Packed rows attend to themselves alone: by the flash kernel for rows of many lengths (Dao, arXiv 2307.08691)
where torch has it for the device, else row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from services.trainer.engine.packing import Segments
from services.trainer.engine.releases import attention_tables

NAME = "sishu_short_rows"
PACKED_NAME = "sishu_packed_rows"
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


def install_packed(causal: Any) -> bool:
    """Make a model that `install` prepared take packed rows; tell whether this transformers lets it.

    The name stays out of the table of masks, so that transformers makes none: what masks would say, the
    segments say.
    """
    tables = attention_tables()
    if tables is None or causal.config._attn_implementation != NAME:
        return False
    functions, _ = tables
    functions.register(PACKED_NAME, partial(packed_attention, functions[NAME]))
    causal.config._attn_implementation = PACKED_NAME
    return True


def uninstall_packed(causal: Any) -> None:
    """Take `install_packed` back."""
    causal.config._attn_implementation = NAME


def packed_attention(
    by_row: Callable[..., tuple[torch.Tensor, None]],
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    segments: Segments | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each segment of one packed row; shapes as in `attention`, with rows = 1.

    Raises ValueError where a model wants what the segments cannot say.
    """
    if segments is None:
        return by_row(module, query, key, value, attention_mask, **options)
    beyond = [name for name in _BEYOND_US if options.get(name) is not None]
    if attention_mask is not None or query.shape[0] != 1 or beyond or not getattr(module, "is_causal", True):
        raise ValueError(f"packed rows cannot be had with a mask, several rows or {beyond}")
    window = options.get("sliding_window") or segments.longest
    if has_flash(query.device, query.dtype) and window >= segments.longest:
        return _flash(query, key, value, segments, options), None
    parts = zip(*(torch.split(each, segments.lengths, dim=2) for each in (query, key, value)), strict=True)
    found = [by_row(module, *part, _windowed(part[0], window), **options)[0] for part in parts]
    return torch.cat(found, dim=1), None


def _windowed(query: torch.Tensor, window: int) -> torch.Tensor | None:
    """A mask [1, 1, length, length], true where a token is seen; none where all before are."""
    length = query.shape[2]
    if length <= window:
        return None
    seen = torch.ones(length, length, dtype=torch.bool, device=query.device).tril().triu(1 - window)
    return seen[None, None]


def block_mask(segments: Segments, dtype: torch.dtype) -> torch.Tensor:
    """What keeps packed rows apart where an attention takes no segments.

    Added to the scores, [1, 1, tokens, tokens]: 0 where a token is seen, else the least number of `dtype`.
    """
    device = segments.bounds.device
    row = torch.repeat_interleave(torch.tensor(segments.lengths)).to(device)
    seen = (row[:, None] == row[None]).tril()
    mask = torch.zeros(seen.shape, dtype=dtype, device=device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[None, None]


def has_flash(device: torch.device, dtype: torch.dtype) -> bool:
    """Tell whether torch has the flash kernel for rows of many lengths here."""
    return device.type == "cuda" and dtype in (torch.bfloat16, torch.float16)


def _flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: Segments, options: dict[str, Any]
) -> torch.Tensor:
    bounds, longest = segments.bounds, segments.longest
    output: torch.Tensor = torch.ops.aten._flash_attention_forward(
        *(each[0].transpose(0, 1) for each in (query, key, value)),
        bounds,
        bounds,
        longest,
        longest,
        options.get("dropout") or 0.0,
        True,
        False,
        scale=options.get("scaling"),
    )[0]
    return output[None]


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
