"""The seam between the loop and what one, several or many devices do differently."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file, save_file

from services.trainer.engine.batching import MicroBatch
from services.trainer.engine.optimizer import AdapterOptimizer
from services.trainer.engine.parallel import group, place
from services.trainer.engine.parallel.division import divide

STATE = "state.safetensors"


class Strategy(Protocol):
    """Gradients, the optimizer and its state, on however many devices."""

    name: str
    """`single`, `ddp`, or `zero` and its stage."""
    layout: str
    """Of its checkpoints; one of another layout cannot be continued."""
    plans_memory: bool
    """Whether micro batches may be fitted to the device, and a step be done anew in smaller ones."""

    def share(self, batches: Sequence[MicroBatch], lengths: Sequence[int]) -> list[MicroBatch]:
        """This process' part of a step or a measurement.

        An empty micro batch is one that all processes must compute together though this one has no row for
        it: any row will do, its loss does not count.
        """

    def backward(self, loss: torch.Tensor, last: bool) -> None:
        """Add a micro batch's part of the step's loss to the gradient; `last` of this process' ones."""

    def overflowed(self, loss: torch.Tensor) -> bool:
        """Whether a gradient left fp16's range somewhere; then its scale is halved, and the step redone."""

    def discard(self) -> None:
        """Forget the gradients of a step that was begun."""

    def step(self, figures: torch.Tensor, learning_rate: float) -> tuple[list[float], float]:
        """Take the step and return the sums of `figures` over all processes, and the gradient's norm.

        Where the first figure, the loss, or the norm is not finite, or is 0, the step is not taken.
        """

    def save(self, folder: Path, extra: dict[str, torch.Tensor]) -> None:
        """Write this process' part of a checkpoint, `extra` with the first's."""

    def load(self, folder: Path) -> dict[str, torch.Tensor]:
        """Continue from what `save` wrote; returns `extra`. The layout must be the same."""

    def load_weights(self, folder: Path) -> None:
        """Take the learned weights of a checkpoint; every process must call it."""

    def whole(self) -> AbstractContextManager[None]:
        """Have all adapters whole in memory; every process must enter it."""


class Replicated:
    """Every device has the whole model; gradients are summed once a step.

    Not by torch's DistributedDataParallel: its hooks wait for gradients that autograd sets, and ours are
    added inside the backward products (`lora`). The flat sum of all adapters is one message.
    """

    plans_memory = True
    layout = "one copy for all devices"

    def __init__(self, optimizer: AdapterOptimizer) -> None:
        self.optimizer = optimizer
        self.name = "single" if place.size() == 1 else "ddp"

    def share(self, batches: Sequence[MicroBatch], lengths: Sequence[int]) -> list[MicroBatch]:
        """This process' micro batches; none is empty, as none waits for others."""
        return [batch for batch in divide(batches, lengths, place.size())[place.rank()] if batch]

    def backward(self, loss: torch.Tensor, last: bool) -> None:  # noqa: ARG002
        """Add to the gradient."""
        (loss * self.optimizer.scale.factor).backward()  # type: ignore[no-untyped-call]
        self.optimizer.collect()

    def overflowed(self, loss: torch.Tensor) -> bool:
        """Look at all devices' gradients."""
        return self.optimizer.overflowed(loss, group.least)

    def discard(self) -> None:
        """Forget the gradients of a step that was begun."""
        self.optimizer.discard()

    def step(self, figures: torch.Tensor, learning_rate: float) -> tuple[list[float], float]:
        """Sum, look at the result, and only then touch the weights."""
        group.add_up(self.optimizer.gradient)
        *sums, norm = torch.stack([*group.add_up(figures), self.optimizer.norm()]).tolist()
        if all(math.isfinite(each) and each != 0 for each in (sums[0], norm)):
            self.optimizer.update(norm, learning_rate)
        else:
            self.optimizer.discard()
        return sums, norm

    def save(self, folder: Path, extra: dict[str, torch.Tensor]) -> None:
        """All devices have the same state; the first writes it."""
        if place.is_first():
            save_file({**self.optimizer.state(), **extra}, folder / STATE)

    def load(self, folder: Path) -> dict[str, torch.Tensor]:
        """Continue; on any number of devices."""
        tensors = load_file(folder / STATE)
        extra = {name: tensors.pop(name) for name in list(tensors) if name.startswith("rng_")}
        self.optimizer.load(tensors)
        return extra

    def load_weights(self, folder: Path) -> None:
        """Take the learned weights of a checkpoint."""
        self.optimizer.load_weights(load_file(folder / STATE))

    def whole(self) -> AbstractContextManager[None]:
        """They always are."""
        return nullcontext()
