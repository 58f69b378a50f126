"""PgQueuer, as the rooms use it: its tables stand in the room's schema, its channel bears the room's name."""

from __future__ import annotations

from collections.abc import Callable
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
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel, QueueEntrypoint
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries

from services.runtime.db import Connection, Pool


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
    """A queue manager that takes items of some names only, which may change at any time."""

    may_take: Callable[[str], bool]

    def entrypoints_below_capacity_limits(self) -> set[QueueEntrypoint]:
        """The names of what to take now; asked before each look into the queue."""
        return {name for name in self.entrypoint_registry if self.may_take(name)}


def choosy_manager(pool: Pool, schema: str, may_take: Callable[[str], bool]) -> QueueManager:
    """PgQueuer's consumer over a pool."""
    manager = ChoosyManager(queries_of(pool, schema), settings(schema).channel)
    manager.may_take = may_take
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
