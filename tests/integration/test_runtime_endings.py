"""Results of items that end at about the same time: stored together, and each as if it were alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
import pytest_asyncio

from services.runtime.db import Connection, transaction
from services.runtime.endings import BEHIND_SECONDS, TOGETHER_SECONDS, Joint, StoreResult
from services.runtime.errors import InvalidArgument
from services.runtime.ids import new_id
from services.runtime.jobs import Item, ItemClosed, Jobs, NewItem
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


async def test_those_that_end_behind_long_transactions_go_together_and_wait_for_no_stuck_one(
    desk: Desk,
) -> None:
    job = await desk.job(some(20))
    items = await desk.items(job)
    free, seen = asyncio.Event(), set()

    async def held(connection: Connection) -> None:
        await asyncio.wait_for(free.wait(), 30)

    async def note(connection: Connection) -> None:
        seen.add(await connection.fetchval("SELECT pg_current_xact_id()::text::bigint"))

    stuck = []
    for item in items[:2]:
        stuck.append(asyncio.create_task(desk.jobs.finish_held(item, held)))
        await asyncio.sleep(2 * TOGETHER_SECONDS)
    others = []
    for item in items[2:]:
        others.append(asyncio.create_task(desk.jobs.finish_held(item, note)))
        await asyncio.sleep(BEHIND_SECONDS / 40)
    await asyncio.wait_for(asyncio.gather(*others), 20)
    assert len(seen) <= 2
    assert await desk.counts(job) == (20, 18, 0, 0)
    free.set()
    await asyncio.gather(*stuck)
    assert (await desk.jobs.get(job.id)).state == "succeeded"


async def test_one_whose_result_cannot_be_stored_spoils_no_other(desk: Desk) -> None:
    job = await desk.job(some(10))
    items = await desk.items(job)
    stores = [spoiling if item.key == "0004" else storing(item) for item in items]
    ends = await asyncio.gather(*map(desk.jobs.finish_held, items, stores), return_exceptions=True)
    assert [type(end).__name__ for end in ends].count("NotNullViolationError") == 1
    assert type(ends[4]).__name__ == "NotNullViolationError"
    assert await desk.results() == {item.key: 1 for item in items if item.key != "0004"}
    assert await desk.counts(job) == (10, 9, 0, 0)


async def test_results_that_go_together_are_stored_by_one_call_unless_one_spoils_it(desk: Desk) -> None:
    calls: list[list[str | None]] = []

    async def store(connection: Connection, keys: Sequence[str | None]) -> None:
        calls.append(list(keys))
        await connection.execute("INSERT INTO results (key) SELECT unnest($1::text[])", keys)

    for number, bad in enumerate([None, "0004"]):
        job = await desk.job(some(10))
        items = await desk.items(job)
        joints = [Joint(store, None if item.key == bad else item.key) for item in items]
        ends = await asyncio.gather(*map(desk.jobs.finish_held, items, joints), return_exceptions=True)
        assert [type(end).__name__ for end in ends].count("NotNullViolationError") == number
        assert await desk.counts(job) == (10, 10 - number, 0, 0)
    keys = [item.key for item in items]
    assert calls[0] == keys
    assert len(calls) == 1 + 1 + 10
    assert await desk.results() == {key: 1 if key == "0004" else 2 for key in keys}


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


async def test_two_processes_that_store_crosswise_both_store_all_of_theirs_once(
    desk: Desk, stores: Stores
) -> None:
    await desk.pool.execute("CREATE TABLE kept (key text PRIMARY KEY)")
    jobs = [await desk.job(some(1)) for _ in range(4)]
    items = [(await desk.items(job))[0] for job in jobs]
    both_hold = asyncio.Barrier(2)
    tries: Counter[str] = Counter()

    def keeping(name: str, key: str) -> StoreResult:
        async def store(connection: Connection) -> None:
            tries[name] += 1
            await connection.execute("INSERT INTO kept VALUES ($1) ON CONFLICT DO NOTHING", key)
            await connection.execute("INSERT INTO results (key) VALUES ($1)", name)
            if name in {"1a", "2b"} and tries[name] == 1:
                await both_hold.wait()

        return store

    async with stores.pool("ingest", 8) as pool:
        other = Jobs(pool, "ingest")
        async with asyncio.timeout(30):
            # Each group is stored in the order of its jobs: a then b, and b then a.
            await asyncio.gather(
                desk.jobs.finish_held(items[0], keeping("1a", "a")),
                desk.jobs.finish_held(items[1], keeping("1b", "b")),
                other.finish_held(items[2], keeping("2b", "b")),
                other.finish_held(items[3], keeping("2a", "a")),
            )
    assert await desk.results() == {"1a": 1, "1b": 1, "2a": 1, "2b": 1}
    # One of the two groups was rolled back, and then stored one by one.
    assert sum(tries.values()) == 6
    assert [(await desk.jobs.get(job.id)).state for job in jobs] == 4 * ["succeeded"]


async def test_what_is_stored_while_the_database_is_away_is_held_together_and_stored_once(
    desk: Desk,
) -> None:
    job = await desk.job(some(5))
    lost = True

    def losing(item: Item) -> StoreResult:
        async def store(connection: Connection) -> None:
            nonlocal lost
            await storing(item)(connection)
            if lost and item.key == "0003":
                lost = False
                await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        return store

    await asyncio.gather(*(desk.jobs.finish_held(item, losing(item)) for item in await desk.items(job)))
    assert not lost
    assert await desk.results() == {f"{number:04}": 1 for number in range(5)}
    assert await desk.counts(job) == (5, 5, 0, 0)


@pytest.mark.parametrize("change", ["cancel", "pause", "set_progress", "delete"])
async def test_a_job_is_changed_at_once_though_items_of_it_end_without_a_pause(
    desk: Desk, change: str
) -> None:
    project = new_id()
    job = await desk.job(some(400), project_id=project)
    items = await desk.items(job)
    ended = 0

    async def end(item: Item) -> None:
        async def store(connection: Connection) -> None:
            await connection.execute("SELECT pg_sleep(0.2)")

        nonlocal ended
        await desk.jobs.finish_held(item, store)
        ended += 1

    async def end_all() -> None:
        # Always some in work, one after another in every stream.
        streams = [items[at::8] for at in range(8)]
        await asyncio.gather(*(end_some(own, 0.03 * at) for at, own in enumerate(streams)))

    async def end_some(own: list[Item], delay: float) -> None:
        await asyncio.sleep(delay)
        for item in own:
            try:
                await end(item)
            except ItemClosed:
                return

    ending = asyncio.create_task(end_all())
    while ended <= 8:
        await asyncio.sleep(0.01)
    before = ended
    if change == "delete":
        async with transaction(desk.pool) as connection:
            await desk.jobs.delete_project(connection, project)
    elif change == "set_progress":
        await desk.jobs.set_progress(job.id, "it goes on")
    else:
        await getattr(desk.jobs, change)(job.id)
    assert ended - before < 60
    ending.cancel()
    await asyncio.wait({ending})
