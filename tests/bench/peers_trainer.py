"""What sides that train by transformers' Trainer share: a callback that waits for the gate, and a count."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from transformers import Trainer, TrainerCallback

from tests.bench.training_gate import Gate

_collated: deque[int] = deque()
"""Real tokens of the micro batches that were made and not yet trained, oldest first."""
_trained = [0]


def count_rows(tokens: Iterable[int]) -> None:
    """Take note of a micro batch: real tokens of its rows."""
    _collated.append(sum(tokens))


def gated() -> TrainerCallback:
    """A callback that does steps as the gate says; the Trainer is made to count what it has trained."""
    step = Trainer.training_step

    def counting(self: Any, *arguments: Any, **options: Any) -> Any:
        # Loaders make batches ahead of time, but in order.
        _trained[0] += _collated.popleft()
        return step(self, *arguments, **options)

    Trainer.training_step = counting  # type: ignore[method-assign]
    return _Gated()


class _Gated(TrainerCallback):
    def __init__(self) -> None:
        self._gate = Gate()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._gate.before_step()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        tokens, _trained[0] = _trained[0], 0
        self._gate.after_step(tokens)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._gate.ended()
