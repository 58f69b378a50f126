"""Micro batches laid out in the machine's memory, and then moved: only the first is waiting for data.

A copy to an accelerator waits for what that computes, so its time says nothing about reading.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from services.trainer.engine.data import Sample
from services.trainer.engine.model import Batch, TrainableModel, pack, pad

_HERE = torch.device("cpu")


def laid_out(trainable: TrainableModel, samples: Sequence[Sample], pad_id: int) -> Batch:
    """Samples as a micro batch of the kind that the model takes, on the CPU."""
    return pack(samples, _HERE) if trainable.packed else pad(samples, pad_id, _HERE)


def moved(batch: Batch, device: torch.device) -> Batch:
    """The same on a device."""
    place, segments = batch.place, batch.segments
    return batch._replace(
        ids=batch.ids.to(device),
        positions=batch.positions.to(device),
        targets=batch.targets.to(device),
        rows=batch.rows.to(device),
        place=None if place is None else place.to(device),
        segments=None if segments is None else segments._replace(bounds=segments.bounds.to(device)),
    )
