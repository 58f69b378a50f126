"""Which checkpoints of a run are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def kept(steps: Iterable[int], losses: Mapping[int, float], newest: int, best: int) -> set[int]:
    """The steps whose checkpoints are kept.

    Args:
        steps: of all checkpoints.
        losses: on the validation rows, of the steps at which they were measured.
        newest: how many of the newest are kept.
        best: how many of those with the lowest losses are kept; of equal ones the earlier.
    """
    known = sorted(steps)
    measured = sorted((step for step in known if step in losses), key=lambda step: (losses[step], step))
    return {*known[max(0, len(known) - newest) :], *measured[:best]}
