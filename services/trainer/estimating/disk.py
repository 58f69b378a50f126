"""Bytes that a training leaves on the disk of its machine."""

from __future__ import annotations

from dataclasses import dataclass

from services.trainer.estimating.workloads import STATE_BYTES, Workload

KEPT_CHECKPOINTS = 2
"""The engine's `keep_checkpoints`; beside them the best one, and one that is being written."""
ROW_BYTES = 4
"""Of a token in the tokenized rows."""


@dataclass(frozen=True)
class Disk:
    """By what it is for."""

    checkpoints: float
    model: float
    """The adapter or the whole model that the run gives."""
    merged: float
    """A whole model, if an adapter is merged into its base afterwards."""
    rows: float

    @property
    def needed(self) -> float:
        """While the run goes on; merging is another matter."""
        return self.checkpoints + self.model + self.rows


def disk_of(work: Workload, tokens: float) -> Disk:
    """What a run on rows of so many tokens leaves."""
    state = work.learned * (4.0 + STATE_BYTES[work.optimizer])
    whole = float(work.number_bytes * work.architecture.parameters)
    adapter = work.method == "lora"
    return Disk(
        checkpoints=(KEPT_CHECKPOINTS + 2) * state,
        model=float(work.number_bytes * work.learned) if adapter else whole,
        merged=2.0 * work.architecture.parameters if adapter else 0.0,
        rows=ROW_BYTES * tokens,
    )
