"""Items in work whose jobs are stopped: they end at once, and the worker goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from services.runtime import worker
from services.runtime.db import transaction
from services.runtime.ids import new_id
from services.runtime.in_work import item_waiting
from services.runtime.jobs import Item, ItemClosed, Job
from tests.integration.job_desk import Desk, opened_desk, some, working
from tests.integration.processes import eventually
from tests.integration.stores import Stores

SOON_SECONDS = 3.0
"""Far below any wait of a hanging item, far above the half second that a worker takes on a quiet machine."""


@pytest_asyncio.fixture
async def desk(stores: Stores) -> AsyncIterator[Desk]:
    async with opened_desk(stores) as opened:
        yield opened


class Hanging:
    """A handler whose items of some jobs hang until they are cancelled."""

    def __init__(self, desk: Desk, *, waits: bool = False) -> None:
        self.desk = desk
        self.waits = waits
        self.hanging: set[str] = set()
        self.begun = 0
        self.stopped: list[str] = []
        self.left_over = asyncio.Event()

    async def __call__(self, item: Item) -> None:
        if item.job_id not in self.hanging:
            await self.desk.store(item)
            return
        self.begun += 1
        try:
            if self.waits:
                async with item_waiting():
                    await asyncio.sleep(3600)
            await self.left_over.wait()
            await self.desk.store(item)
        except (asyncio.CancelledError, ItemClosed):
            self.stopped.append(item.key)
            raise

    async def all_begun(self, count: int) -> None:
        async def reached() -> bool:
            return self.begun >= count

        await eventually(reached)


async def cancel(desk: Desk, job: Job) -> None:
    await desk.jobs.cancel(job.id)


async def delete(desk: Desk, job: Job) -> None:
    async with transaction(desk.pool) as connection:
        await desk.jobs.delete_project(connection, job.project_id or "")


async def no_delivery_left(desk: Desk) -> bool:
    return bool(await desk.pool.fetchval("SELECT NOT EXISTS (SELECT FROM pgqueuer)"))


async def test_what_does_not_end_before_its_worker_does_is_handed_to_another_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 0.1)
    work = Hanging(desk)
    job = await desk.job(some(4))
    work.hanging.add(job.id)
    async with working(desk, concurrency=4, work=work):
        await work.all_begun(4)
    assert len(work.stopped) == 4
    work.hanging.clear()
    started = time.monotonic()
    async with working(desk, concurrency=4, work=work):
        ended = await desk.end_of(job)
    # Far below the heartbeat, after which a worker counts as dead.
    assert time.monotonic() - started < SOON_SECONDS
    assert (ended.state, ended.done) == ("succeeded", 4)


@pytest.mark.parametrize("stop", [cancel, delete])
async def test_the_items_of_a_stopped_job_end_at_once_and_free_their_slots(
    desk: Desk, stop: Callable[[Desk, Job], Awaitable[None]]
) -> None:
    work = Hanging(desk)
    job = await desk.job(some(20), project_id=new_id())
    work.hanging.add(job.id)
    async with working(desk, concurrency=4, work=work):
        await work.all_begun(4)
        other = await desk.job(some(5), project_id=new_id())
        await stop(desk, job)
        started = time.monotonic()
        ended = await desk.end_of(other)
        assert time.monotonic() - started < SOON_SECONDS
        assert (ended.state, ended.done) == ("succeeded", 5)
        assert len(work.stopped) == work.begun == 4
        await eventually(lambda: no_delivery_left(desk))
        assert await desk.jobs.recover() == 0
    assert len(await desk.results()) == 5


async def test_an_item_that_its_end_finds_cancelled_stores_nothing_and_is_not_tried_again(desk: Desk) -> None:
    tries = 0

    async def stubborn(item: Item) -> None:
        nonlocal tries
        tries += 1
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise ConnectionError("the server hung up") from None

    job = await desk.job(some(1))
    async with working(desk, work=stubborn):

        async def begun() -> bool:
            return tries > 0

        await eventually(begun)
        await desk.jobs.cancel(job.id)
        await eventually(lambda: no_delivery_left(desk))
    assert tries == 1
    assert await desk.counts(job) == (1, 0, 0, 1)


async def test_of_a_paused_job_the_items_that_only_wait_end_at_once_and_are_done_after_the_resume(
    desk: Desk,
) -> None:
    work = Hanging(desk, waits=True)
    job = await desk.job(some(3))
    work.hanging.add(job.id)
    async with working(desk, concurrency=4, work=work):
        await work.all_begun(3)
        await desk.jobs.pause(job.id)
        await eventually(lambda: no_delivery_left(desk), SOON_SECONDS)
        assert len(work.stopped) == 3
        assert await desk.counts(job) == (3, 0, 0, 0)
        work.hanging.clear()
        await desk.jobs.resume(job.id)
        ended = await desk.end_of(job)
    assert (ended.state, ended.done) == ("succeeded", 3)


async def test_of_a_paused_job_the_items_in_work_go_on(desk: Desk) -> None:
    work = Hanging(desk)
    job = await desk.job(some(3))
    work.hanging.add(job.id)
    async with working(desk, concurrency=4, work=work):
        await work.all_begun(3)
        await desk.jobs.pause(job.id)
        await asyncio.sleep(1)
        assert work.stopped == []
        work.left_over.set()
        assert (await desk.end_of(job)).state == "succeeded"


async def test_of_a_worker_that_is_to_end_the_items_that_wait_go_back_and_those_in_work_end(
    desk: Desk,
) -> None:
    begun, waited, end = 0, 0, asyncio.Event()

    async def work(item: Item) -> None:
        nonlocal begun, waited
        begun += 1
        if begun > 2:
            waited += 1
            async with item_waiting():
                await asyncio.sleep(3600)
        await end.wait()
        await desk.store(item)

    job = await desk.job(some(8))
    async with working(desk, concurrency=4, work=work):

        async def full() -> bool:
            return waited == 2

        await eventually(full)
        asyncio.get_running_loop().call_later(1.5, end.set)
        started = time.monotonic()
    assert 1 < time.monotonic() - started < SOON_SECONDS
    assert begun == 4
    assert await desk.counts(job) == (8, 2, 0, 0)
    assert await desk.pool.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'") == 6


async def test_an_item_of_a_worker_that_is_to_end_begins_no_wait(desk: Desk) -> None:
    reached, end, went_on = asyncio.Event(), asyncio.Event(), False

    async def work(item: Item) -> None:
        nonlocal went_on
        reached.set()
        await end.wait()
        async with item_waiting():
            went_on = True

    job = await desk.job(some(1))
    async with working(desk, work=work):
        await reached.wait()
        asyncio.get_running_loop().call_later(0.5, end.set)
    assert not went_on
    assert await desk.counts(job) == (1, 0, 0, 0)
    assert await desk.pool.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'") == 1


async def test_a_wait_outside_of_any_item_is_a_wait() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), item_waiting():
            await asyncio.sleep(10)
    async with item_waiting():
        waited = await asyncio.sleep(0, "until its end")
    assert waited == "until its end"
