"""Batches of like length under a token budget, in an order that follows from the seed alone.

This wastes a few per cent on padding and needs no packing mask. Since epoch and step
determine every batch, a resumed run needs no more than its step number to go on exactly.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import NamedTuple

MicroBatch = list[int]
"""Indices of samples."""
_MOST_PADDING = 0.125
"""Share of the budget; without a limit a jump in length fills half a batch with padding."""


class Step(NamedTuple):
    """The work of one optimizer step."""

    number: int
    """From 1."""
    epoch: float
    """Passes over the rows that are done when this step is."""
    batches: list[MicroBatch]


@dataclass(frozen=True)
class BatchPlan:
    """Which samples are trained together, and when."""

    lengths: Sequence[int]
    """Tokens of each sample."""
    batch_tokens: int
    accumulation: int
    seed: int

    @cached_property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of a pass; the last one of a pass may have fewer micro batches."""
        return ceil(len(self._batches(0)) / self.accumulation)

    @property
    def most_step_tokens(self) -> int:
        """No step has more tokens than this."""
        longest = max(self.lengths)
        return self.accumulation * max(self.batch_tokens, longest)

    def total_steps(self, epochs: float, max_steps: int) -> int:
        """Steps of the whole run."""
        # A product like 0.1 * 30 must not round up to one step more.
        return max_steps or max(1, ceil(round(epochs * self.steps_per_epoch, 6)))

    def steps(self, done: int, total: int) -> Iterator[Step]:
        """Yield the steps after the first `done` ones."""
        epoch, batches = -1, []
        for index in range(done, total):
            now, within = divmod(index, self.steps_per_epoch)
            if now != epoch:
                epoch, batches = now, self.epoch(now)
            first = within * self.accumulation
            yield Step(
                index + 1, (index + 1) / self.steps_per_epoch, batches[first : first + self.accumulation]
            )

    def in_order(self) -> list[MicroBatch]:
        """All micro batches from short to long: what a measurement goes through."""
        return self._batches(0)

    def epoch(self, number: int) -> list[MicroBatch]:
        """All micro batches of a pass in training order."""
        batches = self._batches(number)
        random.Random(f"order {self.seed} {number}").shuffle(batches)  # noqa: S311 - repeatable, no secret
        if number == 0:
            # The largest comes first, so that a lack of memory shows at once and not hours later.
            largest = max(range(len(batches)), key=lambda index: self._padded(batches[index]))
            batches.insert(0, batches.pop(largest))
        return batches

    def _batches(self, number: int) -> list[MicroBatch]:
        """Fill batches in order of length; ties fall anew in each pass, the number of batches stays."""
        tie = random.Random(f"ties {self.seed} {number}")  # noqa: S311 - repeatable, no secret
        order = sorted(range(len(self.lengths)), key=lambda index: (self.lengths[index], tie.random()))
        batches: list[MicroBatch] = [[]]
        tokens = 0
        for index in order:
            length = self.lengths[index]
            padded = (len(batches[-1]) + 1) * length
            wasted = padded - tokens - length
            if batches[-1] and (padded > self.batch_tokens or wasted > self.batch_tokens * _MOST_PADDING):
                batches.append([])
                tokens = 0
            batches[-1].append(index)
            tokens += length
        return batches

    def _padded(self, batch: MicroBatch) -> int:
        return len(batch) * max(self.lengths[index] for index in batch)
