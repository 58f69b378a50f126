from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

import pytest

from services.runtime.errors import InvalidArgument, Unavailable
from services.runtime.jobs import ItemClosed
from services.trainer.guarding import patiently, to_its_end, unless


@dataclass
class Work:
    """Notes how it ended."""

    ends: list[str] = field(default_factory=list)

    async def do(self, seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            # What stops an engine takes its time.
            await asyncio.sleep(0.05)
            self.ends.append("stopped")
            raise
        self.ends.append("done")
        return "result"


async def soon() -> None:
    await asyncio.sleep(0.01)


async def broken() -> None:
    raise ValueError("guard")


async def test_work_that_is_done_in_time_gives_its_result() -> None:
    work = Work()
    assert await unless(work.do(0), asyncio.sleep(60)) == "result"
    assert work.ends == ["done"]


async def test_pointless_work_is_stopped_before_the_item_is_closed() -> None:
    work = Work()
    with pytest.raises(ItemClosed):
        await unless(work.do(60), soon())
    assert work.ends == ["stopped"]


async def test_work_is_stopped_when_its_guard_breaks() -> None:
    work = Work()
    with pytest.raises(ValueError, match="guard"):
        await unless(work.do(60), broken())
    assert work.ends == ["stopped"]


async def test_work_is_stopped_with_the_task_that_wants_it() -> None:
    work = Work()
    task = asyncio.create_task(unless(work.do(60), asyncio.sleep(60)))
    await soon()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ends == ["stopped"]


async def test_what_a_thread_does_has_ended_when_its_cancellation_is_seen() -> None:
    begun, may_end = asyncio.Event(), threading.Event()
    ends: list[str] = []

    def upload() -> None:
        asyncio.run_coroutine_threadsafe(mark(begun), loop)
        may_end.wait(10)
        ends.append("stored")

    loop = asyncio.get_running_loop()
    task = asyncio.create_task(to_its_end(asyncio.to_thread(upload)))
    await begun.wait()
    task.cancel()
    loop.call_later(0.05, may_end.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ends == ["stored"]


async def mark(event: asyncio.Event) -> None:
    event.set()


async def test_a_store_that_comes_back_in_time_is_waited_for() -> None:
    tries: list[int] = []

    async def attempt() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionRefusedError
        if len(tries) == 2:
            raise Unavailable("STORAGE_UNAVAILABLE", "away")
        return "stored"

    assert await patiently(attempt, seconds=10) == "stored"


async def test_patience_ends() -> None:
    async def attempt() -> None:
        raise Unavailable("STORAGE_UNAVAILABLE", "away")

    with pytest.raises(Unavailable):
        await patiently(attempt, seconds=0.1)


async def test_what_will_never_work_is_tried_once() -> None:
    tries: list[int] = []

    async def attempt() -> None:
        tries.append(1)
        raise InvalidArgument("FIELD_INVALID", "wrong")

    with pytest.raises(InvalidArgument):
        await patiently(attempt, seconds=10)
    assert tries == [1]
