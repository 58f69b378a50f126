"""The rules by which gradients become updates, by name."""

from __future__ import annotations

from typing import Any

import torch

from services.trainer.engine.errors import OptimizerError
from services.trainer.engine.spec import TrainSpec

BY_MATRIX = ("adafactor",)
"""Those that look at rows and columns; the others treat every weight alike, whatever tensor it is in."""

Groups = list[dict[str, Any]]


def make(spec: TrainSpec, groups: Groups) -> torch.optim.Optimizer:
    """The optimizer that a spec names, with rate 0, for torch's parameter groups. Raises OptimizerError."""
    if spec.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, weight_decay=spec.weight_decay, fused=True)
    if spec.optimizer == "adamw_8bit":
        return _eight_bit(spec, groups)
    if spec.optimizer == "adafactor":
        return _adafactor(spec, groups)
    kinds: dict[str, Any] = {
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
    }
    made: torch.optim.Optimizer = kinds[spec.optimizer](groups, lr=0.0, weight_decay=spec.weight_decay)
    return made


def _adafactor(spec: TrainSpec, groups: Groups) -> torch.optim.Optimizer:
    from transformers.optimization import Adafactor  # noqa: PLC0415 - torch has its own only from 2.5 on

    # The rate is the schedule's, so none that follows from the step or the weights.
    kind: Any = Adafactor  # it has no types
    made: torch.optim.Optimizer = kind(
        groups, lr=0.0, weight_decay=spec.weight_decay, scale_parameter=False, relative_step=False
    )
    return made


def _eight_bit(spec: TrainSpec, groups: Groups) -> torch.optim.Optimizer:
    try:
        from bitsandbytes.optim import AdamW8bit  # noqa: PLC0415 - only this optimizer needs it
    except Exception as error:  # its library may be missing too, in as many ways as there are platforms
        raise OptimizerError(
            f"optimizer: adamw_8bit needs bitsandbytes, which this Python cannot load ({error}); "
            "install bitsandbytes there, or take adamw or adafactor"
        ) from error
    kind: Any = AdamW8bit  # it has no types
    made: torch.optim.Optimizer = kind(groups, lr=0.0, weight_decay=spec.weight_decay)
    return made
