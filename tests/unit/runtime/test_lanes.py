"""Who gets the slots of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from services.runtime.lanes import LANES, Lanes, entrypoint, lane_of


def seeing(queued: str) -> Callable[[], Awaitable[str]]:
    async def look() -> str:
        return queued

    return look


async def taken(stack: AsyncExitStack, lanes: Lanes, lane: str, count: int) -> None:
    for _ in range(count):
        await stack.enter_async_context(lanes.slot(lane))


def test_the_lane_stands_in_the_name_of_items() -> None:
    name = entrypoint("write_answer", "b")
    assert (name, lane_of(name)) == ("write_answer/b", "b")
    assert {lane_of(entrypoint("work", lane)) for lane in LANES} == set(LANES)


async def test_a_lane_alone_may_take_all_slots_and_more() -> None:
    lanes = Lanes(4, 1)
    async with AsyncExitStack() as stack:
        await taken(stack, lanes, "a", 4)
        assert lanes.is_open("a")
        assert lanes.excess() == {}


async def test_a_lane_at_its_share_is_closed_while_another_is_active() -> None:
    lanes = Lanes(8, 2)
    async with AsyncExitStack() as stack:
        await taken(stack, lanes, "a", 5)
        await lanes.look(seeing("ab"))
        assert not lanes.is_open("a")
        assert lanes.is_open("b")
        await lanes.look(seeing("a"))
        assert lanes.is_open("a")
        await taken(stack, lanes, "b", 1)
        assert not lanes.is_open("a")


async def test_a_lane_stays_active_until_a_look_that_began_after_its_last_item() -> None:
    lanes = Lanes(8, 2)
    async with AsyncExitStack() as stack:
        await taken(stack, lanes, "a", 5)
        assert lanes.is_open("a")
        async with lanes.slot("b"):
            pass
        assert not lanes.is_open("a")

        async def begun_before_the_next_item() -> str:
            async with lanes.slot("b"):
                return "a"

        await lanes.look(begun_before_the_next_item)
        assert not lanes.is_open("a")
        await lanes.look(seeing("a"))
        assert lanes.is_open("a")


async def test_a_lane_is_open_while_enough_slots_are_spare() -> None:
    lanes = Lanes(100, 10)
    await lanes.look(seeing("0123456789"))
    async with AsyncExitStack() as stack:
        await taken(stack, lanes, "0", 80)
        assert lanes.is_open("0")
        await taken(stack, lanes, "0", 1)
        assert not lanes.is_open("0")


async def test_a_free_slot_goes_to_the_lane_that_has_the_fewest() -> None:
    lanes = Lanes(3, 1)
    seen: list[str] = []

    async def work(lane: str) -> None:
        async with lanes.slot(lane):
            seen.append(lane)
            await asyncio.sleep(0.01)

    async with AsyncExitStack() as stack:
        await taken(stack, lanes, "a", 2)
        async with lanes.slot("a"):
            tasks = [asyncio.create_task(work(lane)) for lane in "aaab"]
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
    assert seen == ["b", "a", "a", "a"]


async def test_who_is_cancelled_while_waiting_takes_no_slot() -> None:
    lanes = Lanes(1, 1)

    async def work() -> None:
        async with lanes.slot("a"):
            pass

    async with lanes.slot("a"):
        waiting, given = asyncio.create_task(work()), asyncio.create_task(work())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
    # The slot is given by now, but its new holder has not run yet.
    given.cancel()
    await asyncio.gather(waiting, given, return_exceptions=True)
    await asyncio.wait_for(work(), 1)
    assert lanes.is_open("a")


async def test_slots_beyond_a_share_are_to_be_given_to_a_lane_that_waits_with_less() -> None:
    lanes = Lanes(8, 1)
    async with AsyncExitStack() as stack:
        await taken(stack, lanes, "a", 7)
        await lanes.look(seeing("ab"))
        assert lanes.excess() == {}
        await taken(stack, lanes, "b", 1)
        assert lanes.excess() == {"a": 3}
        await lanes.look(seeing("a"))
        assert lanes.excess() == {}


async def test_a_worker_is_supplied_when_more_than_half_of_its_slots_have_something_to_do() -> None:
    lanes = Lanes(4, 1)
    async with AsyncExitStack() as stack:
        await taken(stack, lanes, "a", 2)
        assert not lanes.supplied
        await taken(stack, lanes, "b", 1)
        assert lanes.supplied
