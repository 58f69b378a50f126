"""Batches of like length under a token budget, in an order that follows from the seed alone.

This wastes a few per cent on padding and needs no packing mask. Since epoch and step
determine every batch, a resumed run needs no more than its step number to go on exactly.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

import numpy as np

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

    lengths: Any
    """Tokens of each sample: a sequence or an array of int."""
    batch_tokens: int
    accumulation: int
    seed: int

    @cached_property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of a pass; the last one of a pass may have fewer micro batches."""
        return ceil((len(self._batches(0)[1]) - 1) / self.accumulation)

    @property
    def most_step_tokens(self) -> int:
        """No step has more tokens than this."""
        longest = int(max(self.lengths))
        return self.accumulation * max(self.batch_tokens, longest)

    def total_steps(self, epochs: float, max_steps: int) -> int:
        """Steps of the whole run."""
        # A product like 0.1 * 30 must not round up to one step more.
        return max_steps or max(1, ceil(round(epochs * self.steps_per_epoch, 6)))

    def steps(self, done: int, total: int) -> Iterator[Step]:
        """Yield the steps after the first `done` ones."""
        epoch, batches = -1, _Pass.empty()
        for index in range(done, total):
            now, within = divmod(index, self.steps_per_epoch)
            if now != epoch:
                epoch, batches = now, self._pass(now)
            first = within * self.accumulation
            yield Step(
                index + 1, (index + 1) / self.steps_per_epoch, batches[first : first + self.accumulation]
            )

    def in_order(self) -> list[MicroBatch]:
        """All micro batches from short to long: what a measurement goes through."""
        order, bounds = self._batches(0)
        return _Pass(order, bounds, list(range(len(bounds) - 1)))[:]

    def epoch(self, number: int) -> list[MicroBatch]:
        """All micro batches of a pass in training order."""
        return self._pass(number)[:]

    def _pass(self, number: int) -> _Pass:
        order, bounds = self._batches(number)
        turns = list(range(len(bounds) - 1))
        random.Random(f"order {self.seed} {number}").shuffle(turns)  # noqa: S311 - repeatable, no secret
        if number == 0:
            # The largest comes first, so that a lack of memory shows at once and not hours later.
            longest = np.asarray(self.lengths)[order[bounds[1:] - 1]]
            turns.insert(0, turns.pop(turns.index(int(np.argmax(np.diff(bounds) * longest)))))
        return _Pass(order, bounds, turns)

    def _batches(self, number: int) -> tuple[Any, Any]:
        """Fill batches in order of length; ties fall anew in each pass, the number of batches stays.

        Returns the rows in this order, and where in it the batches begin and the last one ends: arrays, of a
        few bytes a row.
        """
        digest = hashlib.sha256(f"ties {self.seed} {number}".encode()).digest()
        # This generator's numbers are the same in every release of numpy.
        ties = np.random.RandomState(np.frombuffer(digest, "<u4")).random_sample(len(self.lengths))
        lengths = np.asarray(self.lengths)
        order = np.lexsort((ties.astype("f4"), lengths)).astype("i4")
        bounds = [0]
        tokens = 0
        for place, length in enumerate(lengths[order].tolist()):
            rows = place - bounds[-1]
            padded = (rows + 1) * length
            wasted = padded - tokens - length
            if rows and (padded > self.batch_tokens or wasted > self.batch_tokens * _MOST_PADDING):
                bounds.append(place)
                tokens = 0
            tokens += length
        return order, np.array([*bounds, len(order)])


@dataclass(frozen=True)
class _Pass:
    """The micro batches of a pass; lists of them are made when they are asked for."""

    order: Any
    bounds: Any
    turns: list[int]

    @classmethod
    def empty(cls) -> _Pass:
        return cls(np.zeros(0, "i4"), np.zeros(1, "i8"), [])

    def __getitem__(self, part: slice) -> list[MicroBatch]:
        return [self.order[self.bounds[turn] : self.bounds[turn + 1]].tolist() for turn in self.turns[part]]
