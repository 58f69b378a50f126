"""Turns in the queue on a real Postgres: projects advance at the same rate, and what was begun is ended first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from services.runtime.errors import InvalidArgument
from services.runtime.ids import new_id
from services.runtime.jobs import Item, Job, NewItem
from tests.integration.job_desk import Desk, opened_desk, some, working
from tests.integration.processes import eventually
from tests.integration.stores import Stores

SLOTS = 4
PREFETCHED = 2
"""Deliveries that a worker of so many slots takes ahead."""
WORK_SECONDS = 0.04


@pytest_asyncio.fixture
async def desk(stores: Stores) -> AsyncIterator[Desk]:
    async with opened_desk(stores) as opened:
        yield opened


class Diary:
    """A handler that writes down whose items it does, in order."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.pages: list[str] = []

    async def __call__(self, item: Item) -> None:
        self.pages.append(item.project_id)
        await asyncio.sleep(WORK_SECONDS)
        await self.desk.store(item)

    def between(self, project_id: str) -> list[str]:
        """From the first item of a project to its last."""
        last = len(self.pages) - self.pages[::-1].index(project_id)
        return self.pages[self.pages.index(project_id) : last]

    async def reaches(self, count: int) -> None:
        async def reached() -> bool:
            return len(self.pages) >= count

        await eventually(reached)


async def turns(desk: Desk, job: Job) -> list[int]:
    rows = await desk.pool.fetch("SELECT turn FROM job_items WHERE job_id = $1 ORDER BY turn, id", job.id)
    return [row["turn"] for row in rows]


async def now(desk: Desk) -> int:
    turn: int = await desk.pool.fetchval("SELECT turn FROM turn_now")
    return turn


async def test_two_projects_of_unlike_size_advance_at_the_same_rate(desk: Desk) -> None:
    large, small = new_id(), new_id()
    await desk.job(some(600), project_id=large)
    diary = Diary(desk)
    async with working(desk, concurrency=SLOTS, work=diary):
        # It has been alone for a while, which gives it neither more nor less from now on.
        await diary.reaches(100)
        ended = await desk.end_of(await desk.job(some(60), project_id=small))
        assert ended.state == "succeeded"
    beside = diary.between(small).count(large)
    # What a worker has taken ahead, and how late it says which turn has passed.
    slack = SLOTS + PREFETCHED + 1.0 * SLOTS / WORK_SECONDS
    assert 60 - slack <= beside <= 60 + SLOTS + PREFETCHED


async def test_a_job_of_ten_chains_behind_ten_thousand_ends_after_about_twenty_chains(desk: Desk) -> None:
    large, small = new_id(), new_id()
    await desk.job(some(10_000), project_id=large)
    diary = Diary(desk)

    async def plan(item: Item) -> None:
        diary.pages.append(item.project_id)
        async with desk.jobs.finish(item) as connection:
            await desk.jobs.add_items(connection, item.job_id, some(10, "ask"))

    async def ask(item: Item) -> None:
        diary.pages.append(item.project_id)
        async with desk.jobs.finish(item) as connection:
            following = NewItem("work", item.key, turn=item.turn)
            await desk.jobs.add_items(connection, item.job_id, [following])

    async with working(desk, concurrency=SLOTS, work=diary, plan=plan, ask=ask):
        await diary.reaches(50)
        from_plan = await desk.job([NewItem("plan", "0")], project_id=small)
        assert (await desk.end_of(from_plan)).done == 21
    # Eleven turns, and what is in work meanwhile.
    assert diary.between(small).count(large) <= 11 + 2 * (SLOTS + PREFETCHED)


async def test_what_was_begun_is_ended_before_anything_else_begins(desk: Desk) -> None:
    seen: list[str] = []

    async def ask(item: Item) -> None:
        seen.append(item.key)
        async with desk.jobs.finish(item) as connection:
            following = NewItem("work", item.key, turn=item.turn)
            await desk.jobs.add_items(connection, item.job_id, [following])

    async def answer(item: Item) -> None:
        seen.append(item.key)
        await desk.store(item)

    job = await desk.job(some(40, "ask"))
    async with working(desk, concurrency=2, ask=ask, work=answer):
        await desk.end_of(job)
    apart = [last - seen.index(key) for last, key in enumerate(seen) if key in seen[:last]]
    assert len(apart) == 40
    assert max(apart) < 20


async def test_items_keep_their_turn_when_the_queue_loses_them_and_get_new_ones_when_they_come_back(
    desk: Desk,
) -> None:
    project = new_id()
    lost, failed, paused = [await desk.job(some(3), project_id=project) for _ in range(3)]
    assert [await turns(desk, job) for job in (lost, failed, paused)] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    for item in await desk.items(failed):
        await desk.jobs.fail(item, InvalidArgument("BAD", "no good"))
    await desk.jobs.pause(paused.id)
    await desk.jobs.pass_turn(1000)
    await desk.pool.execute("DELETE FROM pgqueuer")
    assert await desk.jobs.recover() == 3
    await desk.jobs.retry(failed.id)
    await desk.jobs.resume(paused.id)
    assert await turns(desk, failed) == [1001, 1002, 1003]
    assert await turns(desk, paused) == [1004, 1005, 1006]
    rows = await desk.pool.fetch("SELECT dedupe_key, -priority AS turn FROM pgqueuer")
    stored = await desk.pool.fetch("SELECT id, turn FROM job_items")
    assert {tuple(row) for row in rows} == {tuple(row) for row in stored}


async def test_items_of_one_chain_stay_together_when_they_come_back(desk: Desk) -> None:
    job = await desk.job(some(2))
    first, _ = await desk.items(job)
    async with desk.jobs.finish(first) as connection:
        more = [NewItem("work", key, turn=first.turn) for key in ("x", "y")]
        await desk.jobs.add_items(connection, job.id, more)
    await desk.jobs.pause(job.id)
    await desk.jobs.pass_turn(50)
    await desk.jobs.resume(job.id)
    assert await turns(desk, job) == [1, 51, 51, 52]


async def test_turns_are_counted_anew_when_the_queue_is_empty(desk: Desk) -> None:
    job = await desk.job(some(3))
    await desk.jobs.pass_turn(7)
    await desk.jobs.recover()
    assert await now(desk) == 7
    async with working(desk, work=desk.store):
        await desk.end_of(job)
    await desk.jobs.recover()
    assert await now(desk) == 0
    assert await turns(desk, await desk.job(some(2))) == [1, 2]


async def test_turns_beyond_what_the_queue_can_count_to_are_handed_out_too(desk: Desk) -> None:
    await desk.jobs.pass_turn(2**40)
    job = await desk.job(some(3))
    async with working(desk, work=desk.store):
        assert (await desk.end_of(job)).done == 3


async def test_workers_tell_which_turn_has_passed(desk: Desk) -> None:
    async with working(desk, work=desk.store):
        await desk.end_of(await desk.job(some(40)))

        async def told() -> bool:
            return await now(desk) == 40

        await eventually(told, 8)


async def test_a_deleted_project_leaves_neither_deliveries_nor_turns(desk: Desk) -> None:
    project = new_id()
    await desk.job(some(3), project_id=project)
    async with desk.pool.acquire() as connection, connection.transaction():
        await desk.jobs.delete_project(connection, project)
    assert await desk.pool.fetchval("SELECT count(*) FROM pgqueuer") == 0
    assert await desk.pool.fetchval("SELECT count(*) FROM turns") == 0
