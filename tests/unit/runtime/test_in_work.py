"""How items in work are stopped from outside."""

from __future__ import annotations

import asyncio

import pytest

from services.runtime.in_work import InWork, item_waiting, waiting_for
from services.runtime.jobs import Item, ItemClosed


def item_of(job_id: str) -> Item:
    return Item("item", job_id, "018f0000-0000-7000-8000-00000000000a", "", "work", "", "", {}, lane="a")


async def test_an_item_whose_job_nobody_asked_for_goes_on() -> None:
    in_work = InWork()
    async with in_work.doing(item_of("new")):
        assert in_work.job_ids == {"new"}
        in_work.stop({"other": "cancelled"})
        await asyncio.sleep(0)
    assert in_work.job_ids == set()


@pytest.mark.parametrize("state", ["cancelled", "deleted"])
async def test_an_item_of_a_stopped_job_is_stopped_once_and_closed(state: str) -> None:
    in_work, ended = InWork(), False
    with pytest.raises(ItemClosed):
        async with in_work.doing(item_of("job")):
            try:
                in_work.stop({"job": state})
                await asyncio.sleep(10)
            finally:
                # What it cleans up is not stopped again.
                in_work.stop({"job": state})
                await asyncio.sleep(0.01)
                ended = True
    assert ended


async def test_a_pause_ends_waits_and_nothing_else() -> None:
    in_work = InWork()
    async with in_work.doing(item_of("job")):
        in_work.stop({"job": "paused"})
        await asyncio.sleep(0)
    with pytest.raises(ItemClosed):
        async with in_work.doing(item_of("job")), item_waiting():
            in_work.stop({"job": "paused"})
            await asyncio.sleep(10)


async def test_what_an_item_waits_for_is_told_as_long_as_it_waits() -> None:
    in_work, told = InWork(), ["", "a pause until noon"]
    item = item_of("job")
    async with in_work.doing(item), in_work.doing(item_of("other")):
        assert in_work.waits() == {}
        with waiting_for(lambda: told[0]):
            assert in_work.waits() == {}
            told[0] = "a place"
            with waiting_for(lambda: told[1]):
                assert {job: text for job, (_, text) in in_work.waits().items()} == {"other": told[1]}
            assert {job: text for job, (_, text) in in_work.waits().items()} == {"other": "a place"}
        assert in_work.waits() == {}
    with waiting_for(lambda: "nobody works"):
        assert in_work.waits() == {}


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    in_work = InWork()

    async def work() -> None:
        async with in_work.doing(item_of("job")), item_waiting():
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
