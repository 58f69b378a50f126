"""ZeRO by DeepSpeed: gradients and the optimizer's state, at stage 3 the weights too, divided among devices.

DeepSpeed is imported here only: it is an extra, and some of its parts import slowly.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from services.trainer.engine import model
from services.trainer.engine.batching import MicroBatch
from services.trainer.engine.errors import DeviceError
from services.trainer.engine.loss_scale import ScaleSpentError
from services.trainer.engine.model import TrainableModel
from services.trainer.engine.parallel import group, place, zero_optimizer
from services.trainer.engine.parallel.divided import fetched
from services.trainer.engine.parallel.division import divide
from services.trainer.engine.parallel.strategy import STATE
from services.trainer.engine.parallel.zero_config import config_of, stage_of
from services.trainer.engine.spec import TrainSpec


class _Inside(nn.Module):
    """The model as DeepSpeed sees it: whatever is computed, is computed by its forward pass."""

    def __init__(self, adapted: nn.Module) -> None:
        super().__init__()
        self.adapted = adapted
        self.work: Callable[[], torch.Tensor] | None = None

    def forward(self) -> torch.Tensor:
        assert self.work is not None  # noqa: S101  # `Zero.run` sets it
        return self.work()


def load(spec: TrainSpec, device: torch.device, precision: str) -> tuple[TrainableModel, Zero]:
    """Load the model as the spec's stage divides it. Raises BaseModelError, DeviceError."""
    deepspeed = _deepspeed(device)
    stage = stage_of(spec)
    divided = _hold_divided(config_of(spec, precision)) if stage == 3 else None
    trainable = model.load_model(spec, device, precision, divided=divided is not None)
    optimizer, ratios = zero_optimizer.make(trainable.learned, trainable.learned_fast, spec)
    inside = _Inside(trainable.adapted)
    exact = {name: each.clone() for name, each in inside.named_buffers() if each.is_floating_point()}
    engine, *_ = deepspeed.initialize(
        model=inside,
        optimizer=optimizer,
        model_parameters=trainable.learned,
        config=config_of(spec, precision, model.count(trainable.learned)),
    )
    _give_back(inside, exact, device)
    zero = Zero(engine, stage, ratios, trainable.learned, scales=precision == "fp16", held=divided)
    trainable = replace(trainable, run=zero.run)
    return (model.probed(trainable, spec) if stage == 3 else trainable), zero


def _deepspeed(device: torch.device) -> Any:
    if device.type == "cpu":
        # Else it may take a device that torch has, but this run does not use.
        os.environ["DS_ACCELERATOR"] = "cpu"
        # Else older releases ask `numactl`, which may not be there.
        os.environ.setdefault("LOCAL_SIZE", str(place.local_size()))
    try:
        import deepspeed  # noqa: PLC0415
    except ImportError as error:
        raise DeviceError(
            f"deepspeed_stage: DeepSpeed cannot be imported ({error}); install it for the Python that runs "
            "the engine, or use deepspeed_stage 0"
        ) from error
    deepspeed.logger.setLevel("WARNING")
    return deepspeed


def _hold_divided(config: dict[str, Any]) -> object:
    """Let transformers load weights divided from the start, for as long as what is returned lives."""
    from transformers.integrations.deepspeed import HfDeepSpeedConfig  # noqa: PLC0415

    held: object = HfDeepSpeedConfig(config)  # type: ignore[no-untyped-call]
    return held


def _give_back(inside: nn.Module, exact: dict[str, torch.Tensor], device: torch.device) -> None:
    """Undo what DeepSpeed does to buffers: it rounds the frequencies of positions to bf16."""
    for name, value in exact.items():
        owner, _, last = name.rpartition(".")
        setattr(inside.get_submodule(owner), last, value.to(device))


