from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.generation.calls import gate as gates
from services.generation.calls.gate import TICK_SECONDS, Gate
from services.generation.calls.replies import Reply
from services.generation.calls.transport import Transport
from services.generation.metrics import GenerationMetrics
from services.generation.providers.providers import Endpoint, Limits, Price
from services.runtime.errors import SishuError
from services.runtime.in_work import InWork, turn_in_work
from services.runtime.jobs import Item
from tests.support.alone import Alone
from tests.support.mock_llm import MockServer, mock_llm
from tests.support.web_server import served

NUMBERS = itertools.count()


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport(20)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def gate() -> AsyncIterator[Gate]:
    made = Gate(Alone(), GenerationMetrics(CollectorRegistry()))
    yield made
    await made.close()


def calling(transport: Transport) -> Callable[[Endpoint], Awaitable[Reply]]:
    message = {"role": "user", "content": f"Question {next(NUMBERS)}?"}
    return lambda endpoint: transport.complete(endpoint, [message], {})


async def call_all(gate: Gate, transport: Transport, endpoints: list[Endpoint], calls: int) -> list[Reply]:
    return await asyncio.gather(*(gate.run(endpoints, calling(transport)) for _ in range(calls)))


async def test_many_calls_at_once_begin_a_few_at_a_time_and_ever_more(
    gate: Gate, transport: Transport
) -> None:
    async with mock_llm(latency_ms=100) as mock:
        replies = await call_all(gate, transport, [Endpoint(mock.base_url, "mock-model")], 300)
        assert len(replies) == 300
        assert 4 < (await mock.stats())["max_in_flight"] < 300


async def test_a_call_that_is_refused_is_made_again_and_few_are(gate: Gate, transport: Transport) -> None:
    async with mock_llm(latency_ms=200, capacity=8, queue_limit=0, retry_after_s=1) as mock:
        await call_all(gate, transport, [Endpoint(mock.base_url, "mock-model")], 200)
        stats = await mock.stats()
    assert stats["statuses"]["200"] == 200
    assert 0 < stats["statuses"]["429"] < 40


async def test_an_error_that_is_no_refusal_comes_out_at_once(gate: Gate, transport: Transport) -> None:
    async with mock_llm(next_faults=["500"]) as mock:
        with pytest.raises(SishuError) as raised:
            await call_all(gate, transport, [Endpoint(mock.base_url, "mock-model")], 1)
        assert raised.value.reason == "PROVIDER_FAILED"
        assert (await mock.stats())["calls"] == 1


async def test_limits_of_a_provider_are_never_passed(gate: Gate, transport: Transport) -> None:
    async with mock_llm(latency_ms=50) as mock:
        endpoint = Endpoint(mock.base_url, "mock-model", limits=Limits(calls_in_flight=3))
        await call_all(gate, transport, [endpoint], 30)
        assert (await mock.stats())["max_in_flight"] == 3


async def test_providers_of_one_address_and_key_keep_their_own_price_and_the_strictest_limit(
    gate: Gate, transport: Transport
) -> None:
    seen: list[Endpoint] = []

    def noting(call: Callable[[Endpoint], Awaitable[Reply]]) -> Callable[[Endpoint], Awaitable[Reply]]:
        async def noted(endpoint: Endpoint) -> Reply:
            seen.append(endpoint)
            return await call(endpoint)

        return noted

    async with mock_llm(latency_ms=50) as mock:
        strict = Limits(calls_in_flight=3)
        priced = Endpoint(mock.base_url, "mock-model", "", "priced", strict, Price(1, 2, "CNY"))
        plain = Endpoint(mock.base_url, "mock-model", "", "plain", streaming="never")
        calls = [gate.run([one], noting(calling(transport))) for _ in range(30) for one in (priced, plain)]
        await asyncio.gather(*calls)
        assert Counter(seen) == {priced: 30, plain: 30}
        assert (await mock.stats())["max_in_flight"] == 3
        # Those of the other alone.
        await asyncio.gather(*(gate.run([plain], noting(calling(transport))) for _ in range(30)))
        assert (await mock.stats())["max_in_flight"] > 3


