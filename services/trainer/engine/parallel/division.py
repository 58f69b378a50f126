"""How a step's rows are divided among the run's processes.

The rows of a step are the same on any number of devices, and so is its loss. Whole micro batches are dealt
out first; what is left over, fewer than there are devices, is cut between rows, so that no device is idle
while another has two rows or more to do.
"""

from __future__ import annotations

from collections.abc import Sequence

MicroBatch = list[int]


def divide(batches: Sequence[MicroBatch], lengths: Sequence[int], size: int) -> list[list[MicroBatch]]:
    """The micro batches of each process, equally many; where there are too few rows some are empty.

    Args:
        batches: of a step, indices into `lengths`.
        lengths: tokens of each row.
        size: number of processes.
    """
    if size == 1:
        return [list(batches)]
    # In order of cost, so that processes that wait for each other have about the same to do.
    order = sorted(batches, key=lambda batch: -_cost(batch, lengths))
    whole = len(order) - len(order) % size
    shares = [order[first:whole:size] for first in range(size)]
    left = [row for batch in order[whole:] for row in batch]
    if left:
        for share, part in zip(shares, _cut(left, lengths, size), strict=True):
            share.append(part)
    return shares


def _cost(batch: MicroBatch, lengths: Sequence[int]) -> int:
    return sum(lengths[row] for row in batch)


def _cut(rows: list[int], lengths: Sequence[int], size: int) -> list[MicroBatch]:
    """Cut rows into parts of about as many tokens, each of like lengths."""
    parts: list[MicroBatch] = [[] for _ in range(size)]
    total = sum(lengths[row] for row in rows)
    done = 0
    for row in sorted(rows, key=lambda row: (lengths[row], row)):
        middle = done + lengths[row] / 2
        parts[min(size - 1, int(size * middle / total))].append(row)
        done += lengths[row]
    return parts
