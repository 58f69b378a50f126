"""Endpoints as all workers know them together: the SQL statements about them, behind functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from math import inf, isinf
from pathlib import Path
from typing import Any

import asyncpg

from services.generation.calls.concurrency import Concurrency, Tick, advance
from services.generation.calls.modes import Habits
from services.generation.calls.sharing import Demand, Report, Share, free_of, share_of
from services.generation.providers.providers import Endpoint
from services.runtime.db import Connection, Pool, transaction
from services.runtime.ids import new_id
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "endpoints.sql")

ALIVE = timedelta(seconds=5)
"""A worker that has not reported for so long takes no part."""


class EndpointStore:
    """The tables `endpoints` and `endpoint_workers`, for one worker."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.worker_id = new_id()

    async def report(self, endpoint: Endpoint, report: Report) -> Share:
        """Add what this worker saw to what all know, and take its share of the limit."""
        async with transaction(self.pool) as connection:
            row = await self._lock(connection, endpoint)
            demands = await self._demands(connection, endpoint, report)
            most = endpoint.limits.calls_in_flight
            # What is beyond a hard limit is never measured, and would grow as long as more is wanted.
            known = limited(known_of(row["concurrency"]), most)
            known = limited(advance(known, tick_of(report, demands), row["now"]), most)
            paused = await connection.fetchval(
                SQL.save_endpoint, endpoint.id, stored(known), report.pause_seconds
            )
            calls, part = share_of(self.worker_id, known.allowed, demands)
            if most:
                calls = min(calls, free_of(self.worker_id, most, demands))
            await self._note(connection, endpoint, report, calls)
        return Share(known.round, calls, part, paused, habits_of(row))

    async def _lock(self, connection: Connection, endpoint: Endpoint) -> asyncpg.Record:
        while (row := await connection.fetchrow(SQL.lock_endpoint, endpoint.id)) is None:
            await connection.execute(SQL.insert_endpoint, endpoint.id, endpoint.base_url, endpoint.model)
        return row

    async def _demands(self, connection: Connection, endpoint: Endpoint, report: Report) -> list[Demand]:
        rows = await connection.fetch(SQL.list_others, endpoint.id, self.worker_id, ALIVE)
        others = [
            Demand(row["worker_id"], row["in_flight"], row["demand"], row["urgent"], row["granted"])
            for row in rows
        ]
        own = Demand(self.worker_id, report.in_flight, report.demand, report.urgent)
        return sorted([*others, own], key=lambda demand: demand.worker_id)

    async def _note(self, connection: Connection, endpoint: Endpoint, report: Report, calls: int) -> None:
        demands = report.in_flight, report.demand, report.urgent
        await connection.execute(SQL.note_worker, endpoint.id, self.worker_id, *demands, calls)

    async def recall(self, endpoint: Endpoint) -> Habits:
        """How the endpoint is asked."""
        row = await self.pool.fetchrow(SQL.get_habits, endpoint.id)
        return habits_of(row) if row else Habits()

    async def remember(self, endpoint: Endpoint, habits: Habits) -> None:
        """Keep how the endpoint is asked."""
        await self.pool.execute(SQL.insert_endpoint, endpoint.id, endpoint.base_url, endpoint.model)
        await self.pool.execute(SQL.set_habits, endpoint.id, habits.mode, habits.streams)

    async def leave(self) -> None:
        """Say that this worker wants nothing any more, and forget workers that are long gone."""
        await self.pool.execute(SQL.leave_endpoints, self.worker_id)
        await self.pool.execute(SQL.forget_workers)


def habits_of(row: asyncpg.Record) -> Habits:
    """The columns that tell how an endpoint is asked."""
    return Habits(row["output_mode"], row["streams"], row["habits_version"])


def tick_of(report: Report, demands: list[Demand]) -> Tick:
    """What a report and the demands of all workers say."""
    return Tick(
        report.round,
        report.calls,
        report.seconds,
        report.refused,
        sum(demand.in_flight for demand in demands),
        sum(demand.total for demand in demands),
        report.timed_out,
        report.answered,
    )


def limited(known: Concurrency, most: int) -> Concurrency:
    """What is known, with no limit above the hard one; 0 is none."""
    return replace(known, limit=min(known.limit, float(most))) if most else known


def known_of(values: Mapping[str, Any]) -> Concurrency:
    """The column `concurrency`; JSON has no infinity."""
    return Concurrency(**{**values, "least": values.get("least") or inf})


def stored(known: Concurrency) -> dict[str, Any]:
    """As the column `concurrency`."""
    return {**asdict(known), "least": None if isinf(known.least) else known.least}
