"""A room's jobs with a table of results, and workers on them, for tests of the jobs themselves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.runtime.db import Connection, Pool, transaction
from services.runtime.endurance import Endurance
from services.runtime.jobs import Item, Job, Jobs, NewItem
from services.runtime.metrics import RuntimeMetrics
from services.runtime.worker import Handler, Worker
from tests.integration.stores import Stores

FINISHERS = 24
"""Transactions at once; each holds a connection of its own."""


@dataclass(frozen=True)
class Desk:
    """The jobs of a room, and a table in which handlers leave what they did."""

    jobs: Jobs
    pool: Pool

    async def job(self, items: Sequence[NewItem], *, project_id: str | None = None) -> Job:
        async with transaction(self.pool) as connection:
            return await self.jobs.create(connection, "some_work", items, project_id=project_id)

    async def items(self, job: Job) -> list[Item]:
        rows = await self.pool.fetch("SELECT id FROM job_items WHERE job_id = $1 ORDER BY id", job.id)
        return [await self.jobs.load(row["id"], 1) for row in rows]

    async def store(self, item: Item) -> None:
        """What a handler does: its result and the item's end in one transaction."""
        async with self.jobs.finish(item) as connection:
            await connection.execute("INSERT INTO results (key) VALUES ($1)", item.key)

    async def store_together(self, item: Item) -> None:
        """The same, with the items that end at the same time."""

        async def store(connection: Connection) -> None:
            await connection.execute("INSERT INTO results (key) VALUES ($1)", item.key)

        await self.jobs.finish_held(item, store)

    async def results(self) -> Counter[str]:
        return Counter(row["key"] for row in await self.pool.fetch("SELECT key FROM results"))

    async def counts(self, job: Job) -> tuple[int, int, int, int]:
        now = await self.jobs.get(job.id)
        return now.total, now.done, now.failed, now.skipped

    async def end_of(self, job: Job) -> Job:
        async with asyncio.timeout(60):
            async for seen in self.jobs.watch(job.id):
                job = seen
        return job


@asynccontextmanager
async def opened_desk(stores: Stores) -> AsyncIterator[Desk]:
    """The jobs of the ingest room, which no process of the room takes."""
    async with stores.pool("ingest", FINISHERS + 6) as pool:
        await pool.execute("CREATE TABLE results (key text NOT NULL)")
        yield Desk(Jobs(pool, "ingest"), pool)


def some(count: int, kind: str = "work") -> list[NewItem]:
    return [NewItem(kind, f"{number:04}") for number in range(count)]


@asynccontextmanager
async def working(
    desk: Desk,
    *,
    concurrency: int = 8,
    patience: float = 120.0,
    endurance: Endurance = Endurance(),  # noqa: B008  # frozen
    metrics: RuntimeMetrics | None = None,
    **handlers: Handler,
) -> AsyncIterator[None]:
    """A worker that runs inside the context and drains at its end."""
    stop = asyncio.Event()
    metrics = metrics or RuntimeMetrics("ingest")
    worker = Worker(desk.jobs, handlers, concurrency, 5.0, metrics, patience, endurance)
    running = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running
