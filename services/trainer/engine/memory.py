"""How many tokens a micro batch may have on an accelerator, found by trying two small ones.

Activations grow in proportion to the tokens of packed rows, so two passes give the line; it holds for any
model, precision and device, which a formula over config.json does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from services.trainer.engine.data import Sample
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


def plan(trainable: TrainableModel, samples: list[Sample]) -> MemoryPlan:
    """Try two micro batches and return what fits. Raises torch's OutOfMemoryError if the smallest does not.

    Leaves gradients in the adapters, which are the caller's to clear, and the random state as it was.
    """
    longest = max(samples, key=lambda sample: len(sample.ids))
    few, many = (max(1, probe // len(longest.ids)) for probe in _PROBES)
    many = max(many, few + 1)
    length = len(longest.ids)

    def peak(count: int) -> int:
        batch = trainable.collate([longest] * count, pad_id=0)
        with torch.random.fork_rng(devices=[trainable.device]):
            return _peak_bytes(lambda: trainable.summed_loss(batch).backward())  # type: ignore[no-untyped-call]

    peak(few)  # The first pass also pays for workspaces of the libraries.
    low, high = peak(few), peak(many)
    slope = max(1.0, (high - low) / ((many - few) * length))
    fixed = low - slope * few * length + _missing_logits(trainable, longest, many)
    room = _device_bytes(trainable.device) * (1.0 - _SPARE)
    most = int(min(ENOUGH_TOKENS, max((room - fixed) / slope, length)))
    return MemoryPlan(most, int(fixed + slope * most))


def _peak_bytes(work: Callable[[], object]) -> int:
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated()


def _device_bytes(device: torch.device) -> int:
    """Bytes that this process has or can still get."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device)


def _missing_logits(trainable: TrainableModel, sample: Sample, count: int) -> int:
    """Bytes of logits that a larger micro batch adds to those of the second trial."""
    tried = count * sum(end - start for start, end in sample.spans)
    missing = max(0, trainable.logits_positions - tried)
    vocabulary, dtype = trainable.head_size
    # In the model's precision and in fp32, both at once.
    return missing * vocabulary * (dtype.itemsize + 4)
