"""Causal attention for short rows on a CPU, and for packed rows anywhere.

torch's CPU flash kernel has a slow backward pass for bf16: at 64 tokens a row it takes ten times as long as
two plain batched products, which win up to about 512 tokens. Longer rows, masks and other devices use SDPA.
Packed rows attend to themselves alone, and to what they go on from: by the flash kernel for rows of many
lengths (Dao, arXiv 2307.08691) where torch has it for the device, else row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from services.trainer.engine.packing import Segments, segments
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
    queries, keys, values = (torch.split(each, segments.lengths, dim=2) for each in (query, key, value))
    keys_seen: list[torch.Tensor] = []
    values_seen: list[torch.Tensor] = []
    found = []
    for number, origin in enumerate(segments.origins):
        # What a part goes on from comes before its own tokens.
        for seen, own in ((keys_seen, keys[number]), (values_seen, values[number])):
            seen.append(own if origin < 0 else torch.cat([seen[origin], own], dim=2))
        seen_here = keys_seen[-1], values_seen[-1]
        found.append(_last_queries(by_row, module, (queries[number], *seen_here), window, options))
    return torch.cat(found, dim=1), None


def _last_queries(
    by_row: Callable[..., tuple[torch.Tensor, None]],
    module: Any,
    given: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    window: int,
    options: dict[str, Any],
) -> torch.Tensor:
    """Attend within one row of which the queries are the last ones; returns [1, length, heads, size].

    Takes query, key and value as `attention` does.
    """
    query, key, value = given
    length, total = query.shape[2], key.shape[2]
    if total <= window and length == total:
        return by_row(module, query, key, value, None, **options)[0]
    own = key[:, :, total - length :]
    if total <= window and _fits(module, query, own, None, options):
        return causal_attention(query, key, value, _scale(query, options)).transpose(1, 2)
    seen = torch.ones(length, total, dtype=torch.bool, device=query.device)
    seen = seen.tril(total - length).triu(1 + total - length - window)
    return by_row(module, query, key, value, seen[None, None], **options)[0]


def block_mask(segments: Segments, dtype: torch.dtype) -> torch.Tensor:
    """What keeps packed rows apart where an attention takes no segments.

    Added to the scores, [1, 1, tokens, tokens]: 0 where a token is seen, else the least number of `dtype`.
    """
    device = segments.bounds.device
    part = torch.repeat_interleave(torch.tensor(segments.lengths)).to(device)
    seen = _sees(segments.origins).to(device)[part][:, part].tril()
    mask = torch.zeros(seen.shape, dtype=dtype, device=device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min)[None, None]


def _sees(origins: list[int]) -> torch.Tensor:
    """Which part sees which: itself, and all that it goes on from; bool [parts, parts]."""
    sees = torch.eye(len(origins), dtype=torch.bool)
    for number, origin in enumerate(origins):
        if origin >= 0:
            sees[number] |= sees[origin]
    return sees


def has_flash(device: torch.device, dtype: torch.dtype) -> bool:
    """Tell whether torch has the flash kernel for rows of many lengths here."""
    return device.type == "cuda" and dtype in (torch.bfloat16, torch.float16)


@torch.enable_grad()
def flash_goes_on(device: torch.device, dtype: torch.dtype) -> bool:
    """Try whether the kernel takes queries for the last ones of the keys, in its backward pass too."""
    where = segments([16, 8, 24], device, [-1, 0, 0])
    draw = torch.Generator().manual_seed(0)
    sizes = [(1, heads, sum(where.lengths), 64) for heads in (4, 2, 2, 4)]
    query, key, value, weight = (torch.randn(size, generator=draw).to(device, dtype) for size in sizes)
    found = []
    for kernel in (True, False):
        q, k, v = given = [each.detach().clone().requires_grad_() for each in (query, key, value)]
        try:
            output = _flash(q, k, v, where, {}).transpose(1, 2) if kernel else _by_mask(q, k, v, where)
            found.append(torch.autograd.grad((output * weight).sum(), given))
        except RuntimeError:
            return False
    # Where another token is seen the difference is as large as the gradients; rounding is far below.
    return all(bool((one - other).norm() < 0.1 * other.norm()) for one, other in zip(*found, strict=True))


def _by_mask(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: Segments) -> torch.Tensor:
    key, value = (each.repeat_interleave(query.shape[1] // each.shape[1], dim=1) for each in (key, value))
    mask = block_mask(segments, query.dtype)
    return torch.softmax(query @ key.transpose(2, 3) * query.shape[-1] ** -0.5 + mask, -1) @ value


def _flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: Segments, options: dict[str, Any]
) -> torch.Tensor:
    query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
    if segments.key_places is not None:
        key, value = key[segments.key_places], value[segments.key_places]
    output: torch.Tensor = torch.ops.aten._flash_attention_forward(
        query,
        key,
        value,
        segments.bounds,
        segments.key_bounds,
        max(segments.lengths),
        segments.longest,
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
    return causal_attention(query, key, value, _scale(query, options)).transpose(1, 2), None


def _scale(query: torch.Tensor, options: dict[str, Any]) -> float:
    return float(options.get("scaling") or query.shape[-1] ** -0.5)


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

    The query heads that share a key head are laid out as its queries, so no key is repeated in memory. Where
    there are more keys than queries, the queries are the last ones.
    """
    rows, heads, length, size = query.shape
    shared, seen = heads // key.shape[1], key.shape[2]
    unseen = torch.full((length, seen), -torch.inf, dtype=query.dtype).triu(1 + seen - length)
    queries = query.reshape(-1, shared * length, size)
    keys = key.reshape(-1, seen, size).transpose(1, 2)
    weights = torch.softmax(torch.baddbmm(unseen.repeat(shared, 1), queries, keys, alpha=scale), -1)
    return torch.bmm(weights, value.reshape(-1, seen, value.shape[-1])).view(rows, heads, length, -1)