async def test_a_rate_of_a_provider_is_kept(gate: Gate, transport: Transport) -> None:
    async with mock_llm() as mock:
        endpoint = Endpoint(mock.base_url, "mock-model", limits=Limits(calls_per_minute=600))
        started = time.monotonic()
        await call_all(gate, transport, [endpoint], 50)
        # Ten a second, but for those that two seconds allow at once.
        assert time.monotonic() - started > 2.5


async def test_the_members_of_a_pool_share_the_calls_by_what_they_bear(
    gate: Gate, transport: Transport
) -> None:
    async with mock_llm(latency_ms=100) as first, mock_llm(latency_ms=100) as second:
        slow = Endpoint(first.base_url, "mock-model", limits=Limits(calls_in_flight=1))
        fast = Endpoint(second.base_url, "mock-model", limits=Limits(calls_in_flight=4))
        await call_all(gate, transport, [slow, fast], 100)
        counts = [(await mock.stats())["calls"] for mock in (first, second)]
    assert sum(counts) == 100
    assert counts[1] > 2.5 * counts[0] > 0


async def test_a_call_that_is_given_up_while_it_waits_takes_no_room(gate: Gate, transport: Transport) -> None:
    async with mock_llm(latency_ms=300) as mock:
        endpoint = Endpoint(mock.base_url, "mock-model", limits=Limits(calls_in_flight=1))
        tasks = [asyncio.create_task(gate.run([endpoint], calling(transport))) for _ in range(5)]
        await until(lambda: in_flight(mock))
        for task in tasks[1:4]:
            task.cancel()
        assert await tasks[0]
        assert await tasks[4]
        assert (await mock.stats())["calls"] == 2


async def test_room_that_is_granted_to_a_call_just_given_up_is_given_back(
    gate: Gate, transport: Transport
) -> None:
    async with mock_llm(latency_ms=50) as mock:
        endpoint = Endpoint(mock.base_url, "mock-model", limits=Limits(calls_in_flight=1))
        for _ in range(20):
            first = asyncio.create_task(gate.run([endpoint], calling(transport)))
            second = asyncio.create_task(gate.run([endpoint], calling(transport)))
            first.add_done_callback(partial(stop, second))
            await asyncio.gather(first, second, return_exceptions=True)
        assert await gate.run([endpoint], calling(transport))


async def test_while_a_server_refuses_everything_it_is_left_alone_as_long_as_it_asks(
    gate: Gate, transport: Transport
) -> None:
    pause, refused_at, later = 2.0, list[float](), list[float]()

    async def complete(_: web.Request) -> web.Response:
        if len(refused_at) < 4:
            refused_at.append(time.monotonic())
            return web.json_response({}, status=429, headers={"Retry-After": f"{pause:g}"})
        later.append(time.monotonic())
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": "yes"}}]})

    async with served(complete) as url:
        replies = await call_all(gate, transport, [Endpoint(url, "mock-model")], 40)
    assert (len(replies), len(later)) == (40, 40)
    # But for what was on its way.
    assert sum(one < refused_at[-1] + 0.9 * pause for one in later) <= 2


async def test_an_urgent_call_goes_before_all_that_wait_and_within_the_limits(
    gate: Gate, transport: Transport
) -> None:
    begun: list[str] = []

    def noting(name: str) -> Callable[[Endpoint], Awaitable[Reply]]:
        async def call(endpoint: Endpoint) -> Reply:
            begun.append(name)
            return await calling(transport)(endpoint)

        return call

    async with mock_llm(latency_ms=100) as mock:
        endpoint = Endpoint(mock.base_url, "mock-model", limits=Limits(calls_in_flight=2))
        tasks = [asyncio.create_task(gate.run([endpoint], noting("plain"))) for _ in range(60)]
        await until(lambda: in_flight(mock))
        before = len(begun)
        await gate.run_urgent(endpoint, noting("urgent"), 30)
        # Those that had room already go before it.
        assert begun.index("urgent") <= before + 2
        assert before + 2 < 60
        assert (await mock.stats())["max_in_flight"] == 2
        for task in tasks:
            task.cancel()


