"""What workers know together of a model's server, in a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest_asyncio
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.generation.calls.endpoint_store import EndpointStore
from services.generation.calls.gate import Gate
from services.generation.calls.llm import Llm
from services.generation.calls.modes import Habits
from services.generation.calls.replies import Reply
from services.generation.calls.sharing import Report, Share
from services.generation.calls.transport import Transport
from services.generation.metrics import GenerationMetrics
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint, Limits
from services.generation.questions.writing import strict_object
from services.runtime.db import Pool
from services.runtime.ids import new_id
from tests.integration.processes import eventually
from tests.integration.stores import Stores
from tests.support.mock_llm import MockServer, mock_llm
from tests.support.web_server import served

SCHEMA = strict_object({"answer": {"type": "string"}})
ENDPOINT = Endpoint("http://h/v1", "m", "sk-planted-in-endpoints")


@pytest_asyncio.fixture
async def pool(stores: Stores) -> AsyncIterator[Pool]:
    async with stores.pool("generation") as pool:
        yield pool


def wanting(demand: int, share: Share | None = None, seconds: float = 0.5) -> Report:
    """What a worker says that uses all of its share, with calls that take so long however many there are."""
    if share is None or not share.calls:
        return Report(-1, 0, 0.0, 0, 0, demand)
    return Report(share.round, share.calls, share.calls * seconds, 0, share.calls, demand)


async def test_workers_share_one_limit_by_what_they_want_and_raise_it_together(pool: Pool) -> None:
    stores = [EndpointStore(pool) for _ in range(3)]
    demands = (300, 100, 0)
    shares: list[Share | None] = [None, None, None]
    for _ in range(12):
        for number, store in enumerate(stores):
            shares[number] = await store.report(ENDPOINT, wanting(demands[number], shares[number]))
    first, second, third = [share.calls for share in shares if share]
    assert first + second > 100
    assert 2.5 * second < first < 3.5 * second
    assert third == 0
    assert [share.part for share in shares if share] == [0.75, 0.25, 0.0]


async def test_a_limit_of_the_provider_is_kept_by_all_workers_together(pool: Pool) -> None:
    limited = Endpoint(ENDPOINT.base_url, ENDPOINT.model, limits=Limits(calls_in_flight=3))
    stores = [EndpointStore(pool) for _ in range(2)]
    for _ in range(3):
        shares = [await store.report(limited, wanting(50)) for store in stores]
    assert sum(share.calls for share in shares) == 3


async def test_a_limit_found_never_grows_beyond_that_of_the_provider(pool: Pool) -> None:
    limited, store = replace(ENDPOINT, limits=Limits(calls_in_flight=2)), EndpointStore(pool)
    share = await store.report(limited, wanting(300))
    for _ in range(40):
        share = await store.report(limited, replace(wanting(300, share), calls=400, seconds=200.0))
    assert share.calls == 2
    assert await pool.fetchval("SELECT max((concurrency ->> 'limit')::float8) FROM endpoints") == 2


async def test_a_limit_of_the_provider_is_kept_while_shares_change(pool: Pool) -> None:
    limited = Endpoint(ENDPOINT.base_url, ENDPOINT.model, limits=Limits(calls_in_flight=4))
    first, second = EndpointStore(pool), EndpointStore(pool)
    assert (await first.report(limited, wanting(50))).calls == 4
    urgent = Report(-1, 0, 0.0, 0, 0, 1, urgent=1)
    assert (await second.report(limited, urgent)).calls == 0, "the first has not heard of it"
    assert (await first.report(limited, replace(wanting(50), in_flight=4))).calls == 3
    assert (await second.report(limited, urgent)).calls == 0, "one call of the first has to end"
    assert (await first.report(limited, replace(wanting(50), in_flight=3))).calls == 3
    assert (await second.report(limited, urgent)).calls == 1


async def test_a_trial_gets_its_turn_beside_a_full_worker_and_within_the_limits(pool: Pool) -> None:
    gates = [Gate(EndpointStore(pool), GenerationMetrics(CollectorRegistry())) for _ in range(2)]
    transport = Transport(20)
    async with mock_llm(latency_ms=200) as mock:
        endpoint = Endpoint(mock.base_url, "mock-model", limits=Limits(calls_in_flight=2))

        async def call(where: Endpoint) -> Reply:
            return await transport.complete(where, [{"role": "user", "content": new_id()}], {})

        queued = [asyncio.create_task(gates[0].run([endpoint], call)) for _ in range(500)]
        await eventually(lambda: is_busy(mock, 2))
        for _ in range(3):
            await gates[1].run_urgent(endpoint, call, 10)
        stats = await mock.stats()
        for task in queued:
            task.cancel()
        await asyncio.gather(*queued, return_exceptions=True)
    for gate in gates:
        await gate.close()
    await transport.close()
    assert stats["calls"] < 100
    assert stats["max_in_flight"] == 2


async def is_busy(mock: MockServer, calls: int) -> bool:
    return bool((await mock.stats())["in_flight"] >= calls)


async def test_what_one_worker_is_told_to_wait_all_wait(pool: Pool) -> None:
    first, second = EndpointStore(pool), EndpointStore(pool)
    await first.report(ENDPOINT, Report(0, 0, 0.0, 3, 0, 9, pause_seconds=60.0))
    share = await second.report(ENDPOINT, wanting(9))
    assert 55 < share.paused_seconds <= 60
    assert share.calls <= 1


async def test_the_pause_that_a_server_asked_for_last_holds(pool: Pool) -> None:
    first, second = EndpointStore(pool), EndpointStore(pool)
    await first.report(ENDPOINT, Report(0, 0, 0.0, 3, 0, 9, pause_seconds=600.0))
    share = await second.report(ENDPOINT, Report(0, 0, 0.0, 1, 0, 9, pause_seconds=2.0))
    assert share.paused_seconds <= 2


async def test_a_worker_that_is_gone_takes_no_part(pool: Pool) -> None:
    first, second = EndpointStore(pool), EndpointStore(pool)
    await first.report(ENDPOINT, wanting(50))
    assert (await second.report(ENDPOINT, wanting(50))).part == 0.5
    await first.leave()
    assert (await second.report(ENDPOINT, wanting(50))).part == 1.0


async def test_workers_that_report_at_once_lose_nothing(pool: Pool) -> None:
    stores = [EndpointStore(pool) for _ in range(6)]
    await stores[0].report(ENDPOINT, wanting(1))
    # Few enough that the round goes on.
    await asyncio.gather(*(store.report(ENDPOINT, Report(0, 1, 0.5, 0, 1, 0)) for store in stores[:3]))
    known = await pool.fetchval("SELECT concurrency FROM endpoints WHERE id = $1", ENDPOINT.id)
    assert (known["calls"], known["seconds"]) == (3, 1.5)


async def test_workers_take_over_how_another_found_a_server_to_be_asked(pool: Pool) -> None:
    known = [EndpointStore(pool) for _ in range(2)]
    metrics = [GenerationMetrics(CollectorRegistry()) for _ in known]
    gates = [Gate(*each) for each in zip(known, metrics, strict=True)]
    transport = Transport(20)
    llms = [Llm(transport, *each) for each in zip(gates, known, metrics, strict=True)]
    kinds: list[str] = []
    taken = {"json_object"}

    async def complete(request: web.Request) -> web.Response:
        kinds.append((await request.json()).get("response_format", {}).get("type", "text"))
        if kinds[-1] not in taken:
            error = {"message": f"response_format {kinds[-1]} is not supported"}
            return web.json_response({"error": error}, status=400)
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": '{"answer": "yes"}'}}
        return web.json_response({"model": "m", "choices": [choice]})

    async with served(complete) as url:
        endpoint = Endpoint(url, "m")

        async def kinds_of(llm: Llm) -> list[str]:
            kinds.clear()
            await llm.ask([endpoint], Prompt("p@1", ["", "Yes?"]), SCHEMA, dict, {})
            return list(kinds)

        async def asks_first(llm: Llm, kind: str) -> bool:
            return (await kinds_of(llm))[0] == kind

        assert await kinds_of(llms[1]) == ["json_schema", "json_object"]
        for _ in range(3):
            await kinds_of(llms[0])
        assert await kinds_of(llms[0]) == ["json_object"]
        await eventually(lambda: asks_first(llms[1], "json_object"), 3)
        # The server was mended, and a trial found that out.
        taken.add("json_schema")
        await EndpointStore(pool).remember(endpoint, Habits(mode=0))
        for llm in llms:
            await eventually(partial(asks_first, llm, "json_schema"), 3)
            assert await kinds_of(llm) == ["json_schema"]
    for gate in gates:
        await gate.close()
    await transport.close()


async def test_how_a_server_is_asked_is_remembered_and_its_key_is_not(pool: Pool) -> None:
    store = EndpointStore(pool)
    assert await store.recall(ENDPOINT) == Habits()
    await store.remember(ENDPOINT, Habits(mode=2, streams=True))
    assert await EndpointStore(pool).recall(ENDPOINT) == Habits(mode=2, streams=True)
    rows = await pool.fetch("SELECT endpoints::text FROM endpoints")
    assert "sk-planted" not in str(rows)
