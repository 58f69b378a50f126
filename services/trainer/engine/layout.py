"""Micro batches laid out in the machine's memory, and then moved: only the first is waiting for data.

A copy to an accelerator waits for what that computes, so its time says nothing about reading.
"""

from __future__ import annotations

import torch

from services.trainer.engine.micro_batches import Batch
from services.trainer.engine.packing import Segments

HERE = torch.device("cpu")
"""Where micro batches are laid out."""


def moved(batch: Batch, device: torch.device) -> Batch:
    """The same on a device."""
    place, segments = batch.place, batch.segments
    return batch._replace(
        ids=batch.ids.to(device),
        positions=batch.positions.to(device),
        targets=batch.targets.to(device),
        rows=batch.rows.to(device),
        place=None if place is None else place.to(device),
        segments=None if segments is None else _moved_segments(segments, device),
    )


def _moved_segments(segments: Segments, device: torch.device) -> Segments:
    places = segments.key_places
    return segments._replace(
        bounds=segments.bounds.to(device),
        key_bounds=segments.key_bounds.to(device),
        key_places=None if places is None else places.to(device),
    )