async def test_what_was_begun_first_is_called_first_however_much_waits_before_it(
    gate: Gate, transport: Transport
) -> None:
    works, order = InWork(), []

    async def ask(turn: int) -> None:
        item = Item("item", "job", "", "", "work", "", "", {}, turn=turn)
        async with works.doing(item):
            await gate.run([endpoint], noted)

    async with mock_llm(latency_ms=20) as mock:
        endpoint = Endpoint(mock.base_url, "mock-model", limits=Limits(calls_in_flight=1))

        async def noted(one: Endpoint) -> Reply:
            order.append(turn_in_work())
            return await calling(transport)(one)

        turns = [9, 8, 7, 7, 3, 8, 3]
        await asyncio.gather(*map(ask, turns))
    assert order == sorted(turns)


async def test_an_urgent_call_that_gets_no_room_says_so_in_time(gate: Gate, transport: Transport) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def complete(_: web.Request) -> web.Response:
        asked.set()
        await answer.wait()
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": "yes"}}]})

    async with served(complete) as url:
        endpoint = Endpoint(url, "mock-model", limits=Limits(calls_in_flight=1))
        first = asyncio.create_task(gate.run([endpoint], calling(transport)))
        await asked.wait()
        with pytest.raises(SishuError) as raised:
            await gate.run_urgent(endpoint, calling(transport), 0.2)
        assert raised.value.reason == "PROVIDER_BUSY"
        answer.set()
        assert await first
        assert await gate.run([endpoint], calling(transport)), "what waited in vain takes no room"


async def test_a_call_without_room_names_the_pause_that_the_server_asked_for(
    gate: Gate, transport: Transport
) -> None:
    async with mock_llm(next_faults=["429"], retry_after_s=100_000) as mock:
        endpoint = Endpoint(mock.base_url, "mock-model")
        with pytest.raises(SishuError, match="limits the rate"):
            await gate.run_urgent(endpoint, calling(transport), 5)
        await asyncio.sleep(2 * TICK_SECONDS)
        with pytest.raises(SishuError, match=r"asked for a pause, of which (600|59\d) s are left") as raised:
            await gate.run_urgent(endpoint, calling(transport), 0.2)
        assert raised.value.reason == "PROVIDER_BUSY"


@pytest.mark.parametrize(("seconds", "told"), [(30, True), (1, False)])
async def test_a_call_that_rests_for_long_says_why_at_once(
    gate: Gate, transport: Transport, seconds: float, told: bool
) -> None:
    works = InWork()
    async with mock_llm(next_faults=["429"], retry_after_s=seconds) as mock:
        call = asyncio.create_task(in_work(works, gate, transport, mock))
        said = ""
        async with asyncio.timeout(20):
            while not call.done() and "limits the rate" not in said:
                said = waited_for(works)
                await asyncio.sleep(0.02)
        assert ("limits the rate of calls: Rate limit reached." in said) == told == (not call.done())
        call.cancel()


async def test_calls_that_wait_while_a_server_asked_for_a_long_pause_say_until_when(
    gate: Gate, transport: Transport
) -> None:
    works = InWork()
    async with mock_llm(next_faults=["429"], retry_after_s=86400) as mock:
        with pytest.raises(
            SishuError, match=r"it asks to be left alone until 20\d\d-\d\d-\d\d \d\d:\d\d UTC"
        ):
            await in_work(works, gate, transport, mock)
        await asyncio.sleep(2 * TICK_SECONDS)
        call = asyncio.create_task(in_work(works, gate, transport, mock))

        async def is_told() -> bool:
            return "asked for a pause; it is asked again at 20" in waited_for(works)

        await until(is_told)
        call.cancel()


