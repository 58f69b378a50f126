"""Results of items that end at about the same time, stored in one transaction.

A transaction costs the processor, here and in Postgres, several times what the statement costs that stores a
result. Nothing waits for it: an item that stores calls no model. So a result waits a moment for others (group
commit), and is stored in a transaction of its own where theirs cannot be stored.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import asyncpg
import structlog

from services.runtime.db import PASSES, Connection, Pool, is_misuse, transaction
from services.runtime.faults import as_sishu_error
from services.runtime.job_records import Item, ItemClosed
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "jobs.sql")

TOGETHER_SECONDS = 0.05
"""How long a result waits for others."""
MOST_TOGETHER = 128
MOST_AT_ONCE = 2
"""Transactions of a process. More of them would wait for each other, and each would hold but few results."""
BEHIND_SECONDS = 0.5
"""How long a result waits at most for transactions before it, one of which may wait for somebody else."""
STOPPED_SECONDS = 5.0
"""How long an item that is stopped waits to hear whether it is stored."""
MOST_ENDING_AT_ONCE = 1000 * MOST_TOGETHER
"""Of more transactions than a Postgres runs at once."""

T = TypeVar("T")


@dataclass(frozen=True)
class Joint(Generic[T]):
    """A result that is stored by one call together with those of others that end at the same time.

    Args:
        store: stores results; those of items with the same function come to it together.
        result: what it is to store of this item.
    """

    store: Callable[[Connection, Sequence[T]], Awaitable[None]]
    result: T


StoreResult: TypeAlias = Callable[[Connection], Awaitable[None]] | Joint[Any]
"""Stores a result; may be called again when nothing of the call before was stored."""

log = structlog.get_logger()


@dataclass(eq=False)
class Ending:
    """An item that ends: its result, and who waits for that to be stored."""

    item: Item
    store: StoreResult
    stored: asyncio.Future[None]


class Endings:
    """The items of a process that end.

    Args:
        pool: the room's database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[Ending] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._storing: set[asyncio.Task[None]] = set()
        # What is logged of a group is about no single item.
        self._context = contextvars.copy_context()

    async def end(self, item: Item, store: StoreResult) -> None:
        """Store the result of an item and its end, both or neither.

        Raises:
            ItemClosed: another worker was faster, or the job was cancelled; nothing is stored.
            Exception: what `store` and the database raise.
        """
        ending = Ending(item, store, asyncio.get_running_loop().create_future())
        # Also where nobody waits for it any more.
        ending.stored.add_done_callback(asyncio.Future.exception)
        self._waiting.append(ending)
        if len(self._waiting) == 1:
            self._begin(self._wait())
        try:
            await asyncio.wait({ending.stored})
        except asyncio.CancelledError:
            if ending in self._waiting:
                self._waiting.remove(ending)
            else:
                await asyncio.wait({ending.stored}, timeout=STOPPED_SECONDS)
            raise
        ending.stored.result()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _wait(self) -> None:
        await asyncio.sleep(TOGETHER_SECONDS)
        if len(self._storing) >= MOST_AT_ONCE:
            await asyncio.wait(self._storing, timeout=BEHIND_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waiting, self._waiting = self._waiting, []
        for at in range(0, len(waiting), MOST_TOGETHER):
            task = self._begin(self._store(waiting[at : at + MOST_TOGETHER]))
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)

    async def _store(self, group: Sequence[Ending]) -> None:
        """Store a group, and tell those who wait; where one spoils it for the others, each alone."""
        try:
            stored, counts = await self._committed(group)
        except Exception as error:
            if len(group) == 1 or not spoiled(error):
                tell(group, error)
            else:
                log.info("stored_singly", items=len(group), error=as_sishu_error(error).message)
                await asyncio.gather(*(self._store([ending]) for ending in group))
            return
        await self._settle(counts)
        tell(stored)
        tell([ending for ending in group if ending not in stored], ItemClosed())

    async def _committed(self, group: Sequence[Ending]) -> tuple[Set[Ending], Mapping[str, int]]:
        """Store those that are open; return which, and how many items of each job were open before."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.enter_jobs, sorted({ending.item.job_id for ending in group}))
            rows = await connection.fetch(SQL.lock_items, [ending.item.id for ending in group])
            # One that was handed out twice is stored once.
            once = {ending.item.id: ending for ending in reversed(group)}
            stored = [once[row["id"]] for row in rows]
            await store_all(connection, [ending.store for ending in stored])
            items = [ending.item for ending in stored]
            counts = await connection.fetch(
                SQL.end_items,
                [item.job_id for item in items],
                [item.id for item in items],
                [item.attempt for item in items],
            )
        return set(stored), {row["job_id"]: row["open_items"] for row in counts}

    async def _settle(self, counts: Mapping[str, int]) -> None:
        """End the jobs whose items have all ended; what fails here, `Jobs.recover` does."""
        for job_id, open_items in counts.items():
            if open_items >= MOST_ENDING_AT_ONCE:
                continue
            try:
                await self._pool.execute(SQL.settle_job, job_id)
            except Exception as error:
                log.warning("job_not_settled", settled=job_id, error=as_sishu_error(error).message)


async def store_all(connection: Connection, stores: Iterable[StoreResult]) -> None:
    """Store results, those that go together by one call after the others."""
    together: dict[Callable[..., Awaitable[None]], list[Any]] = {}
    for store in stores:
        if isinstance(store, Joint):
            together.setdefault(store.store, []).append(store.result)
        else:
            await store(connection)
    for store_them, results in together.items():
        await store_them(connection, results)


def spoiled(error: Exception) -> bool:
    """Whether a result may have spoiled a transaction for the others.

    Where they waited for those of another process, which waited for them, each alone does not.
    """
    passes = isinstance(error, PASSES) and not isinstance(error, asyncpg.TransactionRollbackError)
    return not passes or is_misuse(error)


def tell(group: Iterable[Ending], error: Exception | None = None) -> None:
    """Say to those who wait that all is stored, or why not."""
    for ending in group:
        if error is None:
            ending.stored.set_result(None)
        else:
            ending.stored.set_exception(error)
