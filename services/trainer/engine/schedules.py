"""The learning rate of each step: every schedule of transformers, by its name.

The shapes are those of `transformers.get_scheduler` with two differences that no run suffers from: the climb
ends with the peak in place of beginning with 0, so no step is wasted on a rate of 0; and `constant` climbs
too where `warmup_ratio` says so. Two schedules look at the loss on the validation rows: their state is part
of a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from services.trainer.engine.errors import ScheduleError
from services.trainer.engine.spec import MEASURED_SCHEDULES, TrainSpec

Shape = Callable[[TrainSpec, float], float]
"""Share of the peak rate when a share of the steps after the climb is done, from 0 to below 1."""


def _cosine(_spec: TrainSpec, done: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * done))


def _restarts(spec: TrainSpec, done: float) -> float:
    return _cosine(spec, spec.schedule_cycles * done % 1.0)


def _above_least(spec: TrainSpec, factor: float) -> float:
    return spec.min_rate_ratio + (1.0 - spec.min_rate_ratio) * factor


def _stable(spec: TrainSpec, done: float) -> float:
    """Constant, and a cosine in the last `decay_ratio` of the steps after the climb."""
    before = 1.0 - spec.decay_ratio
    return 1.0 if done < before else _above_least(spec, _cosine(spec, (done - before) / spec.decay_ratio))


_SHAPES: dict[str, Shape] = {
    "cosine": _cosine,
    "linear": lambda _, done: 1.0 - done,
    "polynomial": lambda spec, done: _above_least(spec, (1.0 - done) ** spec.schedule_power),
    "cosine_with_restarts": _restarts,
    "cosine_with_min_lr": lambda spec, done: _above_least(spec, _cosine(spec, done)),
    "warmup_stable_decay": _stable,
}
_WITHOUT_WARMUP = 10_000
"""Steps that stand for the climb in `inverse_sqrt` where there is none."""


def learning_rate(spec: TrainSpec, step: int, total: int) -> float:
    """Rate of step `step` (from 1) of `total`: a linear climb, then the schedule's shape.

    Of a schedule that looks at the validation loss this is the rate before anything was measured.
    """
    warmup = spec.warmup_steps or math.ceil(spec.warmup_ratio * total)
    if step <= warmup:
        return spec.learning_rate * step / warmup
    return spec.learning_rate * _factor(spec, step - 1, warmup, total)


def _factor(spec: TrainSpec, done: int, warmup: int, total: int) -> float:
    """Share of the peak rate after `done` steps, at least `warmup` of `total`."""
    if spec.schedule == "inverse_sqrt":
        scale = warmup or _WITHOUT_WARMUP
        return math.sqrt(scale / (done - warmup + scale))
    share = (done - warmup) / (total - warmup)
    if spec.schedule == "cosine_warmup_with_min_lr":
        # Unlike the others it has reached the least rate in its last step.
        return _above_least(spec, _cosine(spec, (done - warmup + 1) / (total - warmup)))
    shape = _SHAPES.get(spec.schedule)
    return 1.0 if shape is None else shape(spec, share)


class Schedule:
    """The rate of every step of a run, whatever it follows from.

    Args:
        spec: of the run.
        total: steps of the run.

    Raises:
        ScheduleError: this release of transformers does not have it.
    """

    def __init__(self, spec: TrainSpec, total: int) -> None:
        self._spec = spec
        self._total = total
        self._watching = _watching(spec) if spec.schedule in MEASURED_SCHEDULES else None

    def rate(self, step: int) -> float:
        """Rate of a step, from 1."""
        shared = 1.0 if self._watching is None else float(self._watching.optimizer.param_groups[0]["lr"])
        return learning_rate(self._spec, step, self._total) * shared

    def measured(self, loss: float) -> None:
        """Take note of a loss on the validation rows."""
        if self._watching is not None:
            self._watching.step(loss)

    def state(self) -> dict[str, Any]:
        """What a resume needs, fit for JSON."""
        if self._watching is None:
            return {}
        return {**self._watching.state_dict(), "rate": self._watching.optimizer.param_groups[0]["lr"]}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from what `state()` gave."""
        if self._watching is not None and state:
            self._watching.load_state_dict({name: state[name] for name in state if name != "rate"})
            self._watching.optimizer.param_groups[0]["lr"] = state["rate"]


def _watching(spec: TrainSpec) -> Any:
    """The scheduler of torch or transformers that looks at a loss, on a rate of 1: a share of the peak."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    if spec.schedule == "reduce_lr_on_plateau":
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, patience=spec.plateau_patience, min_lr=spec.min_rate_ratio
        )
    try:
        from transformers.optimization import GreedyLR  # noqa: PLC0415 - not in all releases that we support
    except ImportError as error:
        raise ScheduleError(
            "schedule: greedy needs a newer transformers in the engine's Python; "
            "bring it up to date, or take reduce_lr_on_plateau"
        ) from error
    return GreedyLR(optimizer, patience=spec.plateau_patience, min_lr=spec.min_rate_ratio, max_lr=1.0)
