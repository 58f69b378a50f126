"""Whether a model takes packed rows, found by trying, and what keeps them apart in it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

from services.trainer.engine import attention
from services.trainer.engine.packing import Segments, segments
from services.trainer.engine.spec import TrainSpec

_START, _REST = 16, (16, 32)
"""Tokens that the rows of a trial begin with, and that follow: unlike parts, so that a leak shows in the last
ones too."""
_ROUNDING = {torch.float32: 1e-3}
_COARSE_ROUNDING = 5e-2
"""Most that sharing may change what a model computes, over its norm."""


class Packing(NamedTuple):
    """How rows are packed."""

    packed: bool = False
    masked: bool = False
    """Whether a mask keeps rows apart."""
    shares: bool = False
    """Whether what rows begin with may be there once."""


def packing_of(causal: Any, spec: TrainSpec, dtype: torch.dtype, *, may_share: bool = False) -> Packing:
    """How a model's rows are packed: by segments sooner than by a mask.

    A mask is for who asks for packing: of long packs it costs more than packing wins.
    """
    if not _is_wanted(spec, causal.device, dtype):
        return Packing()
    alone = _alone(causal)
    if attention.install_packed(causal):
        if _keeps_rows_apart(causal, alone, masked=False):
            takes = not attention.has_flash(causal.device, dtype) or attention.flash_goes_on(
                causal.device, dtype
            )
            return Packing(packed=True, shares=may_share and takes and _shares(causal, alone, masked=False))
        attention.uninstall_packed(causal)
    window = _window(causal.config)
    masked = spec.packing == "on" and (not window or window >= spec.cutoff_length)
    if not masked or not _keeps_rows_apart(causal, alone, masked=True):
        return Packing()
    return Packing(packed=True, masked=True, shares=may_share and _shares(causal, alone, masked=True))


def _is_wanted(spec: TrainSpec, device: torch.device, dtype: torch.dtype) -> bool:
    if spec.packing == "auto":
        return device.type == "cpu" or attention.has_flash(device, dtype)
    return spec.packing == "on"


def apart(where: Segments, causal: Any, *, masked: bool) -> dict[str, Any]:
    """The arguments that keep packed rows apart."""
    return {"attention_mask": attention.block_mask(where, causal.dtype)} if masked else {"segments": where}


def _window(config: Any) -> int:
    """How far back a layer looks that does not look at everything; 0 where all do."""
    text = config.get_text_config()
    used = getattr(text, "use_sliding_window", True)
    return (getattr(text, "sliding_window", None) or 0) if used else 0


def _probe(causal: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What rows begin with, and what follows in each."""
    vocabulary = causal.get_input_embeddings().num_embeddings
    ids: torch.Tensor = torch.arange(_START + sum(_REST), device=causal.device)[None] % vocabulary
    start, *rest = torch.split(ids, [_START, *_REST], dim=1)
    return start, rest


@torch.no_grad()
def _alone(causal: Any) -> list[torch.Tensor]:
    """What each row of the probe computes by itself, [1, tokens, size]."""
    causal.eval()
    start, rest = _probe(causal)
    rows = [torch.cat([start, each], dim=1) for each in rest]
    return [causal.base_model(input_ids=row, use_cache=False)[0].float() for row in rows]


def _keeps_rows_apart(causal: Any, alone: list[torch.Tensor], *, masked: bool) -> bool:
    """Tell whether packed rows compute what each computes alone.

    They do not where a model's layers pass nothing on to the attention, or mix tokens by other means.
    """
    start, rest = _probe(causal)
    lengths = [_START + each for each in _REST]
    ids = torch.cat([tokens for each in rest for tokens in (start, each)], dim=1)
    place = torch.cat([torch.arange(length) for length in lengths])
    where = segments(lengths, causal.device)
    return _computes(causal, ids, place, where, torch.cat(alone, dim=1), masked=masked)


def _shares(causal: Any, alone: list[torch.Tensor], *, masked: bool) -> bool:
    """Tell whether rows compute this too where they go on from a beginning that is there once."""
    start, rest = _probe(causal)
    ids = torch.cat([start, *rest], dim=1)
    place = torch.cat([torch.arange(_START), *(torch.arange(_START, _START + each) for each in _REST)])
    where = segments([_START, *_REST], causal.device, [-1, 0, 0])
    expected = torch.cat([alone[0], *(each[:, _START:] for each in alone[1:])], dim=1)
    most = _ROUNDING.get(causal.dtype, _COARSE_ROUNDING)
    return _computes(causal, ids, place, where, expected, masked=masked, most=most)


@torch.no_grad()
def _computes(
    causal: Any,
    ids: torch.Tensor,
    place: torch.Tensor,
    where: Segments,
    expected: torch.Tensor,
    *,
    masked: bool,
    most: float = math.inf,
) -> bool:
    inputs = {"input_ids": ids, "position_ids": place[None].to(causal.device), "use_cache": False}
    # Without a mask transformers may guess rows from the positions; one of a single row it takes as it is.
    whole = segments([ids.shape[1]], causal.device)
    together = apart(whole, causal, masked=True) if masked else {}
    causal.eval()
    try:
        packed = causal.base_model(**inputs, **apart(where, causal, masked=masked))[0].float()
        leaking = causal.base_model(**inputs, **together)[0].float()
    except (TypeError, ValueError, RuntimeError):
        return False
    # Rounding differs with the kernel; measured against a leak, the bound suits every precision and depth.
    error = (packed - expected).norm()
    return bool(error < 0.3 * (leaking - expected).norm()) and bool(error <= most * expected.norm())
