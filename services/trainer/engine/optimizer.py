"""AdamW on fp32 copies of the adapters, and the learning rate.

A bf16 weight of 0.05 moves in steps of 2e-4, so near the end of a schedule its updates would round to
nothing. Copies, gradient sum and Adam's two moments cost 16 bytes per adapter weight (78 MB for 4.9 M); the
model still computes in bf16. All adapters live in one flat buffer: an update is a handful of operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch

from services.trainer.engine.spec import TrainSpec

_MOMENTS = ("exp_avg", "exp_avg_sq")


class AdapterOptimizer:
    """Owns the given parameters' storage: they become views of one buffer, their gradients of another."""

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        spec: TrainSpec,
        fast: Sequence[torch.nn.Parameter] = (),
    ) -> None:
        """Take the parameters over; `fast` are those of them that learn `loraplus_ratio` times as fast."""
        self._max_norm = spec.max_grad_norm
        parameters, slow = _sorted(parameters, fast if spec.loraplus_ratio != 1 else ())
        self._weights = torch.cat([each.detach().flatten() for each in parameters])
        self._gradients = torch.zeros_like(self._weights)
        self._master = self._weights.float()
        self._gradient = torch.zeros_like(self._master)
        offset = 0
        for each in parameters:
            part = slice(offset, offset + each.numel())
            each.data = self._weights[part].view_as(each)
            # Backward adds into a gradient that is already there.
            each.grad = self._gradients[part].view_as(each)
            offset = part.stop
        ends = sorted({0, slow, offset})
        self._parts = [slice(start, end) for start, end in pairwise(ends)]
        self._ratios = [1.0 if part.start < slow else spec.loraplus_ratio for part in self._parts]
        self._adam = torch.optim.AdamW(
            [{"params": [self._part(part)]} for part in self._parts],
            lr=0.0,
            weight_decay=spec.weight_decay,
            fused=True,
        )

    def _part(self, part: slice) -> torch.nn.Parameter:
        """Weights of one rate, on the storage of all."""
        parameter = torch.nn.Parameter(self._master[part])
        parameter.grad = self._gradient[part]
        return parameter

    def collect(self) -> None:
        """Move the gradients of a micro batch into the fp32 sum."""
        self._gradient.add_(self._gradients)
        self._gradients.zero_()

    def discard(self) -> None:
        """Forget the gradients of a step that was begun."""
        self._gradients.zero_()
        self._gradient.zero_()

    def norm(self) -> torch.Tensor:
        """L2 norm of the summed gradient, 0-d fp32."""
        norm: torch.Tensor = torch.linalg.vector_norm(self._gradient)
        return norm

    def update(self, norm: float, learning_rate: float) -> None:
        """Clip unless the limit is 0, step and clear the sum; `norm` is what `norm()` gave."""
        if 0 < self._max_norm < norm:
            self._gradient.mul_(self._max_norm / norm)
        for group, ratio in zip(self._adam.param_groups, self._ratios, strict=True):
            group["lr"] = learning_rate * ratio
        self._adam.step()
        self._weights.copy_(self._master)
        self._gradient.zero_()

    def state(self) -> dict[str, torch.Tensor]:
        """Everything an exact resume needs, on the CPU."""
        moments = [self._adam.state[group["params"][0]] for group in self._adam.param_groups]
        tensors = {"master": self._master, "step": moments[0]["step"]}
        for name in _MOMENTS:
            tensors[name] = torch.cat([each[name] for each in moments])
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from what `state()` gave."""
        with torch.no_grad():
            self._master.copy_(state["master"])
            self._weights.copy_(self._master)
        parts = {
            number: {"step": state["step"].clone(), **{name: state[name][part].clone() for name in _MOMENTS}}
            for number, part in enumerate(self._parts)
        }
        self._adam.load_state_dict({**self._adam.state_dict(), "state": parts})


def _sorted(
    parameters: Sequence[torch.nn.Parameter], fast: Sequence[torch.nn.Parameter]
) -> tuple[list[torch.nn.Parameter], int]:
    """The fast ones last, and how many weights the others have."""
    quick = {id(each) for each in fast}
    slow = [each for each in parameters if id(each) not in quick]
    last = [each for each in parameters if id(each) in quick]
    return [*slow, *last], sum(each.numel() for each in slow)


def learning_rate(spec: TrainSpec, step: int, total: int) -> float:
    """Rate of step `step` (from 1) of `total`: a linear climb, then the schedule; never 0."""
    warmup = math.ceil(spec.warmup_ratio * total)
    if step <= warmup:
        return spec.learning_rate * step / warmup
    left = (total - step + 1) / (total - warmup)
    if spec.schedule == "linear":
        return spec.learning_rate * left
    if spec.schedule == "cosine":
        return spec.learning_rate * 0.5 * (1.0 - math.cos(math.pi * left))
    return spec.learning_rate
