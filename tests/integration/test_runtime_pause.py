"""Paused jobs on a real Postgres: nothing begins, what is in work is stored, and everything goes on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.runtime.db import transaction
from services.runtime.errors import InvalidArgument
from services.runtime.failures import Failure
from services.runtime.job_service import JobServicer
from services.runtime.jobs import Item, Job, NewItem
from services.runtime.metrics import RuntimeMetrics
from services.runtime.server import Server, Servicer
from sishu.client import CALL_SECONDS, Client
from sishu.common.v1 import job_pb2
from sishu.common.v1 import job_service_pb2 as pb
from sishu.common.v1.job_service_pb2_grpc import add_JobServiceServicer_to_server
from sishu.errors import ApiError
from sishu.learn.jobs import wait
from tests.integration.job_desk import Desk, opened_desk, some, working
from tests.integration.processes import eventually
from tests.integration.stores import HOST, Stores

BUDGET = Failure("FAILED_PRECONDITION", "BUDGET_REACHED", "the generation has cost 2.00 of 2.00")


@pytest_asyncio.fixture
async def desk(stores: Stores) -> AsyncIterator[Desk]:
    async with opened_desk(stores) as opened:
        yield opened


async def queued(desk: Desk) -> int:
    count: int = await desk.pool.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'")
    return count


async def has_state(desk: Desk, job: Job, state: str) -> bool:
    return (await desk.jobs.get(job.id)).state == state


async def test_a_paused_job_stores_what_is_in_work_begins_nothing_and_goes_on_when_resumed(
    desk: Desk,
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def slow(item: Item) -> None:
        seen.append(item.key)
        begun.set()
        await go_on.wait()
        await desk.store(item)

    job = await desk.job(some(30))
    async with working(desk, concurrency=2, work=slow):
        await begun.wait()
        paused = await desk.jobs.pause(job.id)
        assert (paused.state, paused.failure, paused.end_time) == ("paused", None, None)
        assert await queued(desk) == 0
        go_on.set()
        await asyncio.sleep(1.5)
        in_work = len(seen)
        assert in_work <= 3
        assert await desk.counts(job) == (30, in_work, 0, 0)
        assert await desk.jobs.recover() == 0
        assert (await desk.jobs.resume(job.id)).state == "running"
        ended = await desk.end_of(job)
    assert (ended.state, ended.done) == ("succeeded", 30)
    assert await desk.results() == Counter({item.key: 1 for item in some(30)})


async def test_why_the_service_paused_a_job_is_shown_until_it_goes_on(desk: Desk) -> None:
    job = await desk.job(some(2))
    assert (await desk.jobs.pause(job.id, BUDGET)).failure == BUDGET
    assert (await desk.jobs.pause(job.id)).failure == BUDGET
    assert (await desk.jobs.resume(job.id)).failure is None
    assert (await desk.jobs.resume(job.id)).state == "running"


async def test_items_that_an_item_of_a_paused_job_makes_wait_for_the_resume(desk: Desk) -> None:
    job = await desk.job([NewItem("plan", "plan")])
    (plan,) = await desk.items(job)
    await desk.jobs.pause(job.id)
    async with desk.jobs.finish(plan) as connection:
        await desk.jobs.add_items(connection, job.id, some(5))
    assert await queued(desk) == 0
    assert (await desk.jobs.get(job.id)).state == "paused"
    await desk.jobs.resume(job.id)
    async with working(desk, work=desk.store):
        assert (await desk.end_of(job)).done == 6


async def test_a_paused_job_whose_last_items_end_has_ended(desk: Desk) -> None:
    good, bad = await desk.job(some(1)), await desk.job(some(1))
    for job in (good, bad):
        await desk.jobs.pause(job.id, BUDGET)
    (row,) = await desk.pool.fetch("SELECT id FROM job_items WHERE job_id = $1", good.id)
    item = Item(row["id"], good.id, "", "", "work", "0000", "", {})
    await desk.store(item)
    (row,) = await desk.pool.fetch("SELECT id FROM job_items WHERE job_id = $1", bad.id)
    await desk.jobs.fail(Item(row["id"], bad.id, "", "", "work", "", "", {}), InvalidArgument("BAD", "no"))
    assert (await desk.jobs.get(good.id)).state == "succeeded"
    ended = await desk.jobs.get(bad.id)
    assert (ended.state, ended.failure and ended.failure.reason) == ("failed", "BAD")


async def test_a_paused_job_can_be_cancelled_but_neither_retried_nor_paused_after_its_end(
    desk: Desk,
) -> None:
    job = await desk.job(some(3))
    await desk.jobs.pause(job.id, BUDGET)
    assert (await desk.jobs.retry(job.id)).state == "paused"
    cancelled = await desk.jobs.cancel(job.id)
    assert (cancelled.state, cancelled.failure, cancelled.skipped) == ("cancelled", None, 3)
    assert await desk.jobs.pause(job.id) == cancelled
    assert await desk.jobs.resume(job.id) == cancelled


async def test_a_delivery_of_a_paused_job_ends_and_is_not_repeated(desk: Desk) -> None:
    job = await desk.job(some(4))
    # As when it was handed out at the moment of the pause.
    await desk.pool.execute("UPDATE jobs SET state = 'paused'")
    async with working(desk, work=desk.store):

        async def none_left() -> bool:
            return bool(await desk.pool.fetchval("SELECT NOT EXISTS (SELECT FROM pgqueuer)"))

        await eventually(none_left)
        assert await desk.results() == {}
        await desk.jobs.resume(job.id)
        assert (await desk.end_of(job)).done == 4


async def test_a_trouble_before_a_pause_is_forgotten_at_the_resume(desk: Desk) -> None:
    job = await desk.job(some(1))
    (item,) = await desk.items(job)
    await desk.jobs.note_trouble(item.id, waiting=False)
    await desk.pool.execute("UPDATE job_items SET trouble_time = now() - interval '1 hour'")
    await desk.jobs.pause(job.id)
    await desk.jobs.resume(job.id)
    assert await desk.jobs.note_trouble(item.id, waiting=False) == 0


@pytest.mark.full
async def test_a_job_of_200000_items_is_paused_and_resumed_within_a_call(desk: Desk) -> None:
    async with transaction(desk.pool) as connection:
        job = await desk.jobs.create(connection, "some_work", [])
    await desk.pool.execute("UPDATE jobs SET state = 'running', end_time = NULL")
    await desk.pool.execute(
        "INSERT INTO job_items (id, job_id, kind, key) "
        "SELECT gen_random_uuid(), $1, 'work', n::text FROM generate_series(1, 200000) AS n",
        job.id,
    )
    await desk.pool.execute("UPDATE jobs SET state = 'paused'")
    started = time.monotonic()
    await desk.jobs.resume(job.id)
    assert await queued(desk) == 200_000
    await desk.jobs.pause(job.id)
    assert await queued(desk) == 0
    assert time.monotonic() - started < CALL_SECONDS


async def test_who_waits_for_a_job_is_told_that_it_is_paused_and_what_to_do(desk: Desk) -> None:
    job = await desk.job(some(2))
    servicer = Servicer(
        "sishu.common.v1.JobService", add_JobServiceServicer_to_server, JobServicer(desk.jobs)
    )
    server = Server([servicer], "", RuntimeMetrics("ingest"))
    port = await server.start(HOST, 0)
    try:
        async with Client({"ingest": f"{HOST}:{port}"}) as client:
            jobs = client.jobs("ingest")
            waiting = asyncio.create_task(wait(client, "ingest", job_pb2.Job(id=job.id)))
            await asyncio.sleep(0.5)
            paused = (await jobs.PauseJob(pb.PauseJobRequest(id=job.id))).job
            assert paused.state == job_pb2.JOB_STATE_PAUSED
            with pytest.raises(ApiError) as raised:
                await asyncio.wait_for(waiting, 5)
            assert raised.value.reason == "JOB_PAUSED"
            assert f"sishu job resume {job.id}" in raised.value.message
            resumed = (await jobs.ResumeJob(pb.ResumeJobRequest(id=job.id))).job
            assert resumed.state == job_pb2.JOB_STATE_RUNNING
            await desk.jobs.pause(job.id, BUDGET)
            with pytest.raises(ApiError, match=BUDGET.message):
                await wait(client, "ingest", job_pb2.Job(id=job.id))
            (listed,) = (await jobs.ListJobs(pb.ListJobsRequest(state=job_pb2.JOB_STATE_PAUSED))).jobs
            assert listed.failure.reason == "BUDGET_REACHED"
    finally:
        await server.drain()


@pytest.mark.parametrize("stop", ["pause", "cancel"])
async def test_a_job_is_stopped_though_postgres_ends_the_transaction_for_another(
    desk: Desk, stop: str
) -> None:
    job = await desk.job(some(3))
    async with transaction(desk.pool) as other:
        # The other one is not the one to notice that both wait for each other.
        await other.execute("SET LOCAL deadlock_timeout = '60s'")
        await other.fetch("SELECT FROM pgqueuer FOR UPDATE")
        stopping = asyncio.create_task(getattr(desk.jobs, stop)(job.id))
        await eventually(lambda: waits_for_a_lock(desk))
        await other.fetch("SELECT FROM jobs FOR SHARE")
        await other.fetch("SELECT FROM job_items FOR SHARE")
    assert (await stopping).state == {"pause": "paused", "cancel": "cancelled"}[stop]
    assert await queued(desk) == 0


async def waits_for_a_lock(desk: Desk) -> bool:
    return bool(await desk.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))
