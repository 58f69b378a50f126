"""What a run learns from: conversations, plain text, pairs of answers, or judged answers, each with its loss.

The loss of a step is the sum over its items divided by the step's weight, so how it is cut into micro batches
changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, overload

import torch

from services.trainer.engine import preference_losses
from services.trainer.engine.batching import BatchPlan, MicroBatch
from services.trainer.engine.data import Item, Sample
from services.trainer.engine.layout import HERE, moved
from services.trainer.engine.micro_batches import Batch
from services.trainer.engine.model import TrainableModel
from services.trainer.engine.packing import split_evenly
from services.trainer.engine.parallel import group
from services.trainer.engine.parallel.strategy import Strategy
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.token_sets import learned_of, lengths_of

KTO = "kto"
PAIRED = ("dpo", "orpo", "simpo")
WITH_REFERENCE = ("dpo", KTO)
PREFERENCES = (*PAIRED, KTO)


class Loss(NamedTuple):
    """Of a micro batch."""

    total: torch.Tensor
    """Summed over its items, fp32 0-d."""
    won: torch.Tensor | None = None
    """Of pairs: how many prefer the better answer, 0-d."""
    margin: torch.Tensor | None = None
    """Of pairs: by how much they do, summed, in units of reward, 0-d."""


class Objective:
    """Supervised: the cross-entropy of the learned tokens."""

    def __init__(self, spec: TrainSpec, items: Sequence[Item], pad_id: int) -> None:
        self.spec = spec
        self.items = items
        self.pad_id = pad_id
        self.lengths = lengths_of(items)
        self._learned = learned_of(items)
        self._waited = 0.0

    def prepare(self, trainable: TrainableModel, strategy: Strategy, most_tokens: int) -> None:
        """Look at the model before it has learned anything."""

    def begin(self, trainable: TrainableModel, batches: Sequence[MicroBatch]) -> None:
        """Look at the model before a step, or before a measurement, on these items."""

    def weight(self, indices: Sequence[int]) -> int:
        """What the summed loss of items is divided by."""
        return self.learned_tokens(indices)

    def learned_tokens(self, indices: Sequence[int]) -> int:
        """How many tokens of items are learned."""
        return int(self._learned[indices].sum(dtype="i8"))

    def collate(self, trainable: TrainableModel, indices: Sequence[int]) -> Batch:
        """A micro batch of items on the device."""
        began = time.perf_counter()
        sequences = [each for index in indices for each in self.items[index].sequences]
        batch = trainable.collate(sequences, self.pad_id, HERE)
        self._waited += time.perf_counter() - began
        return moved(batch, trainable.device)

    def take_wait(self) -> float:
        """Seconds in which items were read and laid out since this was asked last."""
        waited, self._waited = self._waited, 0.0
        return waited

    def loss(self, trainable: TrainableModel, batch: Batch, indices: Sequence[int]) -> Loss:  # noqa: ARG002
        """The loss of a micro batch that `collate` made of these items."""
        return Loss(trainable.summed_loss(batch))

    def pass_over(self, trainable: TrainableModel, indices: Sequence[int]) -> tuple[Batch, Loss]:
        """A micro batch and its loss.

        An empty one, which the other processes need this one for, has some item and the loss 0.
        """
        present = indices or [0]
        batch = self.collate(trainable, present)
        found = self.loss(trainable, batch, present)
        return (batch, found) if indices else (batch._replace(tokens=0), Loss(found.total * 0.0))

    def batches(self, trainable: TrainableModel, most_tokens: int) -> list[MicroBatch]:
        """All items once, in micro batches of the kind that the model takes."""
        if trainable.packed:
            return split_evenly(range(len(self.items)), self.lengths, most_tokens)
        return BatchPlan(self.lengths, most_tokens, accumulation=1, seed=0).in_order()


class _Preference(Objective):
    """Of which an item counts, not a token; with a reference model where `refers`."""

    refers = False

    def weight(self, indices: Sequence[int]) -> int:
        return len(indices)

    def prepare(self, trainable: TrainableModel, strategy: Strategy, most_tokens: int) -> None:
        """Keep the log-likelihoods of the reference model, which the model is before its first step."""
        if self.refers:
            batches = strategy.share(self.batches(trainable, most_tokens), self.lengths)
            scored = [self._scored(trainable, each) for each in batches]
            self.reference = _in_order(batches, scored, len(self.items), len(self.items[0].sequences))

    @torch.no_grad()
    def _scored(self, trainable: TrainableModel, indices: Sequence[int]) -> torch.Tensor:
        trainable.adapted.eval()
        try:
            # Of an empty micro batch, see `pass_over`, nothing is kept.
            present = indices or [0]
            batch = self.collate(trainable, present)
            return -trainable.row_losses(batch).view(len(present), -1)[: len(indices)]
        finally:
            trainable.adapted.train()

    def moved(self, trainable: TrainableModel, indices: Sequence[int]) -> torch.Tensor:
        """Log-likelihoods less those of the reference model, [items, sequences], without gradient."""
        return self._scored(trainable, indices) - self._referred(trainable, indices)

    def _referred(self, trainable: TrainableModel, indices: Sequence[int]) -> torch.Tensor:
        return self.reference[list(indices)].to(trainable.device)


class Pairs(_Preference):
    """DPO, ORPO and SimPO."""

    def __init__(self, spec: TrainSpec, items: Sequence[Item], pad_id: int) -> None:
        super().__init__(spec, items, pad_id)
        self.refers = spec.objective in WITH_REFERENCE

    def loss(self, trainable: TrainableModel, batch: Batch, indices: Sequence[int]) -> Loss:
        """The loss of pairs, and how well they are told apart."""
        spec = self.spec
        likelihood = -trainable.row_losses(batch).view(len(indices), -1)
        mean = likelihood / torch.bincount(batch.rows, minlength=batch.row_count).view(len(indices), -1)
        if spec.objective == "dpo":
            reward = likelihood - self._referred(trainable, indices)
            losses = preference_losses.dpo(reward[:, 0], reward[:, 1], spec.beta, spec.label_smoothing)
        elif spec.objective == "simpo":
            reward = mean
            losses = preference_losses.simpo(
                mean[:, 0], mean[:, 1], spec.beta, spec.simpo_gamma, spec.label_smoothing
            )
        else:
            reward = mean
            losses = spec.beta * preference_losses.odds_ratio(mean[:, 0], mean[:, 1])
        # ORPO learns the better answer beside telling them apart; for the others that is a wish.
        learned = 1.0 if spec.objective == "orpo" else spec.sft_weight
        total = losses.sum() - learned * mean[:, 0].sum()
        ahead = spec.beta * (reward[:, 0] - reward[:, 1]).detach()
        return Loss(total, (ahead > 0).sum(), ahead.sum())


class Judged(_Preference):
    """KTO."""

    refers = True

    def __init__(self, spec: TrainSpec, items: Sequence[Item], pad_id: int) -> None:
        super().__init__(spec, items, pad_id)
        self._others = _Preference(spec, _Crossed(items), pad_id)
        self._others.refers = True
        self._divergence = torch.zeros(())

    def prepare(self, trainable: TrainableModel, strategy: Strategy, most_tokens: int) -> None:
        """Keep the log-likelihoods of the reference model."""
        super().prepare(trainable, strategy, most_tokens)
        self._others.prepare(trainable, strategy, most_tokens)

    def begin(self, trainable: TrainableModel, batches: Sequence[MicroBatch]) -> None:
        """See how far the model has moved, on the step's prompts with answers to others."""
        moved = [self._others.moved(trainable, each) for each in batches]
        summed = sum((each.sum() for each in moved), torch.zeros((), device=trainable.device))
        counted = torch.tensor(float(sum(len(each) for each in moved)), device=trainable.device)
        self._divergence = (group.add_up(summed) / group.add_up(counted)).clamp(min=0)

    def loss(self, trainable: TrainableModel, batch: Batch, indices: Sequence[int]) -> Loss:
        """The loss of judged answers."""
        spec = self.spec
        ratio = -trainable.row_losses(batch) - self._referred(trainable, indices)[:, 0]
        good = torch.tensor([self.items[index].good for index in indices]).to(trainable.device)
        losses = preference_losses.kto(ratio, good, self._divergence, spec.beta)
        weights = torch.where(good, spec.desirable_weight, spec.undesirable_weight)
        return Loss((weights * losses).sum())


