"""How many tokens a micro batch may have on an accelerator, found by trying two small ones.

Activations grow in proportion to the tokens of packed rows, so two passes give the line; it holds for any
model, precision and device, which a formula over config.json does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from services.trainer.engine.data import Sample
from services.trainer.engine.micro_batches import pack
from services.trainer.engine.model import TrainableModel

ENOUGH_TOKENS = 16_384
"""More in a micro batch makes no device faster, and only needs memory."""
_PROBES = (1024, 3072)
"""Tokens of the two trials."""
_SPARE = 0.08
"""Share of the device that is left to the allocator's gaps and to what the estimate misses."""


@dataclass
class MemoryPlan:
    """What a micro batch of packed rows may be."""

    most_tokens: int
    """Most tokens, unless one row alone has more."""
    estimate_bytes: int = 0
    """Expected peak of a micro batch of `most_tokens`; 0 where it was not estimated."""

    def within(self, tokens: int) -> MemoryPlan:
        """This plan with at most so many tokens; 0 sets no limit."""
        return replace(self, most_tokens=min(self.most_tokens, tokens)) if tokens else self


def plan(trainable: TrainableModel, samples: list[Sample], step_tokens: int) -> MemoryPlan:
    """Try two micro batches and return what fits. Raises torch's OutOfMemoryError if the smallest does not.

    Args:
        trainable: whose micro batches are packed, on an accelerator.
        samples: of the run; the longest is what is tried.
        step_tokens: most tokens of a step; a micro batch never has more.

    Leaves gradients in the adapters, which are the caller's to clear, and the random state as it was.
    """
    longest = max(samples, key=lambda sample: len(sample.ids))
    length = len(longest.ids)
    # One learned token, so that logits do not pass for a cost of every token.
    longest = longest._replace(spans=((length - 1, length),))
    few = max(1, _PROBES[0] // length)
    many = max(few + 1, _PROBES[1] // length)

    def peak(count: int) -> int:
        # Whole, though they are alike: rows that share nothing need the most.
        batch = pack([longest] * count, trainable.device)
        with torch.random.fork_rng(devices=[trainable.device]):
            return _peak_bytes(lambda: trainable.summed_loss(batch).backward())  # type: ignore[no-untyped-call]

    peak(few)  # The first pass also pays for workspaces of the libraries.
    low, high = peak(few), peak(many)
    slope = max(1.0, (high - low) / ((many - few) * length))
    fixed = low - slope * few * length + _logits_bytes(trainable)
    room = _device_bytes(trainable.device) * (1.0 - _SPARE)
    most = int(min(ENOUGH_TOKENS, max(step_tokens, length), max((room - fixed) / slope, length)))
    return MemoryPlan(most, int(fixed + slope * most))


def _peak_bytes(work: Callable[[], object]) -> int:
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated()


def _device_bytes(device: torch.device) -> int:
    """Bytes that this process has or can still get."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device)


def _logits_bytes(trainable: TrainableModel) -> int:
    """Most that the logits of a chunk take: in the model's precision and twice in fp32."""
    vocabulary, dtype = trainable.head_size
    return trainable.logits_positions * vocabulary * (dtype.itemsize + 2 * 4)
