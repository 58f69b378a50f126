from __future__ import annotations

import asyncio

import pytest

from services.runtime.at_once import each_of

WAIT_SECONDS = 10


class Calls:
    """Calls that wait until they are let go."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self.in_flight = self.most = 0
        self.go = asyncio.Event()

    async def __call__(self, value: int) -> str:
        self.begun.append(value)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await self.go.wait()
            return f"<{value}>"
        except asyncio.CancelledError:
            self.cancelled.append(value)
            raise
        finally:
            self.in_flight -= 1


async def until(calls: Calls, count: int) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while len(calls.begun) < count:
            await asyncio.sleep(0)


async def test_results_come_in_order_and_no_more_calls_than_wanted_are_in_flight() -> None:
    calls = Calls()
    all_of_them = asyncio.create_task(each_of(range(100), calls, at_once=7))
    await until(calls, 7)
    await asyncio.sleep(0)
    assert calls.begun == list(range(7))
    calls.go.set()
    assert await all_of_them == [f"<{value}>" for value in range(100)]
    assert calls.most == 7
    assert await each_of([], calls) == []
    assert await each_of([5], calls) == ["<5>"]


async def test_the_first_error_ends_all_and_cancels_what_is_in_flight() -> None:
    calls = Calls()

    async def call(value: int) -> str:
        if value == 3:
            await until(calls, 3)
            raise ValueError(value)
        return await calls(value)

    with pytest.raises(ValueError, match="3"):
        await each_of(range(100), call, at_once=4)
    assert sorted(calls.cancelled) == [0, 1, 2]


async def test_a_caller_that_is_cancelled_leaves_nothing_in_flight() -> None:
    calls = Calls()
    all_of_them = asyncio.create_task(each_of(range(9), calls))
    await until(calls, 9)
    all_of_them.cancel()
    with pytest.raises(asyncio.CancelledError):
        await all_of_them
    assert (calls.in_flight, len(calls.cancelled)) == (0, 9)
