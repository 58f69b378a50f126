"""Whether a model takes packed rows, found by trying, and what keeps them apart in it."""

from __future__ import annotations

from typing import Any

import torch

from services.trainer.engine import attention
from services.trainer.engine.packing import Segments, segments
from services.trainer.engine.spec import TrainSpec

_PROBE_LENGTHS = [16, 32]
"""Unlike parts, so that a leak shows in the last tokens too."""


def packing_of(causal: Any, spec: TrainSpec, dtype: torch.dtype) -> tuple[bool, bool]:
    """Whether rows are packed, and whether a mask keeps them apart: by segments sooner than by a mask."""
    if spec.packing == "off" or (spec.packing == "auto" and not attention.has_flash(causal.device, dtype)):
        return False, False
    alone = _alone(causal)
    if attention.install_packed(causal):
        if _keeps_rows_apart(causal, alone, masked=False):
            return True, False
        attention.uninstall_packed(causal)
    window = _window(causal.config)
    masked = spec.packing == "on" and (not window or window >= spec.cutoff_length)
    masked = masked and _keeps_rows_apart(causal, alone, masked=True)
    return masked, masked


def apart(where: Segments, causal: Any, *, masked: bool) -> dict[str, Any]:
    """The arguments that keep packed rows apart."""
    return {"attention_mask": attention.block_mask(where, causal.dtype)} if masked else {"segments": where}


def _window(config: Any) -> int:
    """How far back a layer looks that does not look at everything; 0 where all do."""
    text = config.get_text_config()
    used = getattr(text, "use_sliding_window", True)
    return (getattr(text, "sliding_window", None) or 0) if used else 0


def _probe(causal: Any) -> torch.Tensor:
    vocabulary = causal.get_input_embeddings().num_embeddings
    ids: torch.Tensor = torch.arange(sum(_PROBE_LENGTHS), device=causal.device)[None] % vocabulary
    return ids


@torch.no_grad()
def _alone(causal: Any) -> torch.Tensor:
    """What each part of the probe computes by itself, [1, tokens, size]."""
    causal.eval()
    parts = torch.split(_probe(causal), _PROBE_LENGTHS, dim=1)
    states = [causal.base_model(input_ids=part, use_cache=False)[0] for part in parts]
    return torch.cat(states, dim=1).float()


@torch.no_grad()
def _keeps_rows_apart(causal: Any, alone: torch.Tensor, *, masked: bool) -> bool:
    """Tell whether packed parts compute what each computes alone.

    They do not where a model's layers pass nothing on to the attention, or mix tokens by other means.
    """
    device = causal.device
    place = torch.cat([torch.arange(length, device=device) for length in _PROBE_LENGTHS])[None]
    inputs = {"input_ids": _probe(causal), "position_ids": place, "use_cache": False}
    # Without a mask transformers may guess rows from the positions; one of a single row it takes as it is.
    whole = segments([sum(_PROBE_LENGTHS)], device)
    together = apart(whole, causal, masked=True) if masked else {}
    causal.eval()
    try:
        packed = causal.base_model(
            **inputs, **apart(segments(_PROBE_LENGTHS, device), causal, masked=masked)
        )[0].float()
        leaking = causal.base_model(**inputs, **together)[0].float()
    except (TypeError, ValueError, RuntimeError):
        return False
    # Rounding differs with the kernel; measured against a leak, the bound suits every precision and depth.
    return bool((packed - alone).norm() < 0.3 * (leaking - alone).norm())
