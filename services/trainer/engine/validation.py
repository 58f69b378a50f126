"""Loss on rows that are not learned: when it is measured, which step was best, and when to give up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from services.trainer.engine.batching import BatchPlan, MicroBatch
from services.trainer.engine.data import Sample
from services.trainer.engine.model import TrainableModel
from services.trainer.engine.packing import split_evenly
from services.trainer.engine.spec import TrainSpec


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

    samples: list[Sample]
    pad_id: int
    every: int
    """Steps between two measurements."""

    def is_due(self, step: int, last: int) -> bool:
        """Whether a measurement follows a step; one always follows the last."""
        return bool(self.samples) and (step == last or step % self.every == 0)

    @torch.no_grad()
    def loss(self, trainable: TrainableModel, batch_tokens: int) -> float:
        """Mean cross-entropy of the learned tokens, in nats; no dropout, and random state stays as it was.

        Args:
            trainable: the model as it stands; it is left in training mode.
            batch_tokens: most tokens of a micro batch.
        """
        total = torch.zeros((), dtype=torch.float64, device=trainable.device)
        trainable.adapted.eval()
        try:
            for indices in self._micro_batches(trainable, batch_tokens):
                batch = trainable.collate([self.samples[index] for index in indices], self.pad_id)
                total += trainable.summed_loss(batch)
        finally:
            trainable.adapted.train()
        return float(total) / learned_tokens(self.samples)

    def _micro_batches(self, trainable: TrainableModel, batch_tokens: int) -> list[MicroBatch]:
        lengths = [len(sample.ids) for sample in self.samples]
        if trainable.packed:
            return split_evenly(range(len(lengths)), lengths, batch_tokens)
        return BatchPlan(lengths, batch_tokens, accumulation=1, seed=0).in_order()


def validation_of(spec: TrainSpec, samples: list[Sample], pad_id: int, steps_per_epoch: int) -> Validation:
    """What a spec asks for; without samples nothing is ever due."""
    return Validation(samples, pad_id, spec.validation_steps or steps_per_epoch)


def learned_tokens(samples: Sequence[Sample]) -> int:
    """How many tokens of samples are learned."""
    return sum(end - start for sample in samples for start, end in sample.spans)
