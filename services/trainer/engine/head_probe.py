"""What a model does to its logits after the output head, found by trying."""

from __future__ import annotations

from typing import Any

import torch

from services.trainer.engine.head_loss import HeadEnd, head_ends

_PROBE_TOKENS = 16


@torch.no_grad()
def head_end_of(causal: Any) -> HeadEnd | None:
    """What comes after the head; nothing where that is not known, and the head cannot run by itself."""
    ids = torch.arange(_PROBE_TOKENS, device=causal.device)[None]
    causal.eval()
    logits = causal(input_ids=ids, use_cache=False).logits.float()
    of_head = causal.get_output_embeddings()(causal.base_model(input_ids=ids, use_cache=False)[0])
    # The nearest, not the first near enough: a cap bends small logits by less than rounding does.
    errors = {end: float((logits - end(of_head).float()).norm()) for end in head_ends(causal.config)}
    nearest = min(errors, key=lambda end: errors[end])
    return nearest if errors[nearest] <= 0.01 * float(logits.norm()) else None
