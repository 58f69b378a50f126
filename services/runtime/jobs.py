"""Jobs: durable work made of items, each done exactly once.

An item's result, its cost and the job's counters commit in one transaction (`Jobs.finish`). PgQueuer hands
the items out and notices dead workers; the table `job_items` is the truth, so an item that PgQueuer hands
out twice is done once, and one that it lost is queued again (`Jobs.recover`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from services.runtime.db import Connection, Pool, claim_request, first_answer, had_again, held, transaction
from services.runtime.endings import MOST_ENDING_AT_ONCE, Endings, StoreResult
from services.runtime.errors import FailedPrecondition, NotFound, SishuError
from services.runtime.failures import Failure
from services.runtime.gathering import Gathering
from services.runtime.ids import id_at, new_id
from services.runtime.job_records import (
    ENDED,
    FailedItem,
    Holds,
    Item,
    ItemClosed,
    Job,
    NewItem,
    failed_item,
    job_of,
    size_of_job,
)
from services.runtime.lanes import LANES, entrypoint
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.queue import queries_on
from services.runtime.sql import Statements

__all__ = ["ENDED", "FailedItem", "Item", "ItemClosed", "Job", "Jobs", "NewItem", "job_of"]

SQL = Statements(Path(__file__).parent / "sql" / "jobs.sql")

QUEUED_AT_ONCE = 5000
"""Items that one statement puts into the queue, where there may be any number."""
LAST_TURN = 2**31 - 1
"""What PgQueuer can count to; later turns are handed out in the order in which they were queued."""
WATCH_SECONDS = 0.25


class Jobs:
    """The jobs of one room."""

    def __init__(self, pool: Pool, schema: str) -> None:
        self.pool = pool
        self.schema = schema
        self._endings = Endings(pool)
        self._loads = Gathering(self._rows_of_items)

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
        await connection.execute(SQL.insert_job, job_id, project_id, kind, resource_id, list(LANES))
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
        turns = await self._turns(connection, job_id, items)
        rows = await connection.fetch(
            SQL.insert_items,
            job_id,
            [new_id() for _ in items],
            [item.kind for item in items],
            [item.key for item in items],
            [item.resource_id for item in items],
            [dict(item.payload) for item in items],
            turns,
        )
        await self._count(connection, job_id, total=len(rows))
        await self._enqueue(connection, [row for row in rows if row["ready"]])
        return len(rows)

    async def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: the room has no such job.
        """
        async with self.pool.acquire() as connection:
            return await self._get(connection, job_id)

    async def states(self, job_ids: Iterable[str]) -> dict[str, str]:
        """The states of jobs, by id; `deleted` is that of those which are gone."""
        asked = list(job_ids)
        rows = await self.pool.fetch(SQL.job_states, asked)
        return {**dict.fromkeys(asked, "deleted"), **{row["id"]: row["state"] for row in rows}}

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

        async def stop() -> Job:
            async with transaction(self.pool) as connection:
                await connection.execute(SQL.close_job, job_id)
                if await connection.fetchval(SQL.cancel_job, job_id):
                    await connection.execute(SQL.drop_deliveries, job_id)
                    status = await connection.execute(SQL.skip_open_items, job_id)
                    await self._count(connection, job_id, skipped=int(status.split()[-1]))
                return await self._get(connection, job_id)

        return await had_again(stop)

    async def pause(self, job_id: str, failure: Failure | None = None, holds: Holds | None = None) -> Job:
        """Let no item of a job begin until it is resumed; those in work end and are stored.

        Not to be called inside `finish`, which holds the job.

        Args:
            job_id: the job; in another state than pending or running it is left as it is.
            failure: why the service does so of itself.
            holds: says whether that is so still, before anybody can resume the job.

        Raises:
            NotFound: the room has no such job.
        """

        async def stop() -> Job:
            async with transaction(self.pool) as connection:
                await connection.execute(SQL.close_job, job_id)
                await connection.execute(SQL.keep_job, job_id)
                still = holds is None or await holds(connection)
                if still and await connection.fetchval(SQL.pause_job, job_id, failure and failure.as_json()):
                    await connection.execute(SQL.drop_deliveries, job_id)
                return await self._get(connection, job_id)

        return await had_again(stop)

    async def resume(self, job_id: str) -> Job:
        """Let a paused job go on; in another state it is left as it is.

        Raises:
            NotFound: the room has no such job.
        """
        async with transaction(self.pool) as connection:
            if resumed := await connection.fetchval(SQL.resume_job, job_id):
                await self._reopen(connection, job_id, "pending")
            job = await self._get(connection, job_id)
        if resumed:
            await self._enqueue_open(job_id)
        return job

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
            reopened = not again and await connection.fetchval(SQL.reopen_job, job_id, list(LANES))
            if reopened:
                count = await self._reopen(connection, job_id, "failed")
                await self._count(connection, job_id, failed=-count)
            job = await self._get(connection, job_id)
        if reopened:
            await self._enqueue_open(job_id)
        if job.state == "cancelled":
            raise FailedPrecondition(
                "JOB_CANCELLED", f"job {job_id} was cancelled; start a new one", job_id=job_id
            )
        return job

    async def load(self, item_id: str, attempt: int) -> Item:
        """The item to work on.

        Raises:
            ItemClosed: it is done already, or its job was cancelled, is paused or gone.
        """
        row = await self._loads.get(item_id)
        if row is None or row["state"] != "pending" or row["job_state"] not in {"pending", "running"}:
            raise ItemClosed
        values = {name: value for name, value in row.items() if name not in {"state", "job_state"}}
        return Item(**values, attempt=attempt)

    async def start(self, job_id: str) -> None:
        """Mark a pending job as running."""
        await self.pool.execute(SQL.start_job, job_id)

    async def set_progress(self, job_id: str, progress: str) -> None:
        """Say what a job is doing now."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.close_job, job_id)
            await connection.execute(SQL.set_progress, job_id, progress)

    @asynccontextmanager
    async def finish(
        self, item: Item, *, skipped: bool | Failure = False, late: bool = False
    ) -> AsyncIterator[Connection]:
        """Store an item's result: what is done on the connection commits with its end, or not at all.

        Of one that is skipped may be said why. What takes long is locked late, to be cancelled till then.

        Raises:
            ItemClosed: another worker was faster, or the job was cancelled; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            if not (late or await self._lock(connection, item)):
                raise ItemClosed
            yield connection
            if late and not await self._lock(connection, item):
                raise ItemClosed
            open_items = await self._end(connection, item, "skipped" if skipped else "done", skipped)
        await self._settle_if_near(item.job_id, open_items)

    async def finish_held(self, item: Item, store: StoreResult) -> None:
        """As `finish`, for a result that was paid for: while the database is away it is held here.

        It is stored together with those of items that end at the same time.

        Args:
            item: the item.
            store: stores the result; may be called again, when nothing of the call before was stored.

        Raises:
            ItemClosed: another worker was faster, the job was cancelled, or all was stored before the loss.
        """
        await held(self.pool, lambda: self._endings.end(item, store))

    async def fail(self, item: Item, error: SishuError) -> None:
        """Store that an item failed for good; a closed item is left as it is."""
        async with transaction(self.pool) as connection:
            if not await self._lock(connection, item):
                return
            open_items = await self._end(connection, item, "failed", Failure.of(error))
        await self._settle_if_near(item.job_id, open_items)

    async def pass_turn(self, turn: int) -> None:
        """Note the turn of an item that was handed out: no new item comes before it."""
        await self.pool.execute(SQL.pass_turn, turn)

    async def queued(self, names: Iterable[str]) -> set[str]:
        """Of PgQueuer's names for items, those under which some wait."""
        rows = await self.pool.fetch(SQL.queued_names, list(names))
        return {row["name"] for row in rows}

    async def note_trouble(self, item_id: str, waiting: bool) -> float:
        """Note that an item is to be tried again; return for how many seconds it has been in trouble."""
        return float(await self.pool.fetchval(SQL.note_trouble, item_id, waiting) or 0)

    async def is_in_trouble(self, connection: Connection, item_id: str) -> bool:
        """Whether what was noted of an item holds still: its job was not resumed since."""
        return bool(await connection.fetchval(SQL.is_in_trouble, item_id))

    async def forget_trouble(self, item_id: str) -> None:
        """Note that an item got somewhere: what fails later is a trouble of its own."""
        await self.pool.execute(SQL.forget_trouble, item_id)

    async def hasten(self, connection: Connection, item_ids: Sequence[str]) -> Sequence[str]:
        """Hand items out now that were put off, inside the caller's transaction; return which those are."""
        return [row["dedupe_key"] for row in await connection.fetch(SQL.hasten, item_ids)]

    async def recover(self, every: float = 0.0) -> int:
        """Queue lost items again and end jobs whose worker died before it could; return how many items.

        Args:
            every: seconds in which all workers together do so once.
        """
        async with transaction(self.pool) as connection:
            if not await connection.fetchval(SQL.may_recover, every):
                return 0
            rows = await connection.fetch(SQL.lost_items, QUEUED_AT_ONCE)
            await self._enqueue(connection, rows)
            for row in await connection.fetch(SQL.unsettled_jobs):
                await connection.execute(SQL.settle_job, row["id"])
            if await connection.fetchval(SQL.lock_turns):
                await connection.execute(SQL.forget_turns)
        await self.pool.execute(SQL.forget_deliveries)
        return len(rows)

    async def delete_project(self, connection: Connection, project_id: str) -> None:
        """Delete the jobs of a project, inside the caller's transaction; items in work end unstored."""
        # In the order of those who end items of several.
        await connection.execute(SQL.close_project_jobs, project_id)
        await connection.execute(SQL.lock_project_jobs, project_id)
        await connection.execute(SQL.delete_project_jobs, project_id)

    async def _lock(self, connection: Connection, item: Item) -> bool:
        """Whether an item is open, which it then is until the end of the transaction."""
        await connection.execute(SQL.enter_jobs, [item.job_id])
        return bool(await connection.fetchval(SQL.lock_item, item.id))

    async def _end(self, connection: Connection, item: Item, state: str, why: Failure | bool = False) -> int:
        """End an item; return how many were open before, those that end at the same time included."""
        failure = why.as_json() if isinstance(why, Failure) else None
        ended = await connection.fetchval(SQL.end_item, item.job_id, item.id, state, failure, item.attempt)
        return int(ended)

    async def _settle_if_near(self, job_id: str, open_items: int) -> None:
        """End the job when all its items have ended; while many are open, others will end after us."""
        if open_items < MOST_ENDING_AT_ONCE:
            await self.pool.execute(SQL.settle_job, job_id)

    async def _get(self, connection: Connection, job_id: str) -> Job:
        row = await connection.fetchrow(SQL.get_job, job_id)
        if row is None:
            raise NotFound("JOB_NOT_FOUND", f"the {self.schema} room has no job {job_id}", job_id=job_id)
        return job_of(row)

    async def _rows_of_items(self, item_ids: Sequence[str]) -> dict[str, asyncpg.Record]:
        return {row["id"]: row for row in await self.pool.fetch(SQL.load_items, item_ids)}

    async def _count(self, connection: Connection, job_id: str, **counts: int) -> None:
        added = [counts.get(name, 0) for name in ("total", "failed", "skipped")]
        await connection.execute(SQL.add_counts, job_id, *added)

    async def _turns(self, connection: Connection, job_id: str, items: Sequence[NewItem]) -> Sequence[int]:
        """The turns of new items: those they have, or the next of their project."""
        new = sum(item.turn is None for item in items)
        following = itertools.count(await connection.fetchval(SQL.take_turns, job_id, new) if new else 0)
        return [next(following) if item.turn is None else item.turn for item in items]

    async def _reopen(self, connection: Connection, job_id: str, state: str) -> int:
        """Open the items in a state with turns that come now; return how many."""
        count = await connection.fetchval(SQL.count_turns, job_id, state)
        first = await connection.fetchval(SQL.take_turns, job_id, count)
        return int((await connection.execute(SQL.reopen_items, job_id, state, first)).split()[-1])

    async def _enqueue_open(self, job_id: str) -> None:
        """Queue all open items of a job, some at a time; what a dying process leaves, `recover` queues."""
        after = id_at(0)
        while rows := await self.pool.fetch(SQL.open_items, job_id, after, QUEUED_AT_ONCE):
            async with transaction(self.pool) as connection:
                await self._enqueue(connection, rows)
            after = rows[-1]["id"]

    async def _enqueue(self, connection: Connection, rows: Sequence[asyncpg.Record]) -> None:
        if not rows:
            return
        await queries_on(connection, self.schema).enqueue(
            [entrypoint(row["kind"], row["lane"]) for row in rows],
            [row["id"].encode() for row in rows],
            [-min(row["turn"], LAST_TURN) for row in rows],
            dedupe_key=[row["id"] for row in rows],
            on_conflict="skip",
        )
