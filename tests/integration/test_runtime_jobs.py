"""Jobs on a real Postgres: every item is done exactly once, whatever happens in between."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial

import asyncpg
import pytest
import pytest_asyncio

from services.runtime import worker as worker_module
from services.runtime.db import held, transaction
from services.runtime.endurance import Endurance
from services.runtime.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    SishuError,
    Unavailable,
)
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.in_work import waiting_for
from services.runtime.jobs import SQL, Item, ItemClosed, Job, NewItem
from services.runtime.metrics import RuntimeMetrics
from services.runtime.pages import page_request
from tests.integration.job_desk import FINISHERS, Desk, opened_desk, some, working
from tests.integration.processes import eventually
from tests.integration.stores import Stores

Store = Callable[[Desk, Item], Coroutine[None, None, None]]
STORES = [pytest.param(Desk.store, id="alone"), pytest.param(Desk.store_together, id="together")]


@pytest_asyncio.fixture
async def desk(stores: Stores) -> AsyncIterator[Desk]:
    async with opened_desk(stores) as opened:
        yield opened


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LONGEST_DELAY_SECONDS", 0.05)


async def test_a_job_without_items_has_succeeded_at_once(desk: Desk) -> None:
    job = await desk.job([])
    assert (job.state, job.total, job.end_time is not None) == ("succeeded", 0, True)


async def test_every_item_is_done_once_and_the_job_succeeds(desk: Desk) -> None:
    job = await desk.job(some(60))
    async with working(desk, work=desk.store):
        ended = await desk.end_of(job)
    assert (ended.state, ended.total, ended.done) == ("succeeded", 60, 60)
    assert await desk.results() == Counter({item.key: 1 for item in some(60)})


async def test_an_item_delivered_twice_is_done_once(desk: Desk) -> None:
    job = await desk.job(some(1))
    (item,) = await desk.items(job)
    twice = await asyncio.gather(desk.store(item), desk.store(item), return_exceptions=True)
    assert {type(end) for end in twice} == {ItemClosed, type(None)}
    assert await desk.results() == {"0000": 1}
    assert await desk.counts(job) == (1, 1, 0, 0)
    with pytest.raises(ItemClosed):
        await desk.jobs.load(item.id, 2)


async def test_a_result_that_cannot_be_stored_leaves_the_item_open(desk: Desk) -> None:
    job = await desk.job(some(1))
    (item,) = await desk.items(job)
    with pytest.raises(ZeroDivisionError):
        async with desk.jobs.finish(item) as connection:
            await connection.execute("INSERT INTO results (key) VALUES ('half')")
            raise ZeroDivisionError
    assert await desk.results() == {}
    assert await desk.counts(job) == (1, 0, 0, 0)
    await desk.store(item)
    assert (await desk.jobs.get(job.id)).state == "succeeded"


@pytest.mark.parametrize("round_", range(3))
async def test_the_last_of_many_items_that_end_together_ends_the_job(desk: Desk, round_: int) -> None:
    job = await desk.job(some(4 * FINISHERS + round_))
    items = await desk.items(job)
    turns = asyncio.Semaphore(FINISHERS)

    async def finish(item: Item) -> None:
        async with turns:
            if item.key.endswith("7"):
                await desk.jobs.fail(item, InvalidArgument("BAD", "no good"))
            else:
                await desk.store(item)

    await asyncio.gather(*map(finish, items))
    failed = sum(item.key.endswith("7") for item in items)
    assert (await desk.jobs.get(job.id)).state == "failed"
    assert await desk.counts(job) == (len(items), len(items) - failed, failed, 0)


async def test_items_may_make_items_and_the_job_ends_after_the_last(desk: Desk) -> None:
    async def plan(item: Item) -> None:
        async with desk.jobs.finish(item) as connection:
            assert await desk.jobs.add_items(connection, item.job_id, some(20)) == 20
            assert await desk.jobs.add_items(connection, item.job_id, some(20)) == 0

    job = await desk.job([NewItem("plan", "plan")])
    async with working(desk, plan=plan, work=desk.store):
        ended = await desk.end_of(job)
    assert (ended.state, ended.total, ended.done) == ("succeeded", 21, 21)


async def test_items_that_make_items_at_the_same_time_do_not_wait_for_each_other(desk: Desk) -> None:
    job = await desk.job(some(3 * FINISHERS, "plan"))
    turns = asyncio.Semaphore(FINISHERS)

    async def plan(item: Item) -> None:
        async with turns, desk.jobs.finish(item) as connection:
            await desk.jobs.add_items(
                connection, item.job_id, [NewItem("work", f"{item.key}/{n}") for n in "ab"]
            )

    await asyncio.gather(*map(plan, await desk.items(job)))
    assert await desk.counts(job) == (9 * FINISHERS, 3 * FINISHERS, 0, 0)


async def test_after_a_cancel_nothing_more_is_stored(desk: Desk) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(item: Item) -> None:
        if item.key > "0003":
            begun.set()
            await go_on.wait()
        await desk.store(item)

    job = await desk.job(some(30))
    async with working(desk, work=slow):
        await begun.wait()
        await eventually(lambda: has_done(desk, job, 4))
        cancelled = await desk.jobs.cancel(job.id)
        go_on.set()
    assert cancelled.state == "cancelled"
    assert await desk.counts(job) == (30, 4, 0, 26)
    assert len(await desk.results()) == 4
    assert await desk.jobs.recover() == 0
    assert (await desk.jobs.cancel(job.id)).end_time == cancelled.end_time


@pytest.mark.parametrize("store", STORES)
async def test_an_item_that_ends_while_its_job_is_being_cancelled_waits_and_stores_nothing(
    desk: Desk, store: Store
) -> None:
    job = await desk.job(some(1))
    (item,) = await desk.items(job)
    async with transaction(desk.pool) as connection:
        await connection.fetchval(SQL.cancel_job, job.id)
        ending = asyncio.create_task(store(desk, item))
        await asyncio.sleep(0.2)
        # It must not hold its own row while it waits for the job's: that would be a deadlock.
        await asyncio.wait_for(connection.execute(SQL.skip_open_items, job.id), 0.7)
    with pytest.raises(ItemClosed):
        await ending
    assert await desk.results() == {}


async def has_done(desk: Desk, job: Job, count: int) -> bool:
    return (await desk.jobs.get(job.id)).done >= count


@pytest.mark.parametrize("round_", range(3))
@pytest.mark.parametrize("store", STORES)
async def test_a_cancel_among_items_that_end_leaves_counters_that_equal_the_rows(
    desk: Desk, store: Store, round_: int
) -> None:
    job = await desk.job(some(3 * FINISHERS))
    items = await desk.items(job)

    async def cancel() -> None:
        await asyncio.sleep(0.01 * (round_ + 1))
        await desk.jobs.cancel(job.id)

    turns = asyncio.Semaphore(FINISHERS)

    async def finish(item: Item) -> None:
        async with turns:
            await store(desk, item)

    ends = await asyncio.gather(cancel(), *map(finish, items), return_exceptions=True)
    assert {type(end) for end in ends} <= {type(None), ItemClosed}
    stored = sum((await desk.results()).values())
    assert stored == sum(end is None for end in ends[1:])
    total, done, failed, skipped = await desk.counts(job)
    assert (total, done, failed, skipped) == (len(items), stored, 0, len(items) - stored)
    states = await desk.pool.fetch("SELECT state, count(*) FROM job_items GROUP BY state")
    assert dict(map(tuple, states)) == {key: n for key, n in (("done", done), ("skipped", skipped)) if n}


async def test_a_failed_item_is_a_dead_letter_and_is_done_after_a_retry(desk: Desk) -> None:
    broken = True

    async def fussy(item: Item) -> None:
        if broken and item.key in {"0001", "0003"}:
            raise InvalidArgument("BAD_ITEM", f"{item.key} is no good", key=item.key)
        await desk.store(item)

    job = await desk.job(some(5))
    async with working(desk, work=fussy):
        ended = await desk.end_of(job)
        assert (ended.state, ended.done, ended.failed) == ("failed", 3, 2)
        letters = (await desk.jobs.failures(job.id, page_request(10, ""))).rows
        assert [(letter.failure.reason, letter.failure.message) for letter in letters] == [
            ("BAD_ITEM", "0001 is no good"),
            ("BAD_ITEM", "0003 is no good"),
        ]
        assert letters[0].failure.metadata == {"key": "0001"}
        assert [letter.attempts for letter in letters] == [1, 1]
        broken = False
        again = await desk.jobs.retry(job.id)
        assert (again.state, again.failed, again.end_time) == ("running", 0, None)
        ended = await desk.end_of(job)
    assert (ended.state, ended.total, ended.done, ended.failed) == ("succeeded", 5, 5, 0)
    assert await desk.results() == Counter({item.key: 1 for item in some(5)})
    assert (await desk.jobs.retry(job.id)).state == "succeeded"


async def test_dead_letters_come_page_by_page(desk: Desk) -> None:
    job = await desk.job(some(5))
    for item in await desk.items(job):
        await desk.jobs.fail(item, InvalidArgument("BAD", "no good"))
    seen, token = [], ""
    while True:
        page = await desk.jobs.failures(job.id, page_request(2, token, job.id))
        seen += [letter.id for letter in page.rows]
        token = page.next_token
        if not token:
            break
    assert seen == sorted(seen)
    assert len(set(seen)) == 5
    with pytest.raises(NotFound):
        await desk.jobs.failures(new_id(), page_request(2, ""))


async def test_a_cancelled_job_is_not_retried(desk: Desk) -> None:
    job = await desk.job(some(1))
    await desk.jobs.cancel(job.id)
    with pytest.raises(FailedPrecondition) as raised:
        await desk.jobs.retry(job.id)
    assert raised.value.reason == "JOB_CANCELLED"


@pytest.mark.usefixtures("quick_retries")
async def test_what_may_pass_is_tried_again_for_a_while(desk: Desk) -> None:
    tries: Counter[str] = Counter()

    async def flaky(item: Item) -> None:
        tries[item.key] += 1
        assert item.attempt == tries[item.key]
        if item.key == "0000" or tries[item.key] < 3:
            raise Unavailable("AWAY", "the model is away")
        await desk.store(item)

    job = await desk.job(some(3))
    async with working(desk, patience=4, work=flaky):
        ended = await desk.end_of(job)
    assert (ended.state, ended.done, ended.failed) == ("failed", 2, 1)
    assert tries["0000"] > 3
    assert (tries["0001"], tries["0002"]) == (3, 3)
    (letter,) = (await desk.jobs.failures(job.id, page_request(10, ""))).rows
    assert (letter.failure.reason, letter.attempts) == ("AWAY", tries["0000"])
    assert ended.failure == letter.failure


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(
    "error", [ResourceExhausted("LIMITED", "slow down"), Unavailable("DEVICES_BUSY", "another run trains")]
)
async def test_limits_and_waits_outlast_the_patience(desk: Desk, error: SishuError) -> None:
    progress: list[str] = []

    async def limited(item: Item) -> None:
        progress.append((await desk.jobs.get(item.job_id)).progress)
        if len(progress) < 4:
            raise error
        await desk.store(item)

    job = await desk.job(some(1))
    async with working(desk, patience=0.5, work=limited):
        ended = await desk.end_of(job)
    assert (ended.state, ended.progress) == ("succeeded", "")
    assert progress[-1] == error.message


@pytest.mark.usefixtures("quick_retries")
async def test_a_job_is_paused_where_trouble_that_is_not_its_items_lasts_too_long(desk: Desk) -> None:
    away = True
    began: Counter[str] = Counter()

    async def asks(item: Item) -> None:
        began[item.key] += 1
        if away:
            raise Unavailable("AWAY", "the model is away")
        await desk.store(item)

    def paused(error: SishuError, job_id: str) -> Failure | None:
        return Failure(error.code, error.reason, f"{error.message}; resume {job_id}", {})

    job = await desk.job(some(5))
    async with working(desk, patience=0.2, endurance=Endurance({"AWAY": 10}, paused), work=asks):

        async def is_paused() -> bool:
            return (await desk.jobs.get(job.id)).state == "paused"

        await eventually(is_paused)
        waits = await desk.jobs.get(job.id)
        assert waits.failure and waits.failure.message == f"the model is away; resume {job.id}"
        assert (waits.done, waits.failed) == (0, 0)
        # Longer than other trouble.
        assert min(began.values()) > 1
        away = False
        await desk.jobs.resume(job.id)
        ended = await desk.end_of(job)
    assert (ended.state, ended.done, ended.failed) == ("succeeded", 5, 0)


async def test_trouble_of_before_a_resume_pauses_no_job_again(desk: Desk) -> None:
    job = await desk.job(some(1))
    item_id = await desk.jobs.pool.fetchval("SELECT id FROM job_items WHERE job_id = $1", job.id)
    failure = Failure("UNAVAILABLE", "AWAY", "the model is away", {})
    holds = partial(desk.jobs.is_in_trouble, item_id=item_id)
    await desk.jobs.note_trouble(item_id, waiting=False)
    assert (await desk.jobs.pause(job.id, failure, holds)).state == "paused"
    assert (await desk.jobs.resume(job.id)).state == "running"
    assert (await desk.jobs.pause(job.id, failure, holds)).state == "running"
    await desk.jobs.note_trouble(item_id, waiting=False)
    assert (await desk.jobs.pause(job.id, failure, holds)).state == "paused"


async def test_an_item_without_whose_result_a_job_goes_on_is_ended_in_place_of_failing(desk: Desk) -> None:
    async def fails(item: Item) -> None:
        raise FailedPrecondition("REFUSED", f"{item.kind} {item.key} is refused")

    async def ended_without(item: Item, error: SishuError) -> None:
        async with desk.jobs.finish(item, skipped=True) as connection:
            await desk.jobs.add_items(connection, item.job_id, [NewItem("work", error.message)])

    job = await desk.job([*some(2, "guess"), *some(1)])
    endurance = Endurance(without={"guess": ended_without})

    async def works(item: Item) -> None:
        await (desk.store(item) if "guess" in item.key else fails(item))

    metrics = RuntimeMetrics("ingest")
    async with working(desk, endurance=endurance, metrics=metrics, guess=fails, work=works):
        ended = await desk.end_of(job)
    assert (ended.state, ended.done, ended.skipped, ended.failed) == ("failed", 2, 2, 1)
    counted = {
        (one.labels["kind"], one.labels["outcome"]): one.value
        for family in metrics.items.collect()
        for one in family.samples
        if one.name.endswith("_total")
    }
    assert counted == {("guess", "skipped"): 2, ("work", "done"): 2, ("work", "failed"): 1}
    assert ended.failure and ended.failure.message == "work 0000 is refused"


async def test_what_items_wait_for_stands_in_their_job_while_those_of_other_kinds_end_well(
    desk: Desk,
) -> None:
    go_on, seen = asyncio.Event(), asyncio.Event()

    async def waits(item: Item) -> None:
        with waiting_for(lambda: "a pause until noon"):
            await go_on.wait()
        await desk.store(item)

    async def plans(item: Item) -> None:
        await seen.wait()
        await desk.store(item)

    job = await desk.job([NewItem("waits", "0"), NewItem("waits", "1"), *some(2, "plans")])
    async with working(desk, waits=waits, plans=plans):

        async def is_said() -> bool:
            return (await desk.jobs.get(job.id)).progress == "a pause until noon"

        await eventually(is_said)
        seen.set()

        async def are_planned() -> bool:
            return (await desk.jobs.get(job.id)).done == 2

        await eventually(are_planned)
        await asyncio.sleep(0.5)
        assert await is_said()
        go_on.set()
        ended = await desk.end_of(job)
    assert (ended.state, ended.progress) == ("succeeded", "")


@pytest.mark.usefixtures("quick_retries")
async def test_what_waits_and_fails_in_turn_is_given_up_as_well(desk: Desk) -> None:
    tries = itertools.count()

    async def loading_or_away(_: Item) -> None:
        waits = next(tries) % 2
        raise Unavailable("DEPLOYMENT_LOADING" if waits else "AWAY", "the engine dies of this question")

    job = await desk.job(some(1))
    async with working(desk, patience=2, work=loading_or_away):
        ended = await desk.end_of(job)
    assert (ended.state, ended.failure and ended.failure.reason) == ("failed", "AWAY")


@pytest.mark.usefixtures("quick_retries")
async def test_the_pause_that_a_server_asks_for_is_kept(desk: Desk) -> None:
    times: list[float] = []

    async def limited(item: Item) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise ResourceExhausted("LIMITED", "slow down", retry_after_seconds="1.5")
        await desk.store(item)

    job = await desk.job(some(1))
    async with working(desk, work=limited):
        await desk.end_of(job)
    assert times[1] - times[0] >= 1.5


async def test_a_retry_with_the_same_request_id_runs_the_failed_items_once(desk: Desk) -> None:
    async def broken(item: Item) -> None:
        raise InvalidArgument("BAD", f"no good: {item.key}")

    job = await desk.job(some(2))
    async with working(desk, work=broken):
        await desk.end_of(job)
        request_id = new_id()
        first = await desk.jobs.retry(job.id, request_id)
        assert first.state == "running"
        ended = await desk.end_of(first)
        assert (ended.state, ended.failure and ended.failure.reason) == ("failed", "BAD")
        assert (await desk.jobs.retry(job.id, request_id)).state == "failed"
        assert (await desk.jobs.retry(job.id)).state == "running"
        await desk.end_of(job)


async def test_an_unforeseen_error_fails_the_item_with_an_id_and_without_its_text(desk: Desk) -> None:
    async def broken(_: Item) -> None:
        raise KeyError("secret detail")

    job = await desk.job(some(1))
    async with working(desk, work=broken):
        await desk.end_of(job)
    (letter,) = (await desk.jobs.failures(job.id, page_request(10, ""))).rows
    assert letter.failure.code == "INTERNAL"
    assert letter.failure.metadata["error_id"] in letter.failure.message
    assert "secret detail" not in letter.failure.message


async def test_an_item_that_the_queue_lost_is_queued_again(desk: Desk) -> None:
    job = await desk.job(some(3))
    await desk.pool.execute("DELETE FROM pgqueuer")
    assert await desk.jobs.recover() == 3
    assert await desk.jobs.recover() == 0
    async with working(desk, work=desk.store):
        assert (await desk.end_of(job)).done == 3


async def test_a_job_whose_last_worker_died_before_it_could_end_it_is_ended(desk: Desk) -> None:
    job = await desk.job(some(1))
    await desk.jobs.start(job.id)
    await desk.pool.execute("UPDATE job_items SET state = 'done'")
    await desk.pool.execute("UPDATE job_counts SET done = total")
    assert (await desk.jobs.get(job.id)).state == "running"
    await desk.jobs.recover()
    assert (await desk.jobs.get(job.id)).state == "succeeded"


async def test_a_worker_told_to_stop_lets_items_in_work_end_and_takes_no_more(desk: Desk) -> None:
    begun = asyncio.Event()

    async def slow(item: Item) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        await desk.store(item)

    job = await desk.job(some(50))
    async with working(desk, concurrency=4, work=slow):
        await begun.wait()
    total, done, failed, _ = await desk.counts(job)
    assert 1 <= done <= 12
    assert (total, failed) == (50, 0)
    assert sum((await desk.results()).values()) == done


async def test_no_more_items_are_in_work_than_allowed(desk: Desk) -> None:
    now, most = 0, 0

    async def counted(item: Item) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.1)
        now -= 1
        await desk.store(item)

    job = await desk.job(some(20))
    async with working(desk, concurrency=3, work=counted):
        await desk.end_of(job)
    assert 2 <= most <= 3


async def test_jobs_are_listed_newest_first_by_project_state_and_page(desk: Desk) -> None:
    project = new_id()
    ours = [await desk.job(some(number), project_id=project) for number in (0, 1, 1)]
    await desk.job(some(1), project_id=new_id())

    async def listed(state: str | None, token: str = "") -> list[str]:
        filters = (project, state, None)
        page = await desk.jobs.list(page_request(2, token, *filters), *filters)
        more = await listed(state, page.next_token) if page.next_token else []
        return [job.id for job in page.rows] + more

    assert await listed(None) == [job.id for job in reversed(ours)]
    assert await listed("succeeded") == [ours[0].id]


async def test_a_watch_shows_the_job_at_once_then_its_changes_then_its_end(desk: Desk) -> None:
    job = await desk.job(some(2))
    items = await desk.items(job)
    states: list[tuple[str, int]] = []
    async for seen in desk.jobs.watch(job.id):
        states.append((seen.state, seen.done))
        if seen.done < 2:
            await desk.store(items[seen.done])
    assert states[0] == ("pending", 0)
    assert states[-1] == ("succeeded", 2)


async def test_deleting_a_project_deletes_its_jobs_and_items_in_work_end_unstored(desk: Desk) -> None:
    project = new_id()
    job = await desk.job(some(2), project_id=project)
    other = await desk.job(some(1), project_id=new_id())
    item, _ = await desk.items(job)
    async with transaction(desk.pool) as connection:
        await desk.jobs.delete_project(connection, project)
    with pytest.raises(ItemClosed):
        await desk.store(item)
    assert await desk.results() == {}
    assert (await desk.jobs.get(other.id)).total == 1
    async with working(desk, work=desk.store):
        assert (await desk.end_of(other)).state == "succeeded"


@pytest.mark.parametrize("store", STORES)
async def test_a_project_deleted_while_its_items_end_is_deleted_whole(desk: Desk, store: Store) -> None:
    project = new_id()
    jobs = [await desk.job(some(FINISHERS), project_id=project) for _ in range(2)]
    items = [item for job in jobs for item in await desk.items(job)]

    async def delete() -> None:
        async with transaction(desk.pool) as connection:
            await desk.jobs.delete_project(connection, project)

    turns = asyncio.Semaphore(FINISHERS)
    ends = await asyncio.gather(
        *(guarded(turns, store, desk, item) for item in items), delete(), return_exceptions=True
    )
    assert {type(end) for end in ends} <= {type(None), ItemClosed}
    assert await desk.pool.fetchval("SELECT count(*) FROM job_items") == 0


async def guarded(turns: asyncio.Semaphore, store: Store, desk: Desk, item: Item) -> None:
    async with turns:
        await store(desk, item)


async def test_what_is_held_is_stored_again_after_a_deadlock_and_not_where_the_statement_is_wrong(
    desk: Desk,
) -> None:
    tries: list[int] = []

    async def chosen_to_lose() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise asyncpg.DeadlockDetectedError("deadlock detected")

    await held(desk.pool, chosen_to_lose)
    assert len(tries) == 2

    async def wrong() -> None:
        tries.append(1)
        await desk.pool.fetch("SELECT $1::int")

    with pytest.raises(asyncpg.InterfaceError):
        await held(desk.pool, wrong)
    assert len(tries) == 3


async def test_workers_look_for_what_was_lost_once_in_a_while_together(desk: Desk) -> None:
    job = await desk.job(some(3))
    await desk.pool.execute("DELETE FROM pgqueuer")
    assert await desk.jobs.recover(every=60) == 3
    await desk.pool.execute("DELETE FROM pgqueuer")
    assert await desk.jobs.recover(every=60) == 0
    assert await desk.jobs.recover() == 3
    assert (await desk.jobs.get(job.id)).total == 3
