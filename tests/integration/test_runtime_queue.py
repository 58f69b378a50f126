"""How a worker looks into the queue: at once while it has little to do, else not for every single item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from services.runtime import queue, worker
from services.runtime.jobs import Item, Jobs, NewItem
from services.runtime.lanes import LANES, entrypoint
from services.runtime.queue import choosy_manager
from tests.integration.job_desk import Desk, opened_desk, some, working
from tests.integration.processes import eventually
from tests.integration.stores import Stores

BATCH = 4


@pytest_asyncio.fixture
async def desk(stores: Stores) -> AsyncIterator[Desk]:
    async with opened_desk(stores) as opened:
        yield opened


@pytest_asyncio.fixture
async def ours(stores: Stores) -> AsyncIterator[Desk]:
    """The same jobs over a connection that is not lost."""
    async with stores.pool("ingest", 1) as pool:
        await pool.execute("SET application_name = 'tests'")
        yield Desk(Jobs(pool, "ingest"), pool)


async def times_of(desk: Desk, *, supplied: bool) -> list[float]:
    """When each item of a queue was handed out, in seconds after the first."""

    async def work(_: object) -> None: ...

    manager = choosy_manager(desk.pool, "ingest", lambda _: True, lambda: supplied)
    for lane in LANES:
        manager.entrypoint(entrypoint("work", lane))(work)
    clock, times = asyncio.get_running_loop().time, []
    async for _ in manager.fetch_jobs(BATCH, None, timedelta(seconds=5)):
        times.append(clock())
        if len(times) == BATCH + 1:
            await desk.job(some(1))
    return [time - times[0] for time in times]


@pytest.mark.parametrize("supplied", [True, False])
async def test_after_a_look_that_found_few_items_one_who_has_enough_to_do_pauses(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, supplied: bool
) -> None:
    monkeypatch.setattr(queue, "SUPPLIED_SECONDS", 1.5)
    await desk.job(some(BATCH + 1))
    times = await times_of(desk, supplied=supplied)
    assert len(times) == BATCH + 2
    # A full look is followed by the next at once.
    assert times[BATCH] < 1.5
    assert (times[BATCH + 1] - times[BATCH] >= 1.5) == supplied


async def test_a_worker_whose_connections_were_lost_goes_on_while_an_item_is_still_in_work(
    desk: Desk, ours: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that it asks the database all the time, and is in the middle of it.
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.001)
    may_end, begun = asyncio.Event(), asyncio.Event()

    async def wait(_: Item) -> None:
        begun.set()
        await may_end.wait()

    slow = await ours.job([NewItem("wait", "slow")])
    async with working(desk, wait=wait, work=desk.store):
        await begun.wait()
        # At whatever moment: in a look into the queue, after it, and while nothing is there.
        for number in range(40):
            await lose_connections(ours)
            await asyncio.sleep(0.01 * (number % 7))
        for _ in range(2):
            job = await ours.job(some(5))
            assert (await ours.end_of(job)).state == "succeeded"
            await lose_connections(ours)
        assert (await ours.jobs.get(slow.id)).state == "running"
        may_end.set()


@pytest.mark.full
async def test_a_worker_that_is_idle_after_such_a_loss_hears_of_new_items_again(
    desk: Desk, ours: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL_SECONDS", 6.0)
    async with working(desk, work=desk.store):
        assert (await ours.end_of(await ours.job(some(1)))).state == "succeeded"
        await lose_connections(ours)
        assert (await ours.end_of(await ours.job(some(1)))).state == "succeeded"
        await eventually(lambda: listens(ours), 25)
        async with asyncio.timeout(5):
            assert (await ours.end_of(await ours.job(some(1)))).state == "succeeded"


async def lose_connections(desk: Desk) -> None:
    """End all connections of the room, as a restart of Postgres does."""
    await desk.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sishu-ingest'"
    )


async def listens(desk: Desk) -> bool:
    """Whether somebody listens for new items."""
    return bool(
        await desk.pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'listen %' AND datname = current_database()"
        )
    )
