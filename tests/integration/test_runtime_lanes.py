"""A project whose work hangs leaves slots to the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest_asyncio

from services.runtime.in_work import item_waiting
from services.runtime.jobs import Item
from tests.integration.job_desk import Desk, opened_desk, some, working
from tests.integration.processes import eventually
from tests.integration.stores import Stores

SLOW, QUICK = "018f0000-0000-7000-8000-00000000000a", "018f0000-0000-7000-8000-00000000001a"
SLOTS = 8


@pytest_asyncio.fixture
async def desk(stores: Stores) -> AsyncIterator[Desk]:
    async with opened_desk(stores) as opened:
        yield opened


class Half:
    """A handler for which the items of one project hang until they may go on."""

    def __init__(self, desk: Desk, *, waits: bool) -> None:
        self.desk = desk
        self.waits = waits
        self.hanging = 0
        self.most_beside = 0
        self.go_on = asyncio.Event()

    async def __call__(self, item: Item) -> None:
        if item.project_id == SLOW:
            self.hanging += 1
            try:
                await self._hang()
            finally:
                self.hanging -= 1
        else:
            self.most_beside = max(self.most_beside, self.hanging)
        await self.desk.store(item)

    async def _hang(self) -> None:
        if self.waits:
            async with item_waiting():
                await self.go_on.wait()
        else:
            await self.go_on.wait()

    async def has_hanging(self, count: int) -> bool:
        return self.hanging == count


async def test_a_project_whose_items_hang_holds_no_more_than_its_share_while_another_has_items(
    desk: Desk,
) -> None:
    work = Half(desk, waits=False)
    slow = await desk.job(some(100), project_id=SLOW)
    quick = await desk.job(some(100), project_id=QUICK)
    async with working(desk, concurrency=SLOTS, work=work):
        assert (await desk.end_of(quick)).state == "succeeded"
        assert work.most_beside < SLOTS
        # When it is alone again, all slots are its own.
        await eventually(lambda: work.has_hanging(SLOTS))
        work.go_on.set()
        assert (await desk.end_of(slow)).done == 100


async def test_items_that_only_wait_give_way_to_a_project_that_comes_later_and_are_done_once(
    desk: Desk,
) -> None:
    work = Half(desk, waits=True)
    slow = await desk.job(some(60), project_id=SLOW)
    async with working(desk, concurrency=SLOTS, work=work):
        await eventually(lambda: work.has_hanging(SLOTS))
        quick = await desk.job(some(60), project_id=QUICK)
        assert (await desk.end_of(quick)).state == "succeeded"
        assert (await desk.jobs.get(slow.id)).done == 0
        work.go_on.set()
        assert (await desk.end_of(slow)).done == 60
    assert await desk.results() == Counter({item.key: 2 for item in some(60)})


async def test_every_project_has_a_lane_of_its_own_while_they_are_not_more_than_lanes(desk: Desk) -> None:
    async def lane_of(job_id: str) -> str:
        return str(await desk.pool.fetchval("SELECT lane FROM jobs WHERE id = $1", job_id))

    projects = [f"018f0000-0000-7000-8000-0000000000{number:x}a" for number in range(16)]
    jobs = [await desk.job(some(1), project_id=project) for project in projects for _ in range(2)]
    lanes = [await lane_of(job.id) for job in jobs]
    assert len(set(lanes)) == 16
    assert lanes[::2] == lanes[1::2]
    # Who comes later shares with one of them; when that one has ended, its lane is free.
    more = await desk.job(some(1), project_id="018f0000-0000-7000-8000-000000000fff")
    assert await lane_of(more.id) == lanes[0]
    for job in jobs[2:4]:
        await desk.jobs.cancel(job.id)
    last = await desk.job(some(1), project_id="018f0000-0000-7000-8000-000000000ffe")
    assert await lane_of(last.id) == lanes[2]
