"""PgQueuer, as the rooms use it: its tables stand in the room's schema, its channel bears the room's name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from functools import cache
from typing import cast

import asyncpg
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.core.qm import QueueManager
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.domain.models import Job
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.queries import Queries

from services.runtime.db import Connection, Pool

SUPPLIED_SECONDS = 0.05
"""How long a worker that has enough to do leaves the queue alone."""
UNLIMITED = EntrypointExecutionParameter(concurrency_limit=0)


@cache
def settings(schema: str) -> DBSettings:
    """PgQueuer's names for a room."""
    return DBSettings(db_schema=schema, channel=Channel(f"sishu_{schema}"))


@cache
def builders(schema: str) -> tuple[QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder]:
    """PgQueuer's statement builders; they cache the text of their statements, so one set serves a process."""
    names = settings(schema)
    return QueryBuilderEnvironment(names), QueryQueueBuilder(names), QuerySchedulerBuilder(names)


def queries_over(driver: Driver, schema: str) -> Queries:
    """PgQueuer's operations over a driver."""
    return Queries(driver, *builders(schema))


def queries_on(connection: Connection, schema: str) -> Queries:
    """PgQueuer's operations on one connection, and so inside its transaction."""
    return queries_over(AsyncpgDriver(cast(asyncpg.Connection, connection)), schema)


def queries_of(pool: Pool, schema: str) -> Queries:
    """PgQueuer's operations over a pool."""
    return queries_over(AsyncpgPoolDriver(pool), schema)


class ChoosyManager(QueueManager):
    """A queue manager that takes items of some names only, and not one by one while there is enough to do."""

    may_take: Callable[[str], bool]
    is_supplied: Callable[[], bool]

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[Job, None]:
        """Yield what may be taken until nothing is there; see `QueueManager.fetch_jobs`."""
        while not self.shutdown.is_set():
            jobs = await self.queries.dequeue(
                batch_size=batch_size,
                # Asked before each look into the queue, as it may change at any time.
                entrypoints={name: UNLIMITED for name in self.entrypoint_registry if self.may_take(name)},
                queue_manager_id=self.queue_manager_id,
                global_concurrency_limit=global_concurrency_limit,
                heartbeat_timeout=heartbeat_timeout,
            )
            if not jobs:
                return
            for job in jobs:
                yield job
            # A look costs as much for one item as for many.
            if len(jobs) < batch_size and self.is_supplied():
                await asyncio.sleep(SUPPLIED_SECONDS)


def choosy_manager(
    pool: Pool, schema: str, may_take: Callable[[str], bool], is_supplied: Callable[[], bool]
) -> QueueManager:
    """PgQueuer's consumer over a pool.

    Args:
        pool: the room's database.
        schema: the room.
        may_take: whether items of a name are taken now.
        is_supplied: whether the worker has enough items to wait a moment for more.
    """
    manager = ChoosyManager(queries_of(pool, schema), settings(schema).channel)
    manager.may_take, manager.is_supplied = may_take, is_supplied
    return manager


async def install_queue(pool: Pool, schema: str) -> None:
    """Create or upgrade PgQueuer's tables; any number of processes may do it at once."""
    async with pool.acquire() as connection:
        queries = queries_on(connection, schema)
        async with queries.schema_lock():
            if await queries.schema_is_installed():
                await queries.apply_upgrade()
            else:
                await queries.install(create_schema=False)
