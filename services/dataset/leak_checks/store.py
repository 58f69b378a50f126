"""Leak checks: the statements of `leak_checks.sql`, behind functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from services.dataset.leak_checks.leak_checks import (
    LeakCheck,
    LeakCounts,
    LeaksFile,
    LeakSource,
    LeakWishes,
    leak_check_not_found,
    wishes_json,
    wishes_of,
)
from services.runtime.db import CONNECT_SECONDS, Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.job_rows import delete_jobs
from services.runtime.jobs import Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "leak_checks.sql")
KIND = "find_leaks"
READ_SECONDS = 600.0
"""Within which Postgres gives the exam items of a project."""


class LeakCheckStore:
    """The table `leak_checks`, and the examples that are looked at."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, project_id: str, wanted: LeakWishes, request_id: str) -> str:
        """Start a check; return its id. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            new = new_id()
            found = await claim_request(connection, "CreateLeakCheck", request_id, new)
            if found == new:
                items = [NewItem(KIND, new, new)]
                job = await self.jobs.create(connection, KIND, items, project_id=project_id, resource_id=new)
                await connection.execute(SQL.insert_check, new, project_id, wishes_json(wanted), job.id)
        return found

    async def get(self, leak_check_id: str) -> LeakCheck:
        """One check.

        Raises:
            NotFound: there is none.
        """
        rows = await self.pool.fetch(SQL.list_checks, leak_check_id, None, None, 1)
        if not rows:
            raise leak_check_not_found(leak_check_id)
        return check_of(rows[0])

    async def list_page(self, page: PageRequest, project_id: str) -> Page[LeakCheck]:
        """Checks of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_checks, None, project_id, after, page.limit)
        found = [check_of(row) for row in rows]
        return page_of(found, page, lambda one: (one.id,), lambda one: len(str([one.wanted, one.sources])))

    async def exam_rows(self, project_id: str) -> Sequence[Any]:
        """The kept exam items of a project: id, kind, content."""
        found: Sequence[Any] = await self.pool.fetch(SQL.exam_items, project_id, timeout=READ_SECONDS)
        return found

    @asynccontextmanager
    async def looked_at(self, check: LeakCheck) -> AsyncIterator[Any]:
        """A cursor over the examples that a filter means, as they are at one instant, the oldest first."""
        async with (
            self.pool.acquire(timeout=CONNECT_SECONDS) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            wanted = check.wanted.filter
            values = (check.project_id, *wanted.values, wanted.text_in_json)
            yield await connection.cursor(SQL.looked_at, *values)

    async def set_found(
        self,
        connection: Connection,
        leak_check_id: str,
        counts: LeakCounts,
        sources: Sequence[LeakSource],
        file: LeaksFile,
    ) -> None:
        """Store what a check found, inside the transaction that ends its job."""
        told = [asdict(source) for source in sources]
        await connection.execute(SQL.set_found, leak_check_id, asdict(counts), told, asdict(file))

    async def delete(self, check: LeakCheck) -> None:
        """Delete a check and its job; missing ones are no error."""
        async with transaction(self.pool) as connection:
            await delete_jobs(connection, check.job.id)
            await connection.execute(SQL.delete_check, check.id)
            await forget_requests(connection, check.id)


def check_of(row: asyncpg.Record) -> LeakCheck:
    """A row of `list_checks`."""
    return LeakCheck(
        id=row["id"],
        project_id=row["project_id"],
        wanted=wishes_of(row["wanted"]),
        job=job_of(row["job"]),
        counts=LeakCounts(**row["counts"]) if row["counts"] else None,
        sources=[LeakSource(**source) for source in row["sources"]],
        file=LeaksFile(**row["file"]) if row["file"] else None,
        create_time=row["create_time"],
    )
