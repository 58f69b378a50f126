"""Batches of like length under a token budget, in an order that follows from the seed alone.

This wastes a few per cent on padding and needs no packing mask. Since epoch and step
determine every batch, a resumed run needs no more than its step number to go on exactly.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
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
    step_rows: int = 0
    """Samples of an optimizer step, in place of `accumulation` micro batches; 0 means these."""

    @cached_property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of a pass; the last one of a pass may have fewer micro batches, or samples."""
        if self.step_rows:
            return ceil(len(self.lengths) / self.step_rows)
        return ceil((len(self._batches(0)[1]) - 1) / self.accumulation)

    @property
    def most_step_tokens(self) -> int:
        """No step has more tokens than this."""
        if self.step_rows:
            return int(np.sort(self.lengths)[-self.step_rows :].sum())
        longest = int(max(self.lengths))
        return self.accumulation * max(self.batch_tokens, longest)

    def total_steps(self, epochs: float, max_steps: int) -> int:
        """Steps of the whole run."""
        # A product like 0.1 * 30 must not round up to one step more.
        return max_steps or max(1, ceil(round(epochs * self.steps_per_epoch, 6)))

    def steps(self, done: int, total: int) -> Iterator[Step]:
        """Yield the steps after the first `done` ones."""
        epoch, batches = -1, self._work(0)
        for index in range(done, total):
            now, within = divmod(index, self.steps_per_epoch)
            if now != epoch:
                epoch, batches = now, self._work(now)
            yield Step(index + 1, (index + 1) / self.steps_per_epoch, batches(within))

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

    def _work(self, number: int) -> Callable[[int], list[MicroBatch]]:
        """What gives the micro batches of a step by its number within a pass, from 0."""
        if self.step_rows:
            drawn, size = self._drawn(number), self.step_rows
            return lambda within: self._rows(drawn[within * size : (within + 1) * size])
        batches, count = self._pass(number), self.accumulation
        return lambda within: batches[within * count : (within + 1) * count]

    def _drawn(self, number: int) -> Any:
        """The rows of a pass at random, int64 [rows]."""
        drawn = self._dice("rows", number).permutation(len(self.lengths))
        if number == 0:
            # As with batches: the longest comes in the first step, so that a lack of memory shows at once.
            longest = int(np.argmax(np.asarray(self.lengths)[drawn]))
            drawn[[0, longest]] = drawn[[longest, 0]]
        return drawn

    def _rows(self, rows: Any) -> list[MicroBatch]:
        """Micro batches of the rows of a step, each of rows of like length."""
        order = rows[np.argsort(np.asarray(self.lengths)[rows], kind="stable")]
        bounds = self._bounds(order)
        return [order[start:end].tolist() for start, end in pairwise(bounds)]

    def _dice(self, use: str, number: int) -> np.random.RandomState:
        """Draws for a pass; this generator's numbers are the same in every release of numpy."""
        digest = hashlib.sha256(f"{use} {self.seed} {number}".encode()).digest()
        return np.random.RandomState(np.frombuffer(digest, "<u4"))

    def _batches(self, number: int) -> tuple[Any, Any]:
        """Fill batches in order of length; ties fall anew in each pass, the number of batches stays.

        Returns the rows in this order, and where in it the batches begin and the last one ends: arrays, of a
        few bytes a row.
        """
        ties = self._dice("ties", number).random_sample(len(self.lengths))
        order = np.lexsort((ties.astype("f4"), np.asarray(self.lengths))).astype("i4")
        return order, np.array(self._bounds(order))

    def _bounds(self, order: Any) -> list[int]:
        """Where in an order of rising length batches begin, and where the last one ends."""
        lengths = np.asarray(self.lengths)
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
        return [*bounds, len(order)]


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
