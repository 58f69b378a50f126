"""The items that this process works on, and how they are stopped when their jobs are.

An item is stopped by a time limit that is set to now, as `asyncio.timeout` tells such a cancellation from any
other: a process that is to end cancels tasks too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog

from services.runtime.job_records import Item, ItemClosed

log = structlog.get_logger()


@dataclass(eq=False)
class Work:
    """An item in work."""

    item: Item
    limit: asyncio.Timeout
    waits: set[asyncio.Timeout] = field(default_factory=set)
    """Of the places where it only waits."""
    gives_way: bool = False
    """It was stopped to be handed out again later."""
    leaving: bool = False
    """Its process is to end: what it would wait for, another one does."""
    waits_for: Callable[[], str] = str
    """Says what it waits for now, where people should know that."""


CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)


class GivesWay(Exception):
    """The item only waited where others had something to do: it is to be handed out again."""


class InWork:
    """The items that this process works on."""

    def __init__(self) -> None:
        self._works: set[Work] = set()
        self._leaving = False

    @property
    def job_ids(self) -> set[str]:
        """Jobs of the items."""
        return {work.item.job_id for work in self._works}

    def waits(self) -> dict[str, tuple[Item, str]]:
        """By job, one of its items that waits for something that people should know, and what that is."""
        found: dict[str, tuple[Item, str]] = {}
        for work in self._works:
            if work.item.job_id not in found and (told := work.waits_for()):
                found[work.item.job_id] = work.item, told
        return found

    @asynccontextmanager
    async def doing(self, item: Item) -> AsyncIterator[None]:
        """Around the work on an item.

        Raises:
            ItemClosed: it was stopped.
            GivesWay: it was, for others.
        """
        work = Work(item, asyncio.timeout(None), leaving=self._leaving)
        try:
            async with stoppable(work.limit):
                before = CURRENT.set(work)
                self._works.add(work)
                try:
                    yield
                finally:
                    self._works.discard(work)
                    CURRENT.reset(before)
        except ItemClosed:
            if work.gives_way:
                raise GivesWay from None
            raise

    def stop(self, states: Mapping[str, str]) -> None:
        """Stop the items of cancelled and deleted jobs, and those of paused ones that only wait.

        Args:
            states: by job; one that is not among them goes on.
        """
        for work in self._works:
            state = states.get(work.item.job_id)
            if state in {"cancelled", "deleted"}:
                expire(work.limit)
            elif state == "paused":
                for wait in work.waits:
                    expire(wait)

    def give_way(self, lane: str, count: int) -> None:
        """Have so many of a lane's items give way, as far as they only wait."""
        waiting = [work for work in self._works if work.waits and work.item.lane == lane]
        for work in waiting[:count]:
            send_back(work)

    def leave(self) -> None:
        """Have all items give way that only wait, now or from now on; those that spend something go on."""
        self._leaving = True
        for work in self._works:
            work.leaving = True
            if work.waits:
                send_back(work)

    def give_back(self) -> None:
        """Stop all items, to be handed out again: their process cannot wait for them any longer."""
        for work in self._works:
            work.gives_way = True
            expire(work.limit)


def send_back(work: Work) -> None:
    """End the waits of an item, so that it is handed out again."""
    work.gives_way = True
    for wait in work.waits:
        expire(wait)


def turn_in_work() -> int:
    """The turn of the item in work, by which it was handed out; 0 where none is."""
    work = CURRENT.get()
    return work.item.turn if work else 0


@asynccontextmanager
async def item_waiting() -> AsyncIterator[None]:
    """Around a wait in a handler before anything is spent, such as for room to call a model.

    Where no item is in work, it does nothing.

    Raises:
        ItemClosed: the job was paused, others need the slot, or the process is to end; the item is handed out
            again later.
    """
    work = CURRENT.get()
    if work is None:
        yield
        return
    if work.leaving:
        work.gives_way = True
        raise ItemClosed
    async with stoppable(asyncio.timeout(None)) as limit:
        work.waits.add(limit)
        try:
            yield
        finally:
            work.waits.discard(limit)


@contextmanager
def waiting_for(tell: Callable[[], str]) -> Iterator[None]:
    """Around a wait in a handler that may last; where no item is in work, it does nothing.

    Args:
        tell: says what is waited for; nothing while that is nobody's concern.
    """
    work = CURRENT.get()
    if work is None:
        yield
        return
    before, work.waits_for = work.waits_for, tell
    try:
        yield
    finally:
        work.waits_for = before


@asynccontextmanager
async def stoppable(limit: asyncio.Timeout) -> AsyncIterator[asyncio.Timeout]:
    """Around what somebody else may stop, by a time limit that is without end until then.

    Raises:
        ItemClosed: it was reached, whatever else came of that.
    """
    try:
        async with limit:
            yield limit
    except Exception:
        if limit.expired():
            raise ItemClosed from None
        raise


def expire(limit: asyncio.Timeout) -> None:
    """Let a time limit be reached now, once."""
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())


async def to_the_end(work: Coroutine[Any, Any, None], seconds: float) -> None:
    """Wait for what must not stop half-way, such as storing what was paid, though who waits is stopped.

    Args:
        work: runs in a task of its own.
        seconds: how long it may go on after a cancellation, which is raised when it has ended.

    Raises:
        Exception: what the work raises.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        try:
            await asyncio.wait_for(task, seconds)
        except Exception as error:
            log.warning(
                "stopped_half_way",
                what=getattr(work, "__qualname__", ""),
                error=str(error) or type(error).__name__,
            )
        raise
    await task
