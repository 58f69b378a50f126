"""Jobs: durable work made of items, each done exactly once.

An item's result, its cost and the job's counters commit in one transaction (`Jobs.finish`). PgQueuer hands
the items out and notices dead workers; the table `job_items` is the truth, so an item that PgQueuer hands
out twice is done once, and one that it lost is queued again (`Jobs.recover`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from services.runtime.db import Connection, Pool, claim_request, first_answer, transaction
from services.runtime.errors import FailedPrecondition, NotFound, SishuError
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.queue import queries_on
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "jobs.sql")

MOST_ENDING_AT_ONCE = 1000
"""More transactions than a Postgres runs at once."""
WATCH_SECONDS = 0.25
TIMES = ("create_time", "update_time", "end_time")
ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Failure:
    """The stored form of an error."""

    code: str
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: SishuError) -> Failure:
        """What an error says."""
        return cls(error.code, error.reason, error.message, error.metadata)

    @property
    def size(self) -> int:
        """About how many bytes it takes in an answer."""
        return sum(len(text.encode()) for text in (self.message, *self.metadata.values()))

    def as_json(self) -> dict[str, Any]:
        """As a jsonb value."""
        return {
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True)
class Job:
    """Work made of items; the counters cover the items known by now."""

    id: str
    project_id: str | None
    kind: str
    state: str
    resource_id: str | None
    progress: str
    create_time: datetime
    update_time: datetime
    end_time: datetime | None
    total: int
    done: int
    failed: int
    skipped: int
    failure: Failure | None = None
    """Of the first failed item of a failed job."""

    @property
    def ended(self) -> bool:
        """Whether nothing changes any more unless someone asks for it."""
        return self.state in ENDED


@dataclass(frozen=True)
class NewItem:
    """An item to add; within a job and kind the same key is added once."""

    kind: str
    key: str
    resource_id: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """An item handed to a worker."""

    id: str
    job_id: str
    project_id: str
    job_resource_id: str
    kind: str
    key: str
    resource_id: str
    payload: Mapping[str, Any]
    attempt: int = 1


@dataclass(frozen=True)
class FailedItem:
    """A dead letter: an item that failed for good."""

    id: str
    kind: str
    resource_id: str | None
    failure: Failure
    attempts: int
    update_time: datetime


class ItemClosed(Exception):
    """The item was finished by another worker, or its job was cancelled; nothing is to be stored."""


class Jobs:
    """The jobs of one room."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self.pool = pool
        self.schema = schema

    async def create(
        self,
        connection: Connection,
        kind: str,
        items: Sequence[NewItem],
        *,
        project_id: str | None = None,
        resource_id: str | None = None,
        job_id: str = "",
    ) -> Job:
        """Add a job with its first items, inside the caller's transaction."""
        job_id = job_id or new_id()
        await connection.execute(SQL.insert_job, job_id, project_id, kind, resource_id)
        # The shard row must be there before the first settle, also for a job without items.
        await self._count(connection, job_id)
        await self.add_items(connection, job_id, items)
        if not items:
            await connection.execute(SQL.settle_job, job_id)
        return await self._get(connection, job_id)

    async def add_items(self, connection: Connection, job_id: str, items: Sequence[NewItem]) -> int:
        """Add items to a job and queue them, inside the caller's transaction; return how many were new."""
        if not items:
            return 0
        rows = await connection.fetch(
            SQL.insert_items,
            job_id,
            [new_id() for _ in items],
            [item.kind for item in items],
            [item.key for item in items],
            [item.resource_id for item in items],
            [dict(item.payload) for item in items],
        )
        await self._count(connection, job_id, total=len(rows))
        await self._enqueue(connection, rows)
        return len(rows)

    async def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: the room has no such job.
        """
        async with self.pool.acquire() as connection:
            return await self._get(connection, job_id)

    async def list(
        self, page: PageRequest, project_id: str | None, state: str | None, resource_id: str | None
    ) -> Page[Job]:
        """Jobs, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_jobs, project_id, state, resource_id, after, page.limit)
        return page_of([job_of(row) for row in rows], page, lambda job: (job.id,), size_of_job)

    async def failures(self, job_id: str, page: PageRequest) -> Page[FailedItem]:
        """The failed items of a job, oldest first.

        Raises:
            NotFound: the room has no such job.
        """
        await self.get(job_id)
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_failed_items, job_id, after, page.limit)
        items = [failed_item(row) for row in rows]
        return page_of(items, page, lambda item: (item.id,), lambda item: item.failure.size)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job at once, then after each change, until it ends; the caller's deadline ends the wait."""
        seen: Job | None = None
        while seen is None or not seen.ended:
            job = await self.get(job_id)
            if job != seen:
                yield job
                seen = job
            else:
                await asyncio.sleep(WATCH_SECONDS)

    async def cancel(self, job_id: str) -> Job:
        """Stop a job: what is not stored yet never will be.

        Raises:
            NotFound: the room has no such job.
        """
        async with transaction(self.pool) as connection:
            if await connection.fetchval(SQL.cancel_job, job_id):
                status = await connection.execute(SQL.skip_open_items, job_id)
                await self._count(connection, job_id, skipped=int(status.split()[-1]))
            return await self._get(connection, job_id)

    async def retry(self, job_id: str, request_id: str = "") -> Job:
        """Queue the failed items of a failed job again; the same request id does so once.

        Raises:
            NotFound: the room has no such job.
            FailedPrecondition: the job was cancelled.
        """
        again = await first_answer(self.pool, "RetryJob", request_id)
        async with transaction(self.pool) as connection:
            # Two of one id at once: the second waits here, and finds the job running.
            await claim_request(connection, "RetryJob", request_id, job_id)
            if not again and await connection.fetchval(SQL.reopen_job, job_id):
                rows = await connection.fetch(SQL.reopen_failed_items, job_id)
                await self._count(connection, job_id, failed=-len(rows))
                await self._enqueue(connection, rows)
            job = await self._get(connection, job_id)
        if job.state == "cancelled":
            raise FailedPrecondition(
                "JOB_CANCELLED", f"job {job_id} was cancelled; start a new one", job_id=job_id
            )
        return job

    async def load(self, item_id: str, attempt: int) -> Item:
        """The item to work on.

        Raises:
            ItemClosed: it is done already, was cancelled, or its job is gone.
        """
        row = await self.pool.fetchrow(SQL.load_item, item_id)
        if row is None or row["state"] != "pending" or row["job_state"] in ENDED:
            raise ItemClosed
        values = dict(row)
        del values["state"], values["job_state"]
        return Item(**values, attempt=attempt)

    async def start(self, job_id: str) -> None:
        """Mark a pending job as running."""
        await self.pool.execute(SQL.start_job, job_id)

    async def set_progress(self, job_id: str, progress: str) -> None:
        """Say what a job is doing now."""
        await self.pool.execute(SQL.set_progress, job_id, progress)

    @asynccontextmanager
    async def finish(self, item: Item, *, skipped: bool = False) -> AsyncIterator[Connection]:
        """Store an item's result: what is done on the connection commits with its end, or not at all.

        Raises:
            ItemClosed: another worker was faster, or the job was cancelled; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            if not await connection.fetchval(SQL.lock_item, item.id):
                raise ItemClosed
            yield connection
            open_items = await self._end(connection, item, "skipped" if skipped else "done")
        await self._settle_if_near(item.job_id, open_items)

    async def fail(self, item: Item, error: SishuError) -> None:
        """Store that an item failed for good; a closed item is left as it is."""
        async with transaction(self.pool) as connection:
            if not await connection.fetchval(SQL.lock_item, item.id):
                return
            open_items = await self._end(connection, item, "failed", Failure.of(error))
        await self._settle_if_near(item.job_id, open_items)

    async def note_trouble(self, item_id: str, waiting: bool) -> float:
        """Note that an item is to be tried again; return for how many seconds it has been in trouble."""
        seconds: float | None = await self.pool.fetchval(SQL.note_trouble, item_id, waiting)
        return seconds or 0.0

    async def forget_trouble(self, item_id: str) -> None:
        """Note that an item got somewhere: what fails later is a trouble of its own."""
        await self.pool.execute(SQL.forget_trouble, item_id)

    async def recover(self) -> int:
        """Queue lost items again and end jobs whose worker died before it could; return how many items."""
        async with transaction(self.pool) as connection:
            if not await connection.fetchval(SQL.may_recover):
                return 0
            rows = await connection.fetch(SQL.lost_items)
            await self._enqueue(connection, rows)
            for row in await connection.fetch(SQL.unsettled_jobs):
                await connection.execute(SQL.settle_job, row["id"])
        await self.pool.execute(SQL.forget_deliveries)
        return len(rows)

    async def delete_project(self, connection: Connection, project_id: str) -> None:
        """Delete the jobs of a project, inside the caller's transaction; items in work end unstored."""
        await connection.execute(SQL.delete_project_jobs, project_id)

    async def _end(
        self, connection: Connection, item: Item, state: str, failure: Failure | None = None
    ) -> int:
        """End an item; return how many were open before, those that end at the same time included."""
        open_items: int = await connection.fetchval(
            SQL.end_item, item.job_id, item.id, state, failure and failure.as_json(), item.attempt
        )
        return open_items

    async def _settle_if_near(self, job_id: str, open_items: int) -> None:
        """End the job when all its items have ended; while many are open, others will end after us."""
        if open_items < MOST_ENDING_AT_ONCE:
            await self.pool.execute(SQL.settle_job, job_id)

    async def _get(self, connection: Connection, job_id: str) -> Job:
        row = await connection.fetchrow(SQL.get_job, job_id)
        if row is None:
            raise NotFound("JOB_NOT_FOUND", f"the {self.schema} room has no job {job_id}", job_id=job_id)
        return job_of(row)

    async def _count(
        self,
        connection: Connection,
        job_id: str,
        *,
        total: int = 0,
        done: int = 0,
        failed: int = 0,
        skipped: int = 0,
    ) -> None:
        await connection.execute(SQL.add_counts, job_id, total, done, failed, skipped)

    async def _enqueue(self, connection: Connection, rows: Sequence[asyncpg.Record]) -> None:
        if not rows:
            return
        await queries_on(connection, self.schema).enqueue(
            [row["kind"] for row in rows],
            [row["id"].encode() for row in rows],
            [0] * len(rows),
            dedupe_key=[row["id"] for row in rows],
            on_conflict="skip",
        )


def job_of(values: Mapping[str, Any] | asyncpg.Record) -> Job:
    """A row of `job_view`, or what `to_jsonb` makes of one."""
    failure = values["failure"]
    times = {name: datetime.fromisoformat(values[name]) for name in TIMES if isinstance(values[name], str)}
    return Job(**{**values, **times, "failure": failure and Failure(**failure)})


def size_of_job(job: Job) -> int:
    """About how many bytes a job takes in an answer."""
    return len(job.progress.encode()) + (job.failure.size if job.failure else 0)


def failed_item(row: asyncpg.Record) -> FailedItem:
    """A row of `list_failed_items`."""
    values = dict(row)
    return FailedItem(**{**values, "failure": Failure(**values["failure"])})