class Zero:
    """Steps taken by DeepSpeed.

    Args:
        engine: what `deepspeed.initialize` gives for a model of `_Inside`.
        stage: of ZeRO.
        ratios: of the rates of the optimizer's groups.
        learned: the trained weights.
        scales: whether DeepSpeed scales the loss, for fp16.
        held: kept alive, see `_hold_divided`.
    """

    plans_memory = False

    def __init__(
        self,
        engine: Any,
        stage: int,
        ratios: Sequence[float],
        learned: Sequence[nn.Parameter],
        *,
        scales: bool = False,
        held: object = None,
    ) -> None:
        self.name = f"zero{stage}"
        self.layout = f"{self.name} on {place.size()} devices"
        self._engine = engine
        self._ratios = ratios
        self._learned = learned
        self._scales = scales
        self._held = held
        self._is_begun = False
        if scales:
            # At the least scale it would raise something that has no name; `overflowed` does by itself.
            engine.optimizer.loss_scaler.raise_error_at_min_scale = False

    def run(self, work: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Compute something with the model; weights that are elsewhere are fetched meanwhile."""
        inside = self._engine.module
        inside.work = work
        try:
            found: torch.Tensor = self._engine()
            return found
        finally:
            inside.work = None

    def share(self, batches: Sequence[MicroBatch], lengths: Sequence[int]) -> list[MicroBatch]:
        """As many for every process, since each pass needs all of them."""
        return divide(batches, lengths, place.size())[place.rank()]

    def backward(self, loss: torch.Tensor, last: bool) -> None:
        """Add to the gradient; DeepSpeed takes the mean over the processes, and ours is a sum."""
        self._engine.set_gradient_accumulation_boundary(last)
        self._engine.backward(loss * place.size())
        self._is_begun = True

    def overflowed(self, loss: torch.Tensor) -> bool:
        """Look at all devices' gradients. Raises ScaleSpentError.

        Where the step's loss itself is not finite, its scale is not at fault.
        """
        if not self._scales or not group.least(int(torch.isfinite(loss))):
            return False
        optimizer = self._engine.optimizer
        if not self._has_overflow():
            return False
        before = optimizer.loss_scale
        # Of a step that overflowed DeepSpeed forgets all, and halves the scale.
        self._end_step()
        if optimizer.loss_scale >= before:
            raise ScaleSpentError
        return True

    def _has_overflow(self) -> bool:
        """Whether a gradient is not finite; DeepSpeed's optimizer for fp32 sums of bf16 cannot tell."""
        look = getattr(self._engine.optimizer, "has_overflow", None)
        return look is not None and bool(look())

    def discard(self) -> None:
        """Forget the gradients of a step that was begun, by one in which the optimizer does nothing."""
        if self._is_begun:
            with zero_optimizer.resting(self._engine.optimizer.optimizer):
                self._end_step()

    def _end_step(self) -> None:
        self._engine.step()
        self._is_begun = False

    def step(self, figures: torch.Tensor, learning_rate: float) -> tuple[list[float], float]:
        """Take the step, unless the loss or a gradient is not finite, or the loss is 0.

        The norm is known only afterwards, so that a step without any gradient is taken.
        """
        sums: list[float] = group.add_up(figures).tolist()
        optimizer = self._engine.optimizer
        # Asked here, as DeepSpeed looks at it in some number formats only.
        if not math.isfinite(sums[0]) or sums[0] == 0 or self._has_overflow():
            self.discard()
            return sums, 0.0 if sums[0] == 0 else float("nan")
        for parameters, ratio in zip(optimizer.param_groups, self._ratios, strict=True):
            parameters["lr"] = learning_rate * ratio
        self._end_step()
        norm = float(self._engine.get_global_grad_norm())
        # Below 0 it says that it is no number.
        return sums, norm if norm >= 0 else float("nan")

    def save(self, folder: Path, extra: dict[str, torch.Tensor]) -> None:
        """Each process writes its part of the state."""
        # DeepSpeed makes a folder named by the tag; this way it is ours, and what is in it lies flat.
        self._engine.save_checkpoint(
            str(folder.parent), tag=folder.name, save_latest=False, exclude_frozen_parameters=True
        )
        if place.is_first():
            (folder.parent / "zero_to_fp32.py").unlink(missing_ok=True)
            save_file(extra, folder / STATE)

    def load(self, folder: Path) -> dict[str, torch.Tensor]:
        """Continue; on as many devices as before."""
        self._engine.load_checkpoint(str(folder.parent), tag=folder.name, load_module_strict=False)
        return load_file(folder / STATE)

    def load_weights(self, folder: Path) -> None:
        """Take the whole state of a checkpoint, the weights with it."""
        self.load(folder)

    def whole(self) -> AbstractContextManager[None]:
        """Fetch the adapters."""
        return fetched(self._learned)
