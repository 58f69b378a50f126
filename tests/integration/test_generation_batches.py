"""Generations whose calls are handed in as batches, which take longer and cost half."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask

from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2, project_data_service_pb2
from sishu.generation.v1 import generation_pb2, provider_pb2, question_pb2
from sishu.generation.v1.generation_service_pb2 import UpdateGenerationRequest
from sishu.ingest.v1.project_pb2 import Project
from sishu.learn.generations import begin
from sishu.learn.options import LearnOptions
from sishu.learn.resources import provider_named
from tests.integration.documents import parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_pool,
    new_provider,
    questions_of,
    start_generation,
    states,
    view,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, shared_rooms
from tests.support.mock_llm import MockServer, mock_llm

SMALL = {"min_size": 1, "max_size": 100}
IN_BATCHES = provider_pb2.ProviderPrice(
    prompt_per_million=2, completion_per_million=8, currency="EUR", batch_factor=0.6
)
FACTS = 4
FULL = pytest.mark.full
CALLS = 3 * FACTS
"""One for the two questions of a fact, one for each answer."""

rooms = pytest_asyncio.fixture(scope="module")(
    shared_rooms("ingest", "generation", SISHU_GENERATION_BATCH_SECONDS=0.4, SISHU_HEARTBEAT_SECONDS=3)
)


@pytest_asyncio.fixture
async def mock() -> AsyncIterator[MockServer]:
    async with mock_llm() as server:
        yield server


async def started(
    client: Client, mock: MockServer, **options: Any
) -> tuple[str, str, generation_pb2.Generation]:
    """A generation in batches, with its project and provider."""
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url, price=IN_BATCHES)
    return project, provider, await again(client, project, provider, **options)


async def again(client: Client, project: str, provider: str, **options: Any) -> generation_pb2.Generation:
    wanted = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, **{"batch": True, **options})
    return await start_generation(client, project, provider, wanted)


async def done(client: Client, generation: generation_pb2.Generation) -> generation_pb2.Generation:
    ended = await generated(client, generation)
    assert ended.job.state == job_pb2.JOB_STATE_SUCCEEDED, ended
    assert states(await questions_of(client, ended)) == {"ANSWERED": 2 * FACTS}
    return ended


async def has(mock: MockServer, figure: str) -> bool:
    return bool((await mock.stats())[figure])


def words(questions: list[question_pb2.Question]) -> set[tuple[str, str]]:
    return {(one.text, one.answer.text) for one in questions}


async def test_batches_bring_what_single_calls_bring_at_their_own_price(
    client: Client, mock: MockServer
) -> None:
    project, provider, generation = await started(client, mock)
    batched = await done(client, generation)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"], told["files"]) == (0, CALLS, 0)
    single = await done(client, await again(client, project, provider, batch=False, no_cache=True))
    assert words(await questions_of(client, batched)) == words(await questions_of(client, single))
    assert (batched.stats.usage, batched.stats.cached) == (single.stats.usage, 0)
    assert batched.stats.cost == pytest.approx(single.stats.cost * IN_BATCHES.batch_factor)
    assert batched.options.batch
    cached = await done(client, await again(client, project, provider))
    assert (cached.stats.usage.calls, cached.stats.cached) == (0, CALLS)
    assert (await mock.stats())["batch_lines"] == CALLS


@pytest.mark.parametrize(
    "fault", ["error", "garbage", pytest.param("lost", marks=FULL), pytest.param("double", marks=FULL)]
)
async def test_what_a_batch_does_not_answer_well_is_called_singly(
    client: Client, mock: MockServer, fault: str
) -> None:
    await mock.control(batch_line_faults=["ok", fault, fault])
    _, _, generation = await started(client, mock)
    ended = await done(client, generation)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"]) == (0 if fault == "double" else 2, CALLS)
    # Garbage was paid.
    assert ended.stats.usage.calls == CALLS + (2 if fault == "garbage" else 0)


@pytest.mark.parametrize(
    ("fate", "lines"), [("expired", 6), ("unknown", 0), pytest.param("failed", 0, marks=FULL)]
)
async def test_the_calls_of_a_batch_that_does_not_come_about_are_made_singly(
    client: Client, mock: MockServer, fate: str, lines: int
) -> None:
    await mock.control(batches=fate)
    _, _, generation = await started(client, mock)
    await done(client, generation)
    told = await mock.stats()
    assert (told["batch_lines"], told["calls"], told["prompts_paid_twice"]) == (lines, CALLS - lines, 0)


async def test_a_job_tells_of_a_batch_once_there_is_one(client: Client, mock: MockServer) -> None:
    await mock.control(batches="held")
    _, _, generation = await started(client, mock)
    told = await told_until(client, generation, lambda: has(mock, "batches"))
    assert any(text.startswith("calls are gathered for a batch of") for text in told)
    # It may have been handed in in between.
    assert not any("has the calls" in text for text in told[:-1])

    async def is_told() -> bool:
        return "has the calls; batches take up to a day" in (await view(client, generation.id)).job.progress

    await eventually(is_told)
    await mock.control(batches="ok")
    ended = await done(client, generation)
    assert ended.job.progress == ""


async def test_a_job_tells_of_no_batch_where_the_server_takes_none(client: Client, mock: MockServer) -> None:
    await mock.control(batches="unknown", latency_ms=100)
    _, _, generation = await started(client, mock)

    async def has_ended() -> bool:
        return (await view(client, generation.id)).job.state == job_pb2.JOB_STATE_SUCCEEDED

    told = await told_until(client, generation, has_ended)
    assert any(text.startswith("calls are gathered for a batch of") for text in told)
    assert not any("has the calls" in text for text in told)


async def told_until(
    client: Client, generation: generation_pb2.Generation, check: Callable[[], Awaitable[bool]]
) -> list[str]:
    """What a job says it waits for until a check says yes."""
    told = []

    async def looked() -> bool:
        told.append((await view(client, generation.id)).job.progress)
        return await check()

    await eventually(looked, 60)
    return told


async def test_a_server_without_batches_is_asked_once(client: Client, mock: MockServer, rooms: Rooms) -> None:
    await mock.control(batches="unknown")
    project, provider, generation = await started(client, mock)
    before = rooms.processes["generation"].log().count("batches_refused")
    await done(client, generation)
    await done(client, await again(client, project, provider, no_cache=True))
    assert rooms.processes["generation"].log().count("batches_refused") == before + 1


async def test_what_is_handed_in_is_not_called_singly_where_the_server_takes_no_more(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    await mock.control(batches="held")
    _, _, generation = await started(client, mock)
    await eventually(lambda: has(mock, "batches"))
    async with rooms.stores.pool("generation") as pool:
        await pool.execute(
            "INSERT INTO batch_limits (endpoint_id, most_requests, end_time) "
            "SELECT endpoint_id, 0, now() + interval '1 hour' FROM batch_requests WHERE generation_id = $1 LIMIT 1",
            generation.id,
        )
    await mock.control(batches="ok")
    ended = await done(client, generation)
    told = await mock.stats()
    assert (told["batch_lines"], told["calls"], told["prompts_paid_twice"]) == (FACTS, CALLS - FACTS, 0)
    assert ended.stats.usage.calls == CALLS


@FULL
async def test_a_new_process_measures_no_answers_by_a_call_that_is_handed_in(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    await mock.control(batch_ms=5000)
    _, _, generation = await started(client, mock, max_tokens=100_000)
    await eventually(lambda: has(mock, "batches"))
    room = rooms.processes["generation"]
    await room.kill()
    await room.process.start(room.ready)
    ended = await done(client, generation)
    told = await mock.stats()
    assert (told["calls"], told["prompts_paid_twice"]) == (1, 0)
    assert ended.stats.usage.calls == CALLS


async def make_older(rooms: Rooms, generation: generation_pb2.Generation, column: str, hours: int) -> None:
    """Let the batches of a generation be as old as nobody waits for; they are looked at now."""
    statement = (
        f"UPDATE batches SET {column} = {column} - $2 * interval '1 hour', next_look_time = now() WHERE id IN "
        "(SELECT batch_id FROM batch_requests WHERE generation_id = $1)"
    )
    async with rooms.stores.pool("generation") as pool:
        await pool.execute(statement, generation.id, hours)


async def is_in_trouble(rooms: Rooms) -> bool:
    async with rooms.stores.pool("generation") as pool:
        return bool(await pool.fetchval("SELECT count(*) FROM batches WHERE trouble_time IS NOT NULL"))


async def test_a_batch_that_the_server_does_not_find_for_a_while_is_not_called_singly(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    await mock.control(batches="held")
    _, _, generation = await started(client, mock)
    await eventually(lambda: has(mock, "batches"))
    await mock.control(batches="hidden")
    await eventually(lambda: is_in_trouble(rooms))
    await mock.control(batches="ok")
    await done(client, generation)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"], told["batch_cancels"]) == (0, CALLS, 0)
    assert not await is_in_trouble(rooms)


async def test_a_batch_that_the_server_never_finds_again_is_cancelled_and_called_singly(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    await mock.control(batch_ms=600_000)
    _, _, generation = await started(client, mock)
    await eventually(lambda: has(mock, "batches"))
    await mock.control(batches="hidden")
    await eventually(lambda: is_in_trouble(rooms))
    await make_older(rooms, generation, "trouble_time", 1)
    await eventually(lambda: has(mock, "batch_cancels"))
    await mock.control(batches="ok", batch_ms=0)
    await done(client, generation)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"]) == (FACTS, CALLS - FACTS)


@pytest.mark.parametrize(
    ("fate", "brought"),
    [("stuck", FACTS // 2), pytest.param("ok", 0, marks=FULL), pytest.param("odd", 0, marks=FULL)],
)
async def test_a_batch_that_does_not_end_in_two_days_is_cancelled_and_what_it_brought_is_taken(
    client: Client, mock: MockServer, rooms: Rooms, fate: str, brought: int
) -> None:
    await mock.control(batch_ms=0 if fate == "stuck" else 600_000, batches=fate)
    _, _, generation = await started(client, mock)
    await eventually(lambda: has(mock, "batch_lines" if brought else "batches"))
    await make_older(rooms, generation, "create_time", 48)
    await eventually(lambda: has(mock, "batch_cancels"))
    await make_older(rooms, generation, "create_time", 2)

    async def called() -> bool:
        return bool((await mock.stats())["calls"] == FACTS - brought)

    await eventually(called)
    await mock.control(batches="ok", batch_ms=0)
    await done(client, generation)
    assert (await mock.stats())["prompts_paid_twice"] == 0


async def test_a_batch_that_nobody_wants_any_more_is_cancelled_and_what_it_had_is_asked_for_again(
    client: Client, mock: MockServer
) -> None:
    await mock.control(batch_ms=600_000)
    project, provider, generation = await started(client, mock)
    await eventually(lambda: has(mock, "batches"))
    await client.jobs("generation").CancelJob(job_service_pb2.CancelJobRequest(id=generation.job.id))

    async def cleaned() -> bool:
        return not (await mock.stats())["files"]

    await eventually(cleaned)
    await mock.control(batch_ms=0)
    await done(client, await again(client, project, provider))
    told = await mock.stats()
    assert (told["batch_lines"], told["calls"]) == (CALLS, 0)


async def test_two_generations_share_the_calls_of_a_batch(client: Client, mock: MockServer) -> None:
    await mock.control(batch_ms=1000)
    project, provider, first = await started(client, mock)
    second = await again(client, project, provider)
    both = [await done(client, one) for one in (first, second)]
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"]) == (0, CALLS)
    assert sum(one.stats.usage.calls for one in both) == CALLS


async def all_wait(rooms: Rooms, project: str) -> bool:
    """Whether a second generation waits for all that a first one has asked for."""
    async with rooms.stores.pool("generation") as pool:
        waiting = await pool.fetchval("SELECT count(*) FROM batch_waiters WHERE project_id = $1", project)
    return bool(waiting == FACTS)


@pytest.mark.parametrize("stop", ["PauseJob", pytest.param("CancelJob", marks=FULL)])
async def test_a_generation_takes_over_what_one_that_was_stopped_had_asked_for(
    client: Client, mock: MockServer, rooms: Rooms, stop: str
) -> None:
    await mock.control(batches="held")
    project, provider, first = await started(client, mock)
    await eventually(lambda: has(mock, "batches"))
    second = await again(client, project, provider)
    await eventually(lambda: all_wait(rooms, project))
    jobs = client.jobs("generation")
    if stop == "PauseJob":
        await jobs.PauseJob(job_service_pb2.PauseJobRequest(id=first.job.id))
    else:
        await jobs.CancelJob(job_service_pb2.CancelJobRequest(id=first.job.id))
    await mock.control(batches="ok")
    await done(client, second)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"]) == (0, CALLS)


@pytest.mark.parametrize(
    "limit", ["calls", pytest.param("file", marks=FULL), pytest.param("tokens", marks=FULL)]
)
async def test_a_batch_that_is_too_large_is_handed_in_by_halves_until_they_fit(
    client: Client, mock: MockServer, limit: str
) -> None:
    await mock.control(batch_most=3, batch_limit=limit)
    _, _, generation = await started(client, mock)
    ended = await done(client, generation)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"], told["files"]) == (0, CALLS, 0)
    # After 4 calls were too many, 2 are asked for at a time; beside others also these may be too many.
    assert told["batches_too_large"] == 1 or (limit == "tokens" and told["batches_too_large"] < CALLS)
    assert ended.stats.usage.calls == CALLS


@pytest.mark.full
async def test_a_batch_that_is_too_large_beside_another_waits_for_that_one(
    client: Client, mock: MockServer
) -> None:
    await mock.control(batch_most=FACTS, batch_ms=2000)
    project, provider, first = await started(client, mock)
    await eventually(lambda: has(mock, "batches"))
    second = await again(client, project, provider, no_cache=True)
    for one in (first, second):
        await done(client, one)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"], told["files"]) == (0, 2 * CALLS, 0)
    # Whatever is gathered together: it is halved until it fits, and else tried once for each that ended.
    taken = told["batches"] - told["batches_too_large"]
    assert 1 <= told["batches_too_large"] <= taken + math.log2(2 * CALLS), told


async def test_calls_are_made_singly_where_a_single_one_is_too_large_a_batch(
    client: Client, mock: MockServer
) -> None:
    await mock.control(batch_limit="nothing")
    _, _, generation = await started(client, mock)
    await done(client, generation)
    told = await mock.stats()
    # Of 4 calls, of 2, of 1.
    assert (told["calls"], told["batch_lines"], told["batches_too_large"]) == (CALLS, 0, 3)


async def test_the_calls_of_a_pool_are_in_batches_of_all_its_members_that_take_them(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    async with mock_llm() as second, mock_llm() as without:
        await without.control(batches="unknown")
        servers = [mock, second, without]
        members = [await new_provider(client, project, one.base_url, price=IN_BATCHES) for one in servers]
        pool = await new_pool(client, project, members)
        await done(client, await again(client, project, pool, no_cache=True))
        lines = [(await one.stats())["batch_lines"] for one in servers]
        assert (sum(lines), lines[2]) == (CALLS, 0)
        assert min(lines[:2]) > 0
        assert [(await one.stats())["calls"] for one in servers] == [0, 0, 0]


async def test_the_calls_of_a_pool_are_made_singly_where_no_member_takes_batches(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    async with mock_llm() as second:
        servers = [mock, second]
        for one in servers:
            await one.control(batches="unknown")
        members = [await new_provider(client, project, one.base_url) for one in servers]
        pool = await new_pool(client, project, members)
        await done(client, await again(client, project, pool))
        told = [await one.stats() for one in servers]
        assert sum(one["calls"] for one in told) == CALLS
        assert sum(one["batch_lines"] for one in told) == 0


async def test_a_pilot_of_batches_is_quick_and_tells_their_price_and_what_time_is_promised(
    client: Client, mock: MockServer
) -> None:
    await mock.control(batch_ms=600_000)
    project, provider, pilot = await started(client, mock, pilot_chunks=2 * FACTS)
    pilot = await done(client, pilot)
    assert (await mock.stats())["batches"] == 0
    single = pilot.stats.cost
    told = pilot.forecast
    assert told.cost.expected == pytest.approx(single * IN_BATCHES.batch_factor)
    assert not told.HasField("seconds")
    assert told.promised_seconds == 2 * 24 * 3600
    whole = await done(client, await again(client, project, provider))
    assert (whole.stats.usage.calls, whole.stats.cached) == (0, CALLS)


async def test_a_pilot_tells_of_single_calls_where_the_server_takes_no_batches(
    client: Client, mock: MockServer
) -> None:
    await mock.control(batches="unknown")
    project, provider, generation = await started(client, mock)
    await done(client, generation)
    pilot = await done(client, await again(client, project, provider, pilot_chunks=2 * FACTS, no_cache=True))
    assert pilot.forecast.cost.expected == pytest.approx(pilot.stats.cost)
    assert pilot.forecast.HasField("seconds")
    assert pilot.forecast.promised_seconds == 0


async def test_the_main_job_hands_its_calls_in_as_batches_where_that_is_wanted(
    client: Client, mock: MockServer
) -> None:
    project_id = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    project = Project(id=project_id)
    options = LearnOptions(
        [], "n", Path("out"), llm_base_url=mock.base_url, llm_model="m", batch=True, price=IN_BATCHES
    )
    provider = await provider_named(client, project, options, lambda _: None)
    assert provider.price == IN_BATCHES
    # What was said of batches before stays where nothing is said of them now.
    plain = provider_pb2.ProviderPrice(prompt_per_million=3, completion_per_million=8, currency="EUR")
    provider = await provider_named(client, project, replace(options, price=plain), lambda _: None)
    assert (provider.price.prompt_per_million, provider.price.batch_factor) == (3, IN_BATCHES.batch_factor)
    wanted = generation_pb2.Generation(
        project_id=project_id, provider_id=provider.id, options=options.generation()
    )
    wanted.options.context_chars = ONLY_THE_FACT
    await done(client, await begin(client, wanted))
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"]) == (0, CALLS)


@pytest.mark.parametrize(
    ("step", "sign"),
    [
        pytest.param("upload", "files", marks=FULL),
        ("create", "batches"),
        pytest.param("read", "file_reads", marks=FULL),
    ],
)
async def test_a_room_that_is_killed_in_the_middle_of_a_batch_pays_nothing_twice(
    client: Client, mock: MockServer, rooms: Rooms, step: str, sign: str
) -> None:
    await mock.control(batches=f"slow_{step}")
    _, _, generation = await started(client, mock)

    async def begun() -> bool:
        return bool((await mock.stats())[sign])

    await eventually(begun)
    room = rooms.processes["generation"]
    await room.kill()
    await mock.control(batches="ok")
    await room.process.start(room.ready)
    ended = await done(client, generation)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"], told["files"]) == (0, CALLS, 0)
    assert ended.stats.usage.calls == CALLS


@pytest.mark.parametrize(
    ("step", "stop"),
    [
        ("upload", "delete"),
        ("create", "cancel"),
        ("cancel", "delete"),
        pytest.param("upload", "cancel", marks=FULL),
        pytest.param("create", "delete", marks=FULL),
        pytest.param("cancel", "cancel", marks=FULL),
    ],
)
async def test_a_batch_ends_at_the_server_with_its_project_or_job_also_where_the_room_is_killed(
    client: Client, mock: MockServer, rooms: Rooms, stop: str, step: str
) -> None:
    key = "sk-planted-in-batches"
    await mock.control(batch_ms=600_000, batches=f"slow_{step}", api_key=key)
    project = await parsed_project(client, {"a.md": handbook(FACTS)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url, key)
    generation = await again(client, project, provider)
    await eventually(lambda: has(mock, "files" if step == "upload" else "batches"))
    if stop == "delete":
        request = project_data_service_pb2.DeleteProjectDataRequest(project_id=project)
        await client.project_data("generation").DeleteProjectData(request)
    else:
        await client.jobs("generation").CancelJob(job_service_pb2.CancelJobRequest(id=generation.job.id))
    if step == "cancel":
        await eventually(lambda: has(mock, "batch_cancels"))
    room = rooms.processes["generation"]
    await room.kill()
    await mock.control(batches="ok")
    await room.process.start(room.ready)

    async def ended() -> bool:
        told = await mock.stats()
        return (told["batches_in_work"], told["files"]) == (0, 0)

    await eventually(ended)
    assert (await mock.stats())["batches"] == (0 if step == "upload" else 1)
    assert key not in room.log()


@pytest.mark.full
async def test_a_room_that_is_killed_again_and_again_pays_nothing_twice(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    await mock.control(batch_ms=300)
    _, _, generation = await started(client, mock)
    room = rooms.processes["generation"]
    for tenths in (3, 6, 9, 12, 15):
        await asyncio.sleep(tenths / 10)
        await room.kill()
        await room.process.start(room.ready)
    ended = await done(client, generation)
    told = await mock.stats()
    assert (told["calls"], told["batch_lines"], told["files"]) == (0, CALLS, 0)
    assert ended.stats.usage.calls == CALLS


async def test_a_budget_holds_for_batches_whose_answers_are_longer_than_anybody_knew(
    client: Client, mock: MockServer
) -> None:
    # The first two of a list are taken; all of it is paid.
    await mock.control(fixed={"questions": [f"How much does part {number} weigh?" for number in range(800)]})
    _, _, generation = await started(client, mock, max_tokens=16_000)
    await paused(client, generation)
    usage = (await view(client, generation.id)).stats.usage
    assert 5000 < usage.prompt_tokens + usage.completion_tokens <= 16_000


async def paused(client: Client, generation: generation_pb2.Generation) -> None:
    """Wait until it has no room for another call."""

    async def is_paused() -> bool:
        job = (await view(client, generation.id)).job
        assert not job.HasField("end_time"), job
        return job.state == job_pb2.JOB_STATE_PAUSED

    await eventually(is_paused, 60)


async def test_a_budget_holds_for_what_is_in_batches(client: Client, mock: MockServer) -> None:
    _, _, generation = await started(client, mock, max_tokens=3500)
    await paused(client, generation)
    ended = await view(client, generation.id)
    assert 0 < ended.stats.usage.prompt_tokens + ended.stats.usage.completion_tokens <= 3500
    told = await mock.stats()
    assert told["batch_lines"] + told["calls"] < CALLS
    # What was paid as the job was paused is not paid again.
    more = generation_pb2.Generation(id=generation.id)
    mask = FieldMask(paths=["options.max_tokens"])
    await client.generations.UpdateGeneration(UpdateGenerationRequest(generation=more, update_mask=mask))
    await client.jobs("generation").ResumeJob(job_service_pb2.ResumeJobRequest(id=generation.job.id))
    ended = await done(client, generation)
    told = await mock.stats()
    # The first call is made singly, to know how long an answer is.
    assert (told["batch_lines"], told["calls"], ended.stats.usage.calls) == (CALLS - 1, 1, CALLS)
