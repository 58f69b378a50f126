"""An optimizer on fp32 copies of the weights that are learned.

A bf16 weight of 0.05 moves in steps of 2e-4, so near the end of a schedule its updates would round to
nothing. Copies, gradient sum and Adam's two moments cost 16 bytes per learned weight (78 MB for 4.9 M); the
model still computes in bf16. All learned weights live in one flat buffer: an update is a handful of
operations. Weights that are fp32 themselves need no copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from services.trainer.engine import optimizers
from services.trainer.engine.loss_scale import LossScale
from services.trainer.engine.parallel.divided import dimensions
from services.trainer.engine.spec import TrainSpec


@dataclass(frozen=True)
class Group:
    """Weights of one rate and one decay."""

    parameters: list[torch.nn.Parameter]
    ratio: float
    decays: bool


class AdapterOptimizer:
    """Owns the given parameters' storage: they become views of one buffer, their gradients of another."""

    def __init__(
        self,
        parameters: Sequence[torch.nn.Parameter],
        spec: TrainSpec,
        fast: Sequence[torch.nn.Parameter] = (),
    ) -> None:
        """Take the parameters over; `fast` are those of them that learn `loraplus_ratio` times as fast.

        Raises OptimizerError where the spec's optimizer cannot be had.
        """
        self._max_norm = spec.max_grad_norm
        groups = grouped(parameters, fast, spec)
        ordered = [each for group in groups for each in group.parameters]
        self._weights = torch.cat([each.detach().flatten() for each in ordered])
        self._gradients = torch.zeros_like(self._weights)
        self._is_copied = self._weights.dtype != torch.float32
        self._master = self._weights.float() if self._is_copied else self._weights
        self._gradient = torch.zeros_like(self._master) if self._is_copied else self._gradients
        places = _take_over(ordered, self._weights, self._gradients)
        self.scale = LossScale(self._weights.dtype == torch.float16)
        self._ratios = [group.ratio for group in groups]
        by_matrix = spec.optimizer in optimizers.BY_MATRIX
        self._inner = optimizers.make(
            spec, [self._torch_group(group, places, spec, by_matrix=by_matrix) for group in groups]
        )

    def _torch_group(
        self, group: Group, places: dict[int, slice], spec: TrainSpec, *, by_matrix: bool
    ) -> dict[str, Any]:
        """A group as torch has it: its weights one by one in their shapes, or as one long row."""
        parts = [places[id(each)] for each in group.parameters]
        if by_matrix:
            shaped = zip(parts, group.parameters, strict=True)
            inner = [self._part(part, each.shape) for part, each in shaped]
        else:
            inner = [self._part(slice(parts[0].start, parts[-1].stop), None)]
        return {"params": inner, "weight_decay": spec.weight_decay if group.decays else 0.0}

    def _part(self, part: slice, shape: torch.Size | None) -> torch.nn.Parameter:
        """Weights on the storage of all."""
        weights, gradient = self._master[part], self._gradient[part]
        parameter = torch.nn.Parameter(weights if shape is None else weights.view(shape))
        parameter.grad = gradient.view_as(parameter)
        return parameter

    @property
    def _inner_parameters(self) -> list[torch.nn.Parameter]:
        return [each for group in self._inner.param_groups for each in group["params"]]

    @property
    def gradient(self) -> torch.Tensor:
        """The sum so far, fp32 [weights]."""
        return self._gradient

    def collect(self) -> None:
        """Move the gradients of a micro batch into the fp32 sum."""
        if self._is_copied:
            self._gradient.add_(self._gradients)
            self._gradients.zero_()

    def discard(self) -> None:
        """Forget the gradients of a step that was begun."""
        self._gradients.zero_()
        self._gradient.zero_()

    def norm(self) -> torch.Tensor:
        """L2 norm of the summed gradient, 0-d fp32."""
        norm: torch.Tensor = torch.linalg.vector_norm(self._gradient) / self.scale.factor
        return norm

    def overflowed(self, loss: torch.Tensor, least: Callable[[int], int] = int) -> bool:
        """Whether the gradient left fp16's range; then its scale is halved, and the step is to be redone.

        Where the step's loss itself is not finite, its scale is not at fault.

        Args:
            loss: of the step, 0-d.
            least: the smallest of the numbers that all devices give.
        """
        if not self.scale.is_on:
            return False
        is_loss_finite = bool(least(int(torch.isfinite(loss))))
        is_finite = bool(least(int(torch.isfinite(self.norm()))))
        return is_loss_finite and self.scale.shrinks(is_finite)

    def update(self, norm: float, learning_rate: float) -> None:
        """Clip unless the limit is 0, step and clear the sum; `norm` is what `norm()` gave."""
        factor = 1.0 / self.scale.factor
        if 0 < self._max_norm < norm:
            factor *= self._max_norm / norm
        if factor != 1.0:
            self._gradient.mul_(factor)
        for group, ratio in zip(self._inner.param_groups, self._ratios, strict=True):
            group["lr"] = learning_rate * ratio
        self._inner.step()
        if self._is_copied:
            self._weights.copy_(self._master)
        self._gradient.zero_()
        self.scale.stepped()

    def state(self) -> dict[str, torch.Tensor]:
        """Everything an exact resume needs, on the CPU."""
        tensors = {"master": self._master, **self.scale.state()}
        for number, parameter in enumerate(self._inner_parameters):
            for name, value in self._inner.state[parameter].items():
                if value is not None:
                    tensors[f"{number}.{name}"] = torch.as_tensor(value)
        # Clones, as some are views of one buffer.
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from what `state()` gave."""
        self.load_weights(state)
        self.scale.load(state)
        for number, parameter in enumerate(self._inner_parameters):
            prefix = f"{number}."
            mine = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
            # Of a state before the first step nothing is kept, and nothing of what was there may stay.
            before = {name: value for name, value in self._inner.state[parameter].items() if mine}
            self._inner.state[parameter] = before | {
                name: _as_kept(name, value, parameter.device, self._inner) for name, value in mine.items()
            }

    def load_weights(self, state: dict[str, torch.Tensor]) -> None:
        """Take the learned weights alone from what `state()` gave."""
        with torch.no_grad():
            self._master.copy_(state["master"])
            self._weights.copy_(self._master)


def _as_kept(name: str, value: torch.Tensor, device: torch.device, inner: torch.optim.Optimizer) -> Any:
    """A value of an optimizer's state as that optimizer keeps it: torch's own count steps in a tensor."""
    if value.ndim == 0 and not type(inner).__module__.startswith("torch."):
        return value.item()
    on_cpu = name == "step" and not inner.defaults.get("fused")
    return value.clone() if on_cpu else value.clone().to(device)


def _take_over(
    parameters: Sequence[torch.nn.Parameter], weights: torch.Tensor, gradients: torch.Tensor
) -> dict[int, slice]:
    """Make parameters and gradients views of the buffers; returns the place of each parameter by its id."""
    places: dict[int, slice] = {}
    offset = 0
    for each in parameters:
        part = slice(offset, offset + each.numel())
        each.data = weights[part].view_as(each)
        # Backward adds into a gradient that is already there.
        each.grad = gradients[part].view_as(each)
        places[id(each)] = part
        offset = part.stop
    return places


def grouped(
    parameters: Sequence[torch.nn.Parameter], fast: Sequence[torch.nn.Parameter], spec: TrainSpec
) -> list[Group]:
    """Weights by rate and decay, the fast ones last; norms and biases of a base do not decay."""
    quick = {id(each) for each in fast} if spec.loraplus_ratio != 1 else set()
    groups = []
    for is_quick in (False, True):
        for decays in (True, False):
            found = [
                each
                for each in parameters
                if (id(each) in quick) == is_quick
                and (spec.method == "lora" or dimensions(each) > 1) == decays
            ]
            if found:
                groups.append(Group(found, spec.loraplus_ratio if is_quick else 1.0, decays))
    return groups


def _decays(weights: torch.nn.Parameter, method: str) -> bool:
    return method == "lora" or dimensions(weights) > 1
