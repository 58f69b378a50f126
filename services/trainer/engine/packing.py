"""Rows one after another without padding: packed micro batches.

A step's rows are laid end to end, up to as many tokens as the memory takes, and attention keeps to each row
by its bounds. No token is padding, and a small `batch_tokens` leaves no device idle. As the loss is a sum
over learned tokens, how a step is cut into micro batches changes nothing that the model learns.

Where rows begin alike (`prefixes`), a pack holds the beginning once, and rows go on from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import accumulate
from math import ceil
from typing import NamedTuple

import torch


class Segments(NamedTuple):
    """What each token of a packed micro batch sees: its own part up to itself, and what that goes on from.

    A part is a row, or a piece of rows that is there once though several have it.
    """

    bounds: torch.Tensor
    """Offsets of the parts and the end of the last, int32 [parts + 1], on the device."""
    lengths: list[int]
    """Tokens of each part."""
    origins: list[int]
    """The part that each goes on from, which lies before it; -1 where it begins rows."""
    key_bounds: torch.Tensor
    """`bounds` where each part has all that it sees before its own tokens."""
    key_places: torch.Tensor | None = None
    """These tokens, int64 [keys]; nothing where they are the tokens as they lie."""

    @property
    def seen(self) -> list[int]:
        """Tokens that the last one of each part sees, itself included."""
        seen: list[int] = []
        for length, origin in zip(self.lengths, self.origins, strict=True):
            seen.append(length + (seen[origin] if origin >= 0 else 0))
        return seen

    @property
    def longest(self) -> int:
        """Most tokens that one sees."""
        return max(self.seen)


def segments(lengths: list[int], device: torch.device, origins: list[int] | None = None) -> Segments:
    """Segments of parts that follow each other in this order; without origins, of whole rows."""
    bounds = _bounds(lengths).to(device)
    if origins is None or max(origins) < 0:
        return Segments(bounds, lengths, [-1] * len(lengths), bounds)
    places: list[torch.Tensor] = []
    for own, origin in zip(torch.split(torch.arange(sum(lengths)), lengths), origins, strict=True):
        places.append(own if origin < 0 else torch.cat([places[origin], own]))
    key_bounds = _bounds([len(each) for each in places]).to(device)
    return Segments(bounds, lengths, origins, key_bounds, torch.cat(places).to(device))


def _bounds(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)


def split_evenly(rows: Sequence[int], lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Cut a step's rows, indices into `lengths`, into the fewest packs of about equal size.

    Greedy: the longest row left goes to the pack with the fewest tokens (Graham, "Bounds on Multiprocessing
    Timing Anomalies", 1969). A row longer than `most_tokens` makes a pack of its own, over the limit.
    """
    tokens = {row: int(lengths[row]) for row in rows}
    total = sum(tokens.values())
    order = sorted(rows, key=lambda row: -tokens[row])
    count = max(1, ceil(total / most_tokens))
    while True:
        packs: list[list[int]] = [[] for _ in range(count)]
        sizes = [(0, pack) for pack in range(count)]
        for row in order:
            size, smallest = heappop(sizes)
            packs[smallest].append(row)
            heappush(sizes, (size + tokens[row], smallest))
        fits = all(size <= most_tokens or len(packs[pack]) == 1 for size, pack in sizes)
        if fits:
            return [pack for pack in packs if pack]
        count += 1


def parted(batches: Sequence[list[int]], lengths: Sequence[int], most_tokens: int) -> Sequence[list[int]]:
    """Micro batches cut into such of at most so many tokens; 0 leaves them as they are."""
    if not most_tokens:
        return batches
    return [part for batch in batches for part in split_evenly(batch, lengths, most_tokens)]
