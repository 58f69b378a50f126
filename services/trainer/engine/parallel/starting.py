"""The model and the strategy that a spec asks for."""

from __future__ import annotations

import torch

from services.trainer.engine import model
from services.trainer.engine.optimizer import AdapterOptimizer
from services.trainer.engine.parallel import place
from services.trainer.engine.parallel.strategy import Replicated, Strategy
from services.trainer.engine.parallel.zero_config import stage_of
from services.trainer.engine.spec import TrainSpec


def load(spec: TrainSpec, device: torch.device, precision: str) -> tuple[model.TrainableModel, Strategy]:
    """Load the base model and decide how it is trained here. Raises BaseModelError, DeviceError."""
    if stage_of(spec) == 0:
        trainable = model.load_model(spec, device, precision)
        return trainable, Replicated(AdapterOptimizer(trainable.learned, spec, trainable.learned_fast))
    from services.trainer.engine.parallel import zero  # noqa: PLC0415 - an extra

    return zero.load(spec, device, precision)


def draw_apart(seed: int, step: int) -> None:
    """Let dropout draw differently on each device; the first draws as if it were alone."""
    if place.rank():
        torch.manual_seed(hash((seed, step, place.rank())) % 2**63)
