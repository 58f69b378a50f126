"""Calls that are paid are counted and their answers kept, whatever becomes of their items."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from services.generation.asking.asking import Asker, Task, record
from services.generation.asking.batching import Batcher
from services.generation.asking.call_store import CallStore, Settlement
from services.generation.asking.reserving import Reserver
from services.generation.calls.batch_store import BatchStore
from services.generation.calls.endpoints import Endpoints
from services.generation.calls.replies import Usage
from services.generation.calls.transport import Transport
from services.generation.generations.store import Store
from services.generation.prompts.built_in import Prompt
from services.generation.providers.keys import Keys
from services.generation.providers.store import ProviderStore
from services.generation.questions.writing import WrittenAnswer, parse_answer, strict_object
from services.runtime.db import Pool
from services.runtime.errors import Unavailable
from services.runtime.ids import new_id
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.secrets import SecretBox
from sishu.client import Client
from sishu.generation.v1 import generation_pb2
from tests.integration.documents import parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    priced_provider,
    start_generation,
)
from tests.integration.processes import eventually
from tests.integration.stores import Rooms
from tests.support.alone import llm_alone
from tests.support.mock_llm import MockServer

SCHEMA = strict_object({"quote": {"type": "string"}, "answer": {"type": "string"}})


@dataclass(frozen=True)
class Desk:
    """An asker as in a worker, and a task for it."""

    pool: Pool
    asker: Asker
    task: Task[WrittenAnswer]

    async def failures(self) -> list[tuple[str, int]]:
        """Why calls led to no result, and how many they were."""
        rows = await self.pool.fetch(
            "SELECT failure, calls FROM llm_calls WHERE generation_id = $1 AND failure <> '' ORDER BY id",
            self.task.generation.id,
        )
        return [tuple(row) for row in rows]

    async def reserved(self) -> int:
        count: int = await self.pool.fetchval(
            "SELECT count(*) FROM reservations WHERE item_id = $1", self.task.item.id
        )
        return count


@asynccontextmanager
async def desk(client: Client, mock: MockServer, rooms: Rooms) -> AsyncIterator[Desk]:
    project = await parsed_project(client, {"a.md": handbook(1)}, min_size=1, max_size=100)
    provider = await priced_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, max_tokens=100_000)
    made = await generated(client, await start_generation(client, project, provider, options))
    async with rooms.stores.pool("generation") as pool:
        jobs, calls, transport = Jobs(pool, "generation"), CallStore(pool), Transport(10)
        llm = llm_alone(transport)
        keys = Keys(cast(SecretBox, None), {}, None)
        endpoints = Endpoints(client, keys, ProviderStore(pool).get_many)
        batcher = Batcher(BatchStore(pool, jobs), llm)
        asker = Asker(calls, Reserver(calls, jobs), llm, batcher, endpoints, jobs)
        generation, found = await Store(pool, jobs).get_origin(made.id)
        prompt = Prompt(
            "answer.en@1", ["You answer.", "Text:\nIt runs for nine hours.\n\nQuestion: How long? As JSON."]
        )
        item = Item(new_id(), made.job.id, project, made.id, "write_answer", "k", "", {})
        try:
            yield Desk(pool, asker, Task(item, generation, found, new_id(), prompt, SCHEMA, parse_answer))
        finally:
            await transport.close()


async def test_the_answer_of_an_item_that_was_closed_meanwhile_is_kept_and_counted(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    async with desk(client, mock, rooms) as at:
        with pytest.raises(ItemClosed):
            async with at.asker.asked(at.task):
                raise ItemClosed
        assert (await at.failures(), await at.reserved()) == ([("STOPPED", 1)], 0)
        async with at.asker.asked(at.task) as again:
            assert (again.call.calls, again.call.cached is not None) == (0, True)


async def test_where_answers_are_passed_over_an_item_that_is_tried_again_takes_its_own(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    async with desk(client, mock, rooms) as at:
        options = replace(at.task.generation.options, no_cache=True)
        task = replace(at.task, generation=replace(at.task.generation, options=options))
        with pytest.raises(Unavailable):
            async with at.asker.asked(task):
                raise Unavailable("PROVIDER_UNAVAILABLE", "no embeddings")
        other = replace(task, item=replace(task.item, id=new_id(), attempt=2))
        async with at.asker.asked(other) as asked:
            assert (asked.call.calls, asked.call.cached) == (1, None)
        async with at.asker.asked(replace(task, item=replace(task.item, attempt=2))) as asked:
            assert (asked.call.calls, asked.call.cached is not None) == (0, True)


async def test_a_call_that_is_cut_off_in_the_middle_is_counted_at_worst(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    async with desk(client, mock, rooms) as at:
        await mock.reset()
        await mock.control(latency_ms=60_000)

        async def asks() -> None:
            async with at.asker.asked(at.task):
                pass

        asking = asyncio.create_task(asks())

        async def is_in_flight() -> bool:
            return bool((await mock.stats())["in_flight"])

        await eventually(is_in_flight)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        assert (await at.failures(), await at.reserved()) == ([("STOPPED", 1)], 0)
        used = await at.pool.fetchval(
            "SELECT completion_tokens FROM llm_calls WHERE generation_id = $1 AND failure <> ''",
            at.task.generation.id,
        )
        assert used >= 1000


async def test_calls_before_an_error_that_nobody_foresaw_are_counted(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    def broken(_: Any) -> WrittenAnswer:
        raise KeyError("a fault of ours")

    async with desk(client, mock, rooms) as at:
        with pytest.raises(KeyError):
            async with at.asker.asked(replace(at.task, parse=broken)):
                pass
        assert (await at.failures(), await at.reserved()) == ([("INTERNAL", 1)], 0)


async def test_a_call_whose_storing_was_not_heard_of_is_counted_once(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    async with desk(client, mock, rooms) as at:
        store, call = CallStore(at.pool), record(at.task, "m", Usage(1, 2, 3), failure="STOPPED")
        for _ in range(2):
            await store.add_failed(at.task.generation.id, call, Settlement(item_id=at.task.item.id))
        assert await at.failures() == [("STOPPED", 3)]
