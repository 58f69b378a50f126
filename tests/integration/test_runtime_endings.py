"""Results of items that end at about the same time: stored together, and each as if it were alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from services.runtime.db import Connection
from services.runtime.errors import InvalidArgument
from services.runtime.jobs import Item, ItemClosed, NewItem
from tests.integration.job_desk import Desk, opened_desk, some
from tests.integration.stores import Stores


@pytest_asyncio.fixture
async def desk(stores: Stores) -> AsyncIterator[Desk]:
    async with opened_desk(stores) as opened:
        yield opened


def storing(item: Item) -> Callable[[Connection], Awaitable[None]]:
    async def store(connection: Connection) -> None:
        await connection.execute("INSERT INTO results (key) VALUES ($1)", item.key)

    return store


async def spoiling(connection: Connection) -> None:
    await connection.execute("INSERT INTO results (key) VALUES (NULL)")


async def test_items_that_end_together_share_a_transaction_and_the_last_ends_the_job(desk: Desk) -> None:
    job = await desk.job(some(150))
    items = await desk.items(job)
    seen: set[int] = set()

    async def end(item: Item) -> None:
        async def store(connection: Connection) -> None:
            await storing(item)(connection)
            seen.add(await connection.fetchval("SELECT pg_current_xact_id()::text::bigint"))

        await desk.jobs.finish_held(item, store)

    await asyncio.gather(*map(end, items))
    assert await desk.results() == {item.key: 1 for item in items}
    assert await desk.counts(job) == (150, 150, 0, 0)
    assert (await desk.jobs.get(job.id)).state == "succeeded"
    assert len(seen) <= 5


async def test_one_whose_result_cannot_be_stored_spoils_no_other(desk: Desk) -> None:
    job = await desk.job(some(10))
    items = await desk.items(job)
    stores = [spoiling if item.key == "0004" else storing(item) for item in items]
    ends = await asyncio.gather(*map(desk.jobs.finish_held, items, stores), return_exceptions=True)
    assert [type(end).__name__ for end in ends].count("NotNullViolationError") == 1
    assert type(ends[4]).__name__ == "NotNullViolationError"
    assert await desk.results() == {item.key: 1 for item in items if item.key != "0004"}
    assert await desk.counts(job) == (10, 9, 0, 0)


async def test_closed_items_among_them_are_told_and_not_stored(desk: Desk) -> None:
    cancelled, failed, job = [await desk.job(some(2)) for _ in range(3)]
    items = [item for one in (cancelled, failed, job) for item in await desk.items(one)]
    await desk.jobs.cancel(cancelled.id)
    await desk.jobs.fail(items[2], InvalidArgument("BAD", "no good"))
    ends = await asyncio.gather(
        *(desk.jobs.finish_held(item, storing(item)) for item in items), return_exceptions=True
    )
    assert [type(end) for end in ends] == [ItemClosed, ItemClosed, ItemClosed] + 3 * [type(None)]
    assert await desk.results() == {"0000": 1, "0001": 2}
    assert await desk.counts(cancelled) == (2, 0, 0, 2)
    assert await desk.counts(failed) == (2, 1, 1, 0)
    assert (await desk.jobs.get(job.id)).state == "succeeded"


async def test_an_item_that_was_handed_out_twice_is_stored_once(desk: Desk) -> None:
    job = await desk.job(some(1))
    (item,) = await desk.items(job)
    ends = await asyncio.gather(
        *(desk.jobs.finish_held(item, storing(item)) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == ["ItemClosed", "ItemClosed", "NoneType"]
    assert await desk.results() == {"0000": 1}
    assert await desk.counts(job) == (1, 1, 0, 0)


async def test_one_that_is_stopped_before_it_is_stored_never_is(desk: Desk) -> None:
    job = await desk.job(some(2))
    stopped, other = await desk.items(job)
    stopping = asyncio.create_task(desk.jobs.finish_held(stopped, storing(stopped)))
    ending = asyncio.create_task(desk.jobs.finish_held(other, storing(other)))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await ending
    assert await desk.results() == {other.key: 1}
    assert await desk.counts(job) == (2, 1, 0, 0)


async def test_one_that_is_stopped_while_it_is_stored_hears_of_it_first(desk: Desk) -> None:
    job = await desk.job(some(1))
    (item,) = await desk.items(job)
    begun = asyncio.Event()

    async def store(connection: Connection) -> None:
        begun.set()
        await connection.execute("SELECT pg_sleep(0.3)")
        await storing(item)(connection)

    ending = asyncio.create_task(desk.jobs.finish_held(item, store))
    await begun.wait()
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert await desk.results() == {"0000": 1}
    assert await desk.counts(job) == (1, 1, 0, 0)


async def test_what_they_make_together_is_queued_once_each(desk: Desk) -> None:
    job = await desk.job(some(20, "plan"))

    async def end(item: Item) -> None:
        async def store(connection: Connection) -> None:
            await desk.jobs.add_items(
                connection, item.job_id, [NewItem("work", item.key), NewItem("work", "x")]
            )

        await desk.jobs.finish_held(item, store)

    await asyncio.gather(*map(end, await desk.items(job)))
    assert await desk.counts(job) == (41, 20, 0, 0)
    assert await desk.pool.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint LIKE 'work/%'") == 21


async def test_items_of_jobs_in_any_order_that_end_in_two_processes_do_not_wait_for_each_other(
    desk: Desk, stores: Stores
) -> None:
    jobs = [await desk.job(some(30)) for _ in range(4)]
    items = [item for job in jobs for item in await desk.items(job)]
    async with stores.pool("ingest", 8) as pool:
        other = type(desk.jobs)(pool, "ingest")
        sides = [(desk.jobs, items[::2]), (other, items[1::2][::-1])]
        async with asyncio.timeout(30):
            await asyncio.gather(
                *(side.finish_held(item, storing(item)) for side, own in sides for item in own)
            )
    assert [(await desk.jobs.get(job.id)).state for job in jobs] == 4 * ["succeeded"]