async def in_work(works: InWork, gate: Gate, transport: Transport, mock: MockServer) -> None:
    async with works.doing(Item("item", "job", "project", "generation", "kind", "k", "", {})):
        await gate.run([Endpoint(mock.base_url, "mock-model")], calling(transport))


def waited_for(works: InWork) -> str:
    return "".join(text for _, text in works.waits().values())


async def test_an_urgent_call_that_is_refused_is_not_made_again(gate: Gate, transport: Transport) -> None:
    async with mock_llm(next_faults=["429"]) as mock:
        with pytest.raises(SishuError) as raised:
            await gate.run_urgent(Endpoint(mock.base_url, "mock-model"), calling(transport), 5)
        assert raised.value.reason == "PROVIDER_RATE_LIMITED"
        assert (await mock.stats())["calls"] == 1


async def test_the_time_of_being_refused_begins_with_the_first_refusal(transport: Transport) -> None:
    gate = Gate(Alone(), GenerationMetrics(CollectorRegistry()), refused_seconds=1.0)
    async with mock_llm(latency_ms=1500, retry_after_s=0.1) as mock:
        endpoint = Endpoint(mock.base_url, "mock-model", limits=Limits(calls_in_flight=1))
        first = asyncio.create_task(gate.run([endpoint], calling(transport)))
        await until(lambda: in_flight(mock))
        await mock.control(next_faults=["429"])
        assert await gate.run([endpoint], calling(transport))
        assert await first
    await gate.close()


async def test_a_call_that_waits_at_a_busy_member_of_a_pool_goes_to_one_that_is_idle(
    gate: Gate, transport: Transport
) -> None:
    async with mock_llm(latency_ms=8000) as first, mock_llm() as second:
        slow = Endpoint(first.base_url, "mock-model", limits=Limits(calls_in_flight=1))
        idle = Endpoint(second.base_url, "mock-model")
        busy = asyncio.create_task(gate.run([slow], calling(transport)))
        await until(lambda: in_flight(first))
        assert await gate.run([slow, idle], calling(transport))
        assert not busy.done()
        busy.cancel()


async def test_the_limit_of_a_model_is_shown_for_all_keys_together_and_no_more_when_it_is_idle(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "IDLE_SECONDS", 0.5)
    registry = CollectorRegistry()
    gate, answer = Gate(Alone(), GenerationMetrics(registry)), asyncio.Event()

    async def complete(_: web.Request) -> web.Response:
        await answer.wait()
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": "yes"}}]})

    async with served(complete) as url:
        labels = {"base_url": url, "model": "mock-model"}
        # Neither is idle while it has a call.
        endpoints = [Endpoint(url, "mock-model", key) for key in ("a", "b")]
        calls = [asyncio.create_task(gate.run([one], calling(transport))) for one in endpoints]

        async def is_shown(calls: float | None) -> bool:
            return registry.get_sample_value("sishu_generation_llm_limit_calls", labels) == calls

        of_one_key = 4.0
        await until(lambda: is_shown(2 * of_one_key))
        answer.set()
        assert all(await asyncio.gather(*calls))
        await until(lambda: is_shown(None))
    await gate.close()


def stop(task: asyncio.Task[Reply], _: asyncio.Task[Reply]) -> None:
    task.cancel()


async def in_flight(mock: MockServer) -> Any:
    return (await mock.stats())["in_flight"]


async def until(check: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(60):
        while not await check():
            await asyncio.sleep(0.02)


def test_endpoints_of_other_limits_are_the_same_to_all_workers() -> None:
    endpoint = Endpoint("http://h/v1", "m", "k")
    assert replace(endpoint, limits=Limits(calls_in_flight=2)).id == endpoint.id
