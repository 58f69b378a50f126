"""How a worker looks into the queue: at once while it has little to do, else not for every single item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from services.runtime import queue
from services.runtime.lanes import LANES, entrypoint
from services.runtime.queue import choosy_manager
from tests.integration.job_desk import Desk, opened_desk, some
from tests.integration.stores import Stores

BATCH = 4


@pytest_asyncio.fixture
async def desk(stores: Stores) -> AsyncIterator[Desk]:
    async with opened_desk(stores) as opened:
        yield opened


async def times_of(desk: Desk, *, supplied: bool) -> list[float]:
    """When each item of a queue was handed out, in seconds after the first."""

    async def work(_: object) -> None: ...

    manager = choosy_manager(desk.pool, "ingest", lambda _: True, lambda: supplied)
    for lane in LANES:
        manager.entrypoint(entrypoint("work", lane))(work)
    clock, times = asyncio.get_running_loop().time, []
    async for _ in manager.fetch_jobs(BATCH, None, timedelta(seconds=5)):
        times.append(clock())
        if len(times) == BATCH + 1:
            await desk.job(some(1))
    return [time - times[0] for time in times]


@pytest.mark.parametrize("supplied", [True, False])
async def test_after_a_look_that_found_few_items_one_who_has_enough_to_do_pauses(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, supplied: bool
) -> None:
    monkeypatch.setattr(queue, "SUPPLIED_SECONDS", 1.5)
    await desk.job(some(BATCH + 1))
    times = await times_of(desk, supplied=supplied)
    assert len(times) == BATCH + 2
    # A full look is followed by the next at once.
    assert times[BATCH] < 1.5
    assert (times[BATCH + 1] - times[BATCH] >= 1.5) == supplied
