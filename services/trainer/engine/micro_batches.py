"""Micro batches on the device: rows padded to the longest, or packed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch

from services.trainer.engine import prefixes
from services.trainer.engine.data import Sample
from services.trainer.engine.packing import Segments, segments

_Piece = tuple[int, int, int]
"""Tokens of a row that lie together: the first one's place in the row, the end of them, and the first one's
place in the flattened ids."""


class Batch(NamedTuple):
    """A micro batch on the device."""

    ids: torch.Tensor
    """Token ids, int64 [rows, length], padded on the right."""
    positions: torch.Tensor
    """Where a learned token is predicted: indices into the flattened [rows * length], int64 [supervised]."""
    targets: torch.Tensor
    """The learned tokens, int64 [supervised]."""
    tokens: int
    """Real tokens; ids.numel() counts the padding too, and what rows share once."""
    rows: torch.Tensor
    """Of each learned token the row, int64 [supervised]."""
    row_count: int
    lengths: tuple[int, ...]
    """Real tokens of each row."""
    place: torch.Tensor | None = None
    """Of packed rows: each token's place in its row, int64 [1, tokens]."""
    segments: Segments | None = None
    """Of packed rows: where each lies."""
    spared: int = 0
    """Real tokens that are not among the ids, since rows share them."""


def pad(samples: Sequence[Sample], pad_id: int, device: torch.device) -> Batch:
    """Pad samples on the right to the longest of them."""
    length = max(len(sample.ids) for sample in samples)
    ids = torch.full((len(samples), length), pad_id, dtype=torch.int64)
    for row, sample in enumerate(samples):
        ids[row, : len(sample.ids)] = torch.tensor(sample.ids, dtype=torch.int64)
    pieces = [[(0, length, row * length)] for row in range(len(samples))]
    return _batch(ids, samples, pieces, device)


def pack(samples: Sequence[Sample], device: torch.device, *, share: bool = False) -> Batch:
    """Lay samples end to end; where they may share what they begin with, this is there once.

    A label that rows share counts as often as they have it.
    """
    rows = [sample.ids for sample in samples]
    layout = prefixes.shared(rows) if share else prefixes.whole(rows)
    parts = layout.parts
    lengths = [part.end - part.start for part in parts]
    offsets = [0, *accumulate(lengths)]
    ids = torch.cat(
        [torch.tensor(rows[part.row][part.start : part.end], dtype=torch.int64) for part in parts]
    )
    place = torch.cat([torch.arange(part.start, part.end) for part in parts])
    pieces = [
        [(parts[number].start, parts[number].end, offsets[number]) for number in layout.path(row)]
        for row in range(len(samples))
    ]
    batch = _batch(ids[None], samples, pieces, device)
    return batch._replace(
        place=place[None].to(device),
        segments=segments(lengths, device, [part.origin for part in parts]),
        spared=batch.tokens - len(ids),
    )


def _batch(
    ids: torch.Tensor, samples: Sequence[Sample], pieces: Sequence[Sequence[_Piece]], device: torch.device
) -> Batch:
    """Move a micro batch whose rows lie in these pieces of the flattened ids to the device."""
    positions: list[int] = []
    targets: list[int] = []
    rows: list[int] = []
    for row, (lying, sample) in enumerate(zip(pieces, samples, strict=True)):
        for start, end in sample.spans:
            # The token at i is predicted at i - 1.
            for first, beyond, place in lying:
                shift = place - first
                positions += range(max(start - 1, first) + shift, min(end - 1, beyond) + shift)
            targets += sample.ids[start:end]
            rows += [row] * (end - start)
    return Batch(
        ids.to(device),
        # With the type said, since there may be none.
        torch.tensor(positions, dtype=torch.int64).to(device),
        torch.tensor(targets, dtype=torch.int64).to(device),
        sum(len(sample.ids) for sample in samples),
        torch.tensor(rows, dtype=torch.int64).to(device),
        len(samples),
        tuple(len(sample.ids) for sample in samples),
    )
