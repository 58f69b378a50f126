"""Loss on rows that are not learned: when it is measured, which step was best, and when to give up."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from services.trainer.engine.model import TrainableModel
from services.trainer.engine.objectives import Objective
from services.trainer.engine.parallel import group
from services.trainer.engine.parallel.strategy import Strategy


@dataclass
class Best:
    """The lowest validation loss so far; part of every checkpoint."""

    step: int = 0
    """After which it was measured; 0 before the first measurement."""
    loss: float = 0.0
    worse_in_a_row: int = 0
    """Measurements since then."""

    def take(self, step: int, loss: float, margin: float) -> None:
        """Take note of a measurement."""
        if self.step == 0 or loss < self.loss - margin:
            self.step, self.loss, self.worse_in_a_row = step, loss, 0
        else:
            self.worse_in_a_row += 1


@dataclass(frozen=True)
class Validation:
    """The rows that a run is measured on."""

    objective: Objective
    every: int
    """Steps between two measurements."""

    def is_due(self, step: int, last: int) -> bool:
        """Whether a measurement follows a step; one always follows the last."""
        return bool(self.objective.items) and (step == last or step % self.every == 0)

    @torch.no_grad()
    def loss(self, trainable: TrainableModel, strategy: Strategy, most_tokens: int) -> float:
        """The loss of the run's kind; no dropout, and random state stays as it was.

        Args:
            trainable: the model as it stands; it is left in training mode.
            strategy: which of the rows are this process'.
            most_tokens: of a micro batch.
        """
        total = torch.zeros((), dtype=torch.float64, device=trainable.device)
        every = self.objective.batches(trainable, most_tokens)
        batches = strategy.share(every, self.objective.lengths)
        self.objective.begin(trainable, batches)
        for indices in batches:
            trainable.adapted.eval()
            try:
                _, found = self.objective.pass_over(trainable, indices)
                total += found.total
            finally:
                trainable.adapted.train()
        return float(group.add_up(total)) / self.objective.weight(range(len(self.objective.items)))
