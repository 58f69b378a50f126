"""What a generation will take: told from a pilot before it begins, and from what is done while it runs."""

from __future__ import annotations

import random

import pytest

from services.generation.forecasts.store import ForecastStore
from services.generation.sources.chunk_reader import ChunkReader
from services.generation.writers.questions import pilot_chunks
from services.runtime.db import transaction
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.generation.v1 import generation_pb2
from sishu.generation.v1.generation_pb2 import Estimate
from tests.integration.documents import chunks_of, parsed_project
from tests.integration.generations import (
    generated,
    handbook,
    new_provider,
    priced_provider,
    questions_of,
    start_generation,
    view,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer

PILOT = 8


def uneven(parts: int, seed: int) -> bytes:
    """A document whose parts differ in length."""
    dice = random.Random(seed)  # noqa: S311  # no secret
    lines = []
    for part in range(parts):
        lines.append(f"# Part {part} of {seed}\n")
        for number in range(dice.randint(1, 12)):
            lines.append(f"The bolt {part}.{number} of series {seed} weighs {dice.randint(2, 999)} grams.\n")
    return "\n".join(lines).encode()


async def run(
    client: Client, project: str, provider: str, pilot_chunks: int = 0
) -> generation_pb2.Generation:
    wanted = generation_pb2.GenerationOptions(chars_per_fact=60, facts_per_call=4, pilot_chunks=pilot_chunks)
    done = await generated(client, await start_generation(client, project, provider, wanted))
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    return done


def holds(estimate: Estimate, truth: float) -> bool:
    return 0 < estimate.low <= truth <= estimate.high < 2 * truth


@pytest.mark.full
async def test_a_pilot_tells_what_the_whole_takes_and_is_not_paid_again(
    client: Client, mock: MockServer
) -> None:
    files = {f"{seed}.md": uneven(20, seed) for seed in range(3)}
    project = await parsed_project(client, files, min_size=1, max_size=900)
    provider = await priced_provider(client, project, mock.base_url)
    pilot = await run(client, project, provider, pilot_chunks=PILOT)
    chunks = {chunk.id: chunk for chunk in await chunks_of(client, project)}
    asked = {question.chunk_ids[0] for question in await questions_of(client, pilot)}
    assert len(asked) == PILOT
    sizes = sorted(len(chunk.text) for chunk in chunks.values())
    quarter = len(sizes) // 4
    assert min(len(chunks[one].text) for one in asked) <= sizes[quarter]
    assert max(len(chunks[one].text) for one in asked) >= sizes[-quarter]
    told = pilot.forecast
    assert (told.chunks, told.chunks_seen) == (len(chunks), PILOT)
    whole = await run(client, project, provider)
    assert whole.stats.usage.calls + pilot.stats.usage.calls == (await mock.stats())["paid"]
    usage, paid = whole.stats.usage, pilot.stats.usage
    assert holds(told.calls, usage.calls + paid.calls)
    assert holds(told.prompt_tokens, usage.prompt_tokens + paid.prompt_tokens)
    assert holds(told.completion_tokens, usage.completion_tokens + paid.completion_tokens)
    assert holds(told.cost, whole.stats.cost + pilot.stats.cost)
    assert told.seconds.expected > 0
    assert not whole.HasField("forecast")
    again = await run(client, project, provider, pilot_chunks=PILOT)
    assert again.stats.usage.calls == 0
    for name in ("calls", "prompt_tokens", "completion_tokens", "cost"):
        assert getattr(again.forecast, name).expected == pytest.approx(getattr(told, name).expected)


async def test_a_running_generation_tells_when_it_ends_and_how_fast_it_is(
    client: Client, mock: MockServer
) -> None:
    await mock.control(latency_ms=300)
    project = await parsed_project(client, {"a.md": handbook(150)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    generation = await start_generation(client, project, provider)

    async def is_told() -> bool:
        return (await view(client, generation.id)).HasField("forecast")

    await eventually(is_told, seconds=60)
    seen = await view(client, generation.id)
    assert seen.stats.calls_per_second > 0
    assert seen.forecast.chunks == 150
    assert seen.forecast.calls.expected == pytest.approx(450, rel=0.2)
    assert seen.forecast.seconds.expected > 1
    assert not seen.forecast.HasField("cost")
    await client.jobs("generation").CancelJob(job_service_pb2.CancelJobRequest(id=generation.job.id))
    ended = await view(client, generation.id)
    assert (ended.stats.calls_per_second, ended.HasField("forecast")) == (0, False)


async def test_a_pilot_of_more_chunks_than_there_are_is_the_whole(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(3)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    pilot = await run(client, project, provider, pilot_chunks=PILOT)
    calls = pilot.forecast.calls
    assert (pilot.forecast.chunks_seen, calls.low, calls.high) == (3, 9, 9)


async def test_a_pilot_passes_over_chunks_that_were_deleted_since_they_were_planned(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project = await parsed_project(client, {"a.md": handbook(3)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    pilot = await run(client, project, provider, pilot_chunks=PILOT)
    there = {chunk.id for chunk in await chunks_of(client, project)}
    async with rooms.stores.pool("generation") as pool:
        forecasts = ForecastStore(pool)
        gone = [(new_id(), characters, 1) for characters in (1, 1000)]
        async with transaction(pool) as connection:
            await forecasts.add_chunks(connection, pilot.id, gone, asked=False, last=True)
        chosen = await pilot_chunks(forecasts, ChunkReader(client), pilot.id, 3)
        covered = await pool.fetchval("SELECT chunk_count FROM generations WHERE id = $1", pilot.id)
    assert covered == 3
    assert {chunk.id for chunk in chosen} == there
