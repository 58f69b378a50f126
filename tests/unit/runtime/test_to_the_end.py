"""What must not stop half-way goes on though the task that waits for it is stopped."""

from __future__ import annotations

import asyncio

import pytest

from services.runtime.in_work import to_the_end


class Storing:
    """Stores once it may."""

    def __init__(self) -> None:
        self.may, self.begun, self.stored = asyncio.Event(), asyncio.Event(), False

    async def store(self) -> None:
        self.begun.set()
        await self.may.wait()
        self.stored = True


async def test_what_is_stopped_while_it_stores_has_stored_when_the_stop_is_heard() -> None:
    storing = Storing()
    task = asyncio.create_task(to_the_end(storing.store(), 10))
    await storing.begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    storing.may.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert storing.stored


async def test_after_a_stop_it_is_waited_for_so_long_and_no_longer() -> None:
    storing = Storing()
    task = asyncio.create_task(to_the_end(storing.store(), 0.05))
    await storing.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    storing.may.set()
    await asyncio.sleep(0.01)
    assert not storing.stored


async def test_a_second_stop_ends_it_at_once() -> None:
    storing = Storing()
    task = asyncio.create_task(to_the_end(storing.store(), 10))
    await storing.begun.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not storing.stored


async def test_what_it_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("the disk is full")

    with pytest.raises(ValueError, match="the disk is full"):
        await to_the_end(fail(), 1)


async def test_what_it_raises_after_a_stop_does_not_hide_the_stop() -> None:
    begun = asyncio.Event()

    async def fail() -> None:
        begun.set()
        await asyncio.sleep(0.01)
        raise ValueError("the disk is full")

    task = asyncio.create_task(to_the_end(fail(), 1))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
