"""A worker that is told to end begins no call any more, and pays none for nothing."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.generation.v1 import provider_pb2
from tests.integration.documents import end_of, parsed_project
from tests.integration.generations import handbook, new_provider, start_generation, view
from tests.integration.processes import eventually
from tests.integration.stores import Rooms, shared_rooms, started_room
from tests.support.mock_llm import MockServer

IN_FLIGHT = 4
ROOM = ("generation", "worker", "--concurrency", "16")

rooms = pytest_asyncio.fixture(scope="module")(
    shared_rooms("ingest", "generation", SISHU_GENERATION_CONCURRENCY=0)
)


@pytest.mark.full
async def test_the_calls_in_flight_end_and_are_stored_and_no_other_begins(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project = await parsed_project(client, {"a.md": handbook(12)}, min_size=1, max_size=100)
    limits = provider_pb2.ProviderLimits(calls_in_flight=IN_FLIGHT)
    provider = await new_provider(client, project, mock.base_url, limits=limits)
    await mock.control(latency_ms=1500)
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(started_room(rooms.stores, *ROOM))
        run = await start_generation(client, project, provider)

        async def full() -> bool:
            return bool((await mock.stats())["in_flight"] == IN_FLIGHT)

        await eventually(full)
        begun, started = (await mock.stats())["calls"], time.monotonic()
        assert await worker.stop() == 0
        assert time.monotonic() - started < 8
        stats = await mock.stats()
        assert stats["calls"] <= begun + 1, "one that was granted as the signal came"
        assert (await view(client, run.id)).stats.usage.calls == stats["paid"] == stats["calls"]
        await mock.control(latency_ms=0)
        await stack.enter_async_context(started_room(rooms.stores, *ROOM))
        assert (await end_of(client, "generation", run.job.id)).state == job_pb2.JOB_STATE_SUCCEEDED
    stats = await mock.stats()
    assert stats["paid"] == stats["distinct_prompts"] == 36
