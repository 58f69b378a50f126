"""The optimizer that DeepSpeed is given: it moves flat pieces of the weights, so rules by matrix are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from services.trainer.engine import optimizers
from services.trainer.engine.optimizer import grouped
from services.trainer.engine.spec import TrainSpec


class Adagrad(torch.optim.Optimizer):
    """Adagrad (Duchi et al., JMLR 12, 2011) as torch has it, its sums made at the first step.

    DeepSpeed puts pieces in the place of the weights after an optimizer was made. Torch's own has its sums by
    then, so DeepSpeed makes it anew, and forgets which weights decay.
    """

    _EPSILON = 1e-10

    def __init__(self, groups: optimizers.Groups) -> None:
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move all weights that have a gradient."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    self._move(weights, weights.grad, group["lr"], group["weight_decay"])

    def _move(self, weights: torch.Tensor, gradient: torch.Tensor, rate: float, decay: float) -> None:
        if decay:
            gradient = gradient.add(weights, alpha=decay)
        state = self.state[weights]
        if not state:
            state["sum"] = torch.zeros_like(weights)
        state["sum"].addcmul_(gradient, gradient)
        weights.addcdiv_(gradient, state["sum"].sqrt().add_(self._EPSILON), value=-rate)


def make(
    learned: Sequence[nn.Parameter], fast: Sequence[nn.Parameter], spec: TrainSpec
) -> tuple[torch.optim.Optimizer, list[float]]:
    """The optimizer that a spec names, and of each of its groups the ratio of its rate.

    Raises OptimizerError where it cannot be had.
    """
    found = grouped(learned, fast, spec)
    groups: optimizers.Groups = [
        {"params": each.parameters, "weight_decay": spec.weight_decay if each.decays else 0.0}
        for each in found
    ]
    ratios = [each.ratio for each in found]
    if spec.optimizer == "adamw":
        # Not the fused one: it looks at the weights before DeepSpeed has put its pieces in their place.
        return torch.optim.AdamW(groups, lr=0.0), ratios
    if spec.optimizer == "adagrad":
        return Adagrad(groups), ratios
    return optimizers.make(spec, groups), ratios


@contextmanager
def resting(optimizer: Any) -> Iterator[None]:
    """Let steps of an optimizer do nothing meanwhile."""
    optimizer.step = lambda *_: None
    try:
        yield
    finally:
        del optimizer.step
