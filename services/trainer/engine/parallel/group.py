"""What the run's processes agree on; with one process everything here is what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from torch import distributed

from services.trainer.engine.parallel import place

T = TypeVar("T")

_PATIENCE = timedelta(minutes=30)
"""How long the others may take to arrive, such as while one of them reads a large model."""


@contextmanager
def joined(mine: torch.device) -> Iterator[None]:
    """Be one of the run's processes: by NCCL (on a DCU, RCCL) on accelerators, by gloo on CPUs."""
    if not place.is_child():
        yield
        return
    if mine.type == "cuda":
        torch.cuda.set_device(mine)
    distributed.init_process_group("nccl" if mine.type == "cuda" else "gloo", timeout=_PATIENCE)
    yield
    # Whoever leaves first would look like a failure to the others.
    distributed.barrier()
    # Not after an error: it might wait for messages that nobody sends any more.
    distributed.destroy_process_group()


def _is_many() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def device() -> torch.device:
    """Where this group's messages lie."""
    on_cuda = _is_many() and distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_cuda else torch.device("cpu")


def add_up(tensor: torch.Tensor) -> torch.Tensor:
    """Replace a tensor, on every process, by the sum over all; returns it."""
    if _is_many():
        distributed.all_reduce(tensor)
    return tensor


def least(value: int) -> int:
    """The smallest of the processes' numbers."""
    if not _is_many():
        return value
    found = torch.tensor(value, device=device())
    distributed.all_reduce(found, op=distributed.ReduceOp.MIN)
    return int(found)


def most(value: int) -> int:
    """The largest of the processes' numbers."""
    return -least(-value)


def any_of(value: bool) -> bool:
    """Whether it is so on any process."""
    return least(int(not value)) == 0


def of_first(value: Callable[[], int]) -> int:
    """What the first process finds; the others do not look."""
    if not _is_many():
        return int(value())
    found = torch.tensor(int(value()) if place.is_first() else 0, device=device())
    return int(add_up(found))


def gathered(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Every process' tensor, on the CPU; all have the same shape."""
    if not _is_many():
        return [tensor]
    mine = tensor.to(device())
    found = [torch.empty_like(mine) for _ in range(place.size())]
    distributed.all_gather(found, mine)
    return [each.cpu() for each in found]


def as_first(tensor: torch.Tensor) -> None:
    """Replace a tensor, on every process, by the first's."""
    if _is_many():
        sent = tensor.detach().to(device())
        distributed.broadcast(sent, 0)
        tensor.copy_(sent)


def first_then_others(work: Callable[[], T]) -> T:
    """Let the first process do what leaves a file that spares the others the work."""
    if place.is_first():
        found = work()
        wait()
        return found
    wait()
    return work()


def wait() -> None:
    """Go on when all have come here."""
    if _is_many():
        distributed.barrier()


@contextmanager
def filled_by_all(made: Callable[[], AbstractContextManager[Path]], folder: Path) -> Iterator[Path]:
    """Fill a folder together: the first process makes it as `folder`, and ends it when all have written."""
    if not place.is_first():
        wait()
        yield folder
        wait()
        return
    with made() as mine:
        wait()
        yield mine
        wait()
