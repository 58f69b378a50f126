"""Rows one after another without padding: what a micro batch is on an accelerator.

A step's rows are laid end to end, up to as many tokens as the memory takes, and attention keeps to each row
by its bounds. No token is padding, and a small `batch_tokens` leaves no device idle. As the loss is a sum
over learned tokens, how a step is cut into micro batches changes nothing that the model learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import ceil
from typing import NamedTuple

import torch


class Segments(NamedTuple):
    """Where each row of a packed micro batch lies."""

    bounds: torch.Tensor
    """Offsets of the rows and the end of the last, int32 [rows + 1], on the device."""
    lengths: list[int]
    """Tokens of each row."""

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max(self.lengths)


def segments(lengths: list[int], device: torch.device) -> Segments:
    """Segments of rows that follow each other in this order."""
    bounds = [0]
    for length in lengths:
        bounds.append(bounds[-1] + length)
    return Segments(torch.tensor(bounds, dtype=torch.int32).to(device), lengths)


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