class _Crossed(Sequence[Item]):
    """Items with the answers of others, made when they are asked for.

    How far a model has moved is seen on answers to other questions. Neighbours may share theirs.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        other = (index + len(self) // 2) % len(self)
        return Item((_crossed(self._items[index].sequences[0], self._items[other].sequences[0]),))


def _crossed(asked: Sample, answered: Sample) -> Sample:
    """One sample's prompt with the other's answer."""
    ((start, _),), ((first, end),) = asked.spans, answered.spans
    ids = asked.ids[:start] + answered.ids[first:end]
    return Sample(ids, ((start, len(ids)),), asked.line)


def _in_order(
    batches: Sequence[MicroBatch], scored: Sequence[torch.Tensor], items: int, sequences: int
) -> torch.Tensor:
    """What all processes scored by micro batches, by item, fp32 [items, sequences] on the CPU."""
    device = scored[0].device if scored else group.device()
    found = torch.zeros(items, sequences, device=device)
    for batch, scores in zip(batches, scored, strict=True):
        found[batch] = scores
    return group.add_up(found).cpu()


MakeObjective = Callable[[TrainSpec, Sequence[Item], int], Objective]


def objective_of(spec: TrainSpec, items: Sequence[Item], pad_id: int) -> Objective:
    """What a spec asks for, on these items."""
    kind: MakeObjective = Objective
    if spec.objective in PAIRED:
        kind = Pairs
    elif spec.objective == KTO:
        kind = Judged
    return kind(spec, items, pad_id)
