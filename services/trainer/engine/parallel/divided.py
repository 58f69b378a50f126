"""Weights that DeepSpeed's stage 3 has divided among devices: of each, this process has a part."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn


def is_divided(weight: nn.Parameter) -> bool:
    """Whether it is here as a part only; DeepSpeed marks what it divides."""
    return hasattr(weight, "ds_id")


def fetched(weights: Iterable[nn.Parameter], *, first_changes: bool = False) -> AbstractContextManager[None]:
    """Have weights whole meanwhile; every process must enter it, with the same ones.

    Args:
        weights: what is not divided among them stays as it is.
        first_changes: afterwards all have what the first process made of them.
    """
    parts = [each for each in weights if is_divided(each)]
    if not parts:
        return nullcontext()
    import deepspeed  # noqa: PLC0415 - an extra

    found: AbstractContextManager[None] = deepspeed.zero.GatheredParameters(
        parts, modifier_rank=0 if first_changes else None
    )
    return found


def part_of(weight: nn.Parameter) -> torch.Tensor:
    """What this process has of it."""
    part: torch.Tensor = getattr(weight, "ds_tensor", weight)
    return part


def dimensions(weight: nn.Parameter) -> int:
    """Those of the whole."""
    return len(getattr(weight, "ds_shape", weight.shape))
