"""What is asked twice at the same time is paid once, and nobody waits for one who does not ask any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from services.generation.asking.call_store import CallStore
from services.generation.asking.claiming import Claimer, is_awaited
from services.generation.calls.answers import KeptAnswer
from services.generation.calls.replies import Usage
from services.generation.generations.generations import Generation, GenerationOptions
from services.runtime.db import Pool
from services.runtime.errors import Unavailable
from services.runtime.ids import new_id
from services.runtime.jobs import Item
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.generation.v1 import generation_pb2
from tests.integration.documents import end_of, parsed_project
from tests.integration.generations import ONLY_THE_FACT, handbook, new_provider, start_generation, view
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, shared_rooms, started_room
from tests.support.mock_llm import MockServer

SMALL = {"min_size": 1, "max_size": 100}
KEY = b"what is asked"
ANSWER = KeptAnswer({"a": [1, 0.1]}, "", "m", Usage(1, 2, 3))

# Some of these tests kill the only workers there are.
rooms = pytest_asyncio.fixture(scope="module")(
    shared_rooms("ingest", "generation", SISHU_GENERATION_CONCURRENCY=0, SISHU_HEARTBEAT_SECONDS=3)
)


@pytest_asyncio.fixture
async def pool(rooms: Rooms) -> AsyncIterator[Pool]:
    async with rooms.stores.pool("generation") as opened:
        yield opened


@pytest_asyncio.fixture
async def working(rooms: Rooms) -> AsyncIterator[None]:
    """Two workers."""
    async with AsyncExitStack() as stack:
        for _ in range(2):
            room = started_room(rooms.stores, "generation", "worker", "--concurrency", "16")
            await stack.enter_async_context(room)
        yield


async def succeeds(client: Client, run: generation_pb2.Generation) -> generation_pb2.Generation:
    assert (await end_of(client, "generation", run.job.id)).state == job_pb2.JOB_STATE_SUCCEEDED
    return await view(client, run.id)


async def begun(mock: MockServer, count: int = 1) -> None:
    async def is_in_flight() -> bool:
        return bool((await mock.stats())["in_flight"] >= count)

    await eventually(is_in_flight)


@pytest.mark.usefixtures("working")
async def test_two_identical_runs_at_once_pay_each_prompt_once(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(10)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(latency_ms=300)
    runs = await asyncio.gather(*(start_generation(client, project, provider) for _ in range(2)))
    done = [await succeeds(client, run) for run in runs]
    assert [one.stats.answered for one in done] == [20, 20]
    assert sum(one.stats.usage.calls for one in done) == sum(one.stats.cached for one in done) == 30
    stats = await mock.stats()
    assert stats["paid"] == stats["distinct_prompts"] == 30


@pytest.mark.usefixtures("working")
@pytest.mark.full
async def test_one_run_over_documents_of_equal_text_pays_each_prompt_once(
    client: Client, mock: MockServer
) -> None:
    # Files of equal bytes would be one document.
    files = {f"{number}.md": handbook(2) + b"\n" * number for number in range(6)}
    project = await parsed_project(client, files, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(latency_ms=300)
    done = await succeeds(client, await start_generation(client, project, provider))
    stats = await mock.stats()
    assert stats["paid"] == stats["distinct_prompts"] == done.stats.usage.calls
    assert done.stats.cached > 0


@pytest.mark.usefixtures("working")
@pytest.mark.full
async def test_without_the_cache_both_pay_and_neither_waits(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(latency_ms=300)
    wanted = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, no_cache=True)
    runs = [await start_generation(client, project, provider, wanted) for _ in range(2)]
    assert [(await succeeds(client, run)).stats.usage.calls for run in runs] == [6, 6]


@pytest.mark.usefixtures("working")
@pytest.mark.full
async def test_a_run_whose_twin_is_paused_or_cancelled_goes_on(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(4)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(latency_ms=700)
    jobs = client.jobs("generation")
    paused = await start_generation(client, project, provider)
    await begun(mock)
    cancelled = await start_generation(client, project, provider)
    last = await start_generation(client, project, provider)
    await jobs.PauseJob(job_service_pb2.PauseJobRequest(id=paused.job.id))
    await jobs.CancelJob(job_service_pb2.CancelJobRequest(id=cancelled.job.id))
    assert (await succeeds(client, last)).stats.answered == 8
    assert (await mock.stats())["paid"] == 12
    await jobs.ResumeJob(job_service_pb2.ResumeJobRequest(id=paused.job.id))
    await succeeds(client, paused)
    assert (await mock.stats())["paid"] == 12


@pytest.mark.full
async def test_what_a_killed_worker_had_claimed_is_asked_by_others(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project = await parsed_project(client, {"a.md": handbook(4)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(latency_ms=60_000)
    async with AsyncExitStack() as stack:
        room = started_room(rooms.stores, "generation", "worker", "--concurrency", "16")
        killed = await stack.enter_async_context(room)
        first = await start_generation(client, project, provider)
        await begun(mock, 4)
        await client.jobs("generation").PauseJob(job_service_pb2.PauseJobRequest(id=first.job.id))
        await killed.kill()
        await mock.control(latency_ms=0)
        second = await start_generation(client, project, provider)
        room = started_room(rooms.stores, "generation", "worker", "--concurrency", "16")
        await stack.enter_async_context(room)
        await succeeds(client, second)
        stats = await mock.stats()
        assert (stats["distinct_prompts"], stats["paid"]) == (12, 16)


async def in_work(pool: Pool, item_id: str, *, silent: int = 0, status: str = "picked") -> None:
    """Have the queue say that a worker has an item."""
    await pool.execute(
        """INSERT INTO pgqueuer (priority, entrypoint, dedupe_key, status, heartbeat)
           VALUES (0, 'nobody', $1, $2::text::pgqueuer_status, now() - make_interval(secs => $3))""",
        item_id,
        status,
        silent,
    )


async def test_a_claim_holds_while_its_item_is_in_work(pool: Pool) -> None:
    store, project, (first, second) = CallStore(pool, 3), new_id(), (new_id(), new_id())
    await in_work(pool, first)
    for _ in range(2):
        assert (await store.find_answer(project, KEY, first)).claimed
        assert (await store.find_answer(project, KEY, second)).is_anothers
    await store.give_up_claim(project, KEY, second)
    assert (await store.find_answer(project, KEY, second)).is_anothers
    assert (await store.find_answer(new_id(), KEY, second)).claimed
    await store.give_up_claim(project, KEY, first)
    assert (await store.find_answer(project, KEY, second)).claimed


@pytest.mark.parametrize("left", [{"silent": 4}, {"status": "queued"}, None])
async def test_a_claim_ends_with_the_work_on_its_item(pool: Pool, left: dict[str, int] | None) -> None:
    store, project, (first, second) = CallStore(pool, 3), new_id(), (new_id(), new_id())
    assert (await store.find_answer(project, KEY, first)).claimed
    if left:
        await in_work(pool, first, **left)  # type: ignore[arg-type]
    assert (await store.find_answer(project, KEY, second)).claimed


async def test_who_claimed_for_an_hour_hangs(pool: Pool) -> None:
    store, project, (first, second) = CallStore(pool, 3), new_id(), (new_id(), new_id())
    await in_work(pool, first)
    assert (await store.find_answer(project, KEY, first)).claimed
    await pool.execute(
        "UPDATE llm_answers SET create_time = now() - interval '61 min' WHERE claimed_by = $1", first
    )
    assert (await store.find_answer(project, KEY, second)).claimed


async def test_who_comes_as_the_answer_is_being_stored_claims_nothing(pool: Pool) -> None:
    store, project, (first, second) = CallStore(pool, 3), new_id(), (new_id(), new_id())
    await store.find_answer(project, KEY, first)
    async with pool.acquire() as connection:
        storing = connection.transaction()
        await storing.start()
        await connection.execute(
            "UPDATE llm_answers SET answer = $2::text::jsonb, claimed_by = NULL WHERE project_id = $1",
            project,
            ANSWER.as_text(),
        )
        coming = asyncio.create_task(store.find_answer(project, KEY, second))
        await asyncio.sleep(0.3)
        assert not coming.done()
        await storing.commit()
    assert (await coming).is_anothers
    assert (await store.find_answer(project, KEY, second)).answer == ANSWER


def of_no_use(kept: KeptAnswer) -> KeptAnswer | None:  # reads as `again` does
    return None


async def test_an_answer_that_does_not_validate_any_more_is_asked_for_by_one_and_stays_till_then(
    pool: Pool,
) -> None:
    project, claimer = new_id(), Claimer(CallStore(pool, 3))
    generation = Generation(new_id(), project, new_id(), GenerationOptions(), datetime.now(UTC))
    first, second = (Item(new_id(), "", project, "", "k", "k", "", {}) for _ in range(2))
    await pool.execute(
        "INSERT INTO llm_answers (project_id, key, answer) VALUES ($1, $2, $3::text::jsonb)",
        project,
        KEY,
        ANSWER.as_text(),
    )
    await in_work(pool, first.id)
    assert await claimer.find(generation, first, KEY, of_no_use) is None
    assert await claimer.find(generation, second, KEY, lambda kept: kept) == ANSWER
    await claimer.give_up(generation, first, KEY)
    assert await claimer.find(generation, second, KEY, lambda kept: kept) == ANSWER


async def test_an_item_that_is_put_off_says_so_and_a_deleted_project_has_no_claims(
    client: Client, pool: Pool
) -> None:
    project, claimer = (
        await parsed_project(client, {"a.md": handbook(1)}, **SMALL),
        Claimer(CallStore(pool, 3)),
    )
    generation = Generation(new_id(), project, new_id(), GenerationOptions(), datetime.now(UTC))
    first, second = (Item(new_id(), "", project, "", "k", "k", "", {}) for _ in range(2))
    await in_work(pool, first.id)
    await claimer.find(generation, first, KEY, lambda kept: kept)
    with pytest.raises(Unavailable) as raised:
        await claimer.find(generation, second, KEY, lambda kept: kept)
    assert is_awaited(raised.value)
    await client.project_data("generation").DeleteProjectData(DeleteProjectDataRequest(project_id=project))
    assert await pool.fetchval("SELECT count(*) FROM llm_answers WHERE project_id = $1", project) == 0
