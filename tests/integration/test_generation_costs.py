"""What the calls of generations cost: every paid call is counted once, whatever came of it."""

from __future__ import annotations

import pytest

from services.generation.asking.call_store import CallStore
from services.generation.questions.questions import CallRecord
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.generation.v1 import generation_pb2
from tests.integration.documents import end_of, parsed_project
from tests.integration.generations import (
    PRICE,
    generated,
    handbook,
    new_provider,
    priced_provider,
    start_generation,
    view,
)
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer

SMALL = {"min_size": 1, "max_size": 100}


def cost_of(generation: generation_pb2.Generation) -> float:
    usage = generation.stats.usage
    asked = usage.prompt_tokens * PRICE.prompt_per_million
    return (asked + usage.completion_tokens * PRICE.completion_per_million) / 1e6


async def test_calls_cost_what_the_provider_said_at_that_time(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(3)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    done = await generated(client, await start_generation(client, project, provider))
    stats = done.stats
    assert (stats.usage.calls, stats.currency) == ((await mock.stats())["paid"], "EUR")
    assert stats.cost == pytest.approx(cost_of(done))
    assert stats.cost > 0


async def test_a_provider_without_a_price_costs_nothing(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    done = await generated(client, await start_generation(client, project, provider))
    assert (done.stats.cost, done.stats.currency) == (0, "")


async def test_calls_that_never_validated_cost_what_they_cost_each_time_they_are_tried(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    asks_of_a_chain = 3
    await mock.control(next_faults=["garbage"] * 2 * asks_of_a_chain)
    generation = await start_generation(client, project, provider)
    ended = await end_of(client, "generation", generation.job.id)
    assert (ended.state, ended.counts.failed) == (job_pb2.JOB_STATE_FAILED, 2)
    failed = await view(client, generation.id)
    assert failed.stats.usage.calls == (await mock.stats())["paid"] == 2 * asks_of_a_chain
    assert failed.stats.cost == pytest.approx(cost_of(failed))
    await client.jobs("generation").RetryJob(job_service_pb2.RetryJobRequest(id=ended.id))
    done = await generated(client, generation)
    assert (done.job.state, done.stats.answered) == (job_pb2.JOB_STATE_SUCCEEDED, 4)
    assert done.stats.usage.calls == (await mock.stats())["paid"] == 2 * asks_of_a_chain + 6


async def test_calls_before_a_try_that_ended_well_are_counted(client: Client, mock: MockServer) -> None:
    project = await parsed_project(client, {"a.md": handbook(1)}, **SMALL)
    provider = await priced_provider(client, project, mock.base_url)
    await mock.control(next_faults=["garbage", "500"])
    done = await generated(client, await start_generation(client, project, provider))
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert done.stats.usage.calls == (await mock.stats())["paid"] == 1 + 3


async def test_costs_of_a_generation_that_was_deleted_meanwhile_are_let_go(rooms: Rooms) -> None:
    call = CallRecord(new_id(), "answer.en@1", new_id(), "m", {}, 1, 1, 1, 0.1, failure="LLM_OUTPUT_INVALID")
    async with rooms.stores.pool("generation") as pool:
        await CallStore(pool).add_failed(new_id(), call)
        assert await pool.fetchval("SELECT count(*) FROM llm_calls WHERE id = $1", call.id) == 0
