"""PgQueuer, as the rooms use it: its tables stand in the room's schema, its channel bears the room's name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import cast

import asyncpg
import structlog
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
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.queries import Queries

from services.runtime.db import PASSES, Connection, Pool, is_misuse, wait_for_database
from services.runtime.sql import Statements

SUPPLIED_SECONDS = 0.1
"""How long a worker that has enough to do leaves the queue alone."""
AWAY_SECONDS = 5.0
SQL = Statements(Path(__file__).parent / "sql" / "jobs.sql")
UNLIMITED = EntrypointExecutionParameter(concurrency_limit=0)


log = structlog.get_logger()


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


class ListeningDriver(AsyncpgPoolDriver):
    """A driver that knows whether it still hears what Postgres tells; it does not listen again by itself."""

    deaf = False

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """As PgQueuer's; notices when the connection is lost."""
        await super().add_listener(channel, callback)
        if self._listener_connection is not None:
            self._listener_connection.add_termination_listener(self._lose)

    def _lose(self, _: object) -> None:
        # The pool has it no more, and it cannot be given back.
        self.deaf, self._listener_connection = True, None


class ChoosyManager(QueueManager):
    """A queue manager that takes items of some names only, and not one by one while there is enough to do."""

    may_take: Callable[[str], bool]
    is_supplied: Callable[[], bool]
    pool: Pool
    driver: ListeningDriver

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[Job, None]:
        """Yield what may be taken until nothing is there; see `QueueManager.fetch_jobs`."""
        while not self.shutdown.is_set():
            try:
                jobs = await self._taken(batch_size, global_concurrency_limit, heartbeat_timeout)
            except PASSES as error:
                await self._outlast(error)
                continue
            if not jobs:
                # Whoever runs it makes another, which listens again.
                if self.driver.deaf and not self.job_context:
                    self.shutdown.set()
                return
            for job in jobs:
                yield job
            # A look costs as much for one item as for many.
            if len(jobs) < batch_size and self.is_supplied():
                await asyncio.sleep(SUPPLIED_SECONDS)

    async def _taken(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> list[Job]:
        """Items that are taken now, of the names that may be.

        PgQueuer's statement looks for each name that it is given, which takes ten times as long for all of
        them as for the few of which there are items.
        """
        rows = await self.pool.fetch(SQL.names_at_hand, heartbeat_timeout)
        names = [row["name"] for row in rows if row["name"] in self.entrypoint_registry]
        # Asked before each look into the queue, as it may change at any time.
        open_now = [name for name in names if self.may_take(name)]
        if not open_now:
            return []
        return await self.queries.dequeue(
            batch_size=batch_size,
            entrypoints=dict.fromkeys(open_now, UNLIMITED),
            queue_manager_id=self.queue_manager_id,
            global_concurrency_limit=global_concurrency_limit,
            heartbeat_timeout=heartbeat_timeout,
        )

    async def _effective_dequeue_timeout(self, dequeue_timeout: timedelta) -> timedelta:
        """How long to wait for news. PgQueuer asks the database for that, too."""
        try:
            return await super()._effective_dequeue_timeout(dequeue_timeout)
        except PASSES as error:
            await self._outlast(error)
            return self.min_dequeue_poll_interval

    async def _outlast(self, error: Exception) -> None:
        """Wait while the database is away: to end is to take nothing until the slowest item has ended."""
        if is_misuse(error):
            raise error
        log.warning("database_away", error=str(error))
        while not self.shutdown.is_set() and not await wait_for_database(self.pool, AWAY_SECONDS):
            pass


def choosy_manager(
    pool: Pool, schema: str, may_take: Callable[[str], bool], is_supplied: Callable[[], bool]
) -> QueueManager:
    """PgQueuer's consumer over a pool.

    It ends by itself, to be made anew, where it hears of no new items any more and has nothing to do.

    Args:
        pool: the room's database.
        schema: the room.
        may_take: whether items of a name are taken now.
        is_supplied: whether the worker has enough items to wait a moment for more.
    """
    driver = ListeningDriver(pool)
    manager = ChoosyManager(queries_over(driver, schema), settings(schema).channel)
    manager.may_take, manager.is_supplied, manager.pool, manager.driver = may_take, is_supplied, pool, driver
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
