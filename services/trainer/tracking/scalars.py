"""What trackers are told of a step, under the keys that transformers' callbacks use and SwanLab shows.

Only the standard library: trackers run in a Python of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Scalars = dict[str, float]

MEASURED = {
    "validation_loss": "eval/loss",
    "reward_accuracy": "train/rewards/accuracies",
    "reward_margin": "train/rewards/margins",
}
"""What only some steps have, and its key."""


def scalars_of(step: Mapping[str, Any], tokens_seen: int) -> Scalars:
    """The scalars of a step.

    Args:
        step: by the names of `TrainingStep` and of the engine's event.
        tokens_seen: real tokens up to its end.
    """
    found = {
        "train/loss": step["loss"],
        "train/grad_norm": step["grad_norm"],
        "train/learning_rate": step["learning_rate"],
        "train/epoch": step["epoch"],
        "train/global_step": step["step"],
        "train/num_input_tokens_seen": tokens_seen,
        "train/tokens_per_second": step["tokens"] / step["seconds"] if step["seconds"] else 0.0,
    }
    found |= {key: step[name] for name, key in MEASURED.items() if step.get(name) is not None}
    return {key: float(value) for key, value in found.items()}


class TokensSeen:
    """Real tokens up to each step, of which some may be done again."""

    def __init__(self) -> None:
        self._until = {0: 0}
        self._last = 0

    def after(self, step: int, tokens: int) -> int:
        """Take note of a step; return the tokens up to its end."""
        before = step - 1 if step - 1 in self._until else self._last
        self._until[step] = self._until[before] + tokens
        self._last = step
        return self._until[step]
