"""Which of the run's processes this one is, as `torchrun` tells its children; torch itself is not needed."""

from __future__ import annotations

import os


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """Processes of the run, over all nodes; each has one device."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Number of this process on its node, from 0: which of the node's devices is its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_size() -> int:
    """Processes on this node."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_child() -> bool:
    """Whether `torchrun` started this process."""
    return "RANK" in os.environ


def is_first() -> bool:
    """Whether this process speaks for all: it writes the events, the checkpoints and the adapter."""
    return rank() == 0
