"""What workers know together of a model's server, in a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from services.generation.calls.endpoint_store import EndpointStore
from services.generation.calls.modes import Habits
from services.generation.calls.sharing import Report, Share
from services.generation.providers import Endpoint, Limits
from services.runtime.db import Pool
from tests.integration.stores import Stores

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


async def test_what_one_worker_is_told_to_wait_all_wait(pool: Pool) -> None:
    first, second = EndpointStore(pool), EndpointStore(pool)
    await first.report(ENDPOINT, Report(0, 0, 0.0, 3, 0, 9, pause_seconds=60.0))
    share = await second.report(ENDPOINT, wanting(9))
    assert 55 < share.paused_seconds <= 60
    assert share.calls <= 1


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


async def test_how_a_server_is_asked_is_remembered_and_its_key_is_not(pool: Pool) -> None:
    store = EndpointStore(pool)
    assert await store.recall(ENDPOINT) == Habits()
    await store.remember(ENDPOINT, Habits(mode=2, streams=True))
    assert await EndpointStore(pool).recall(ENDPOINT) == Habits(mode=2, streams=True)
    rows = await pool.fetch("SELECT endpoints::text FROM endpoints")
    assert "sk-planted" not in str(rows)
