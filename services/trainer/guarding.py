"""Work that may become pointless, stores that may be away, and words about what goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog

from services.runtime.db import DATABASE_AWAY
from services.runtime.errors import NotFound, SishuError
from services.runtime.faults import RETRYABLE
from services.runtime.jobs import ItemClosed, Jobs

T = TypeVar("T")

AWAY = (
    *DATABASE_AWAY,
    asyncpg.TransactionRollbackError,
    OSError,
    TimeoutError,
)
"""What a call to Postgres raises and a later one may not."""

LOOK_SECONDS = 1.0
TELL_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0

log = structlog.get_logger()


async def unless(work: Coroutine[None, None, T], pointless: Coroutine[None, None, None]) -> T:
    """Do the work unless `pointless` returns before it is done; then cancel it, and wait until it is gone.

    Raises:
        ItemClosed: the work has become pointless.
    """
    task, guard = asyncio.create_task(work), asyncio.create_task(pointless)
    try:
        await asyncio.wait({task, guard}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        task.cancel()
        guard.cancel()
        await asyncio.wait({task, guard})
    if not task.cancelled():
        return task.result()
    guard.result()
    raise ItemClosed


async def to_its_end(work: Coroutine[None, None, T]) -> T:
    """Do work that a thread does: as that cannot be cancelled, a cancellation waits until it has ended."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.exception()
        raise


async def until_closed(jobs: Jobs, job_id: str) -> None:
    """Return when the job is cancelled or gone; while Postgres is away, nobody can know."""
    while True:
        try:
            if await is_closed(jobs, job_id):
                return
        except AWAY as error:
            log.warning("database_away", error=str(error))
        await asyncio.sleep(LOOK_SECONDS)


async def is_closed(jobs: Jobs, job_id: str) -> bool:
    """Whether the job is cancelled or gone."""
    try:
        return (await jobs.get(job_id)).state == "cancelled"
    except NotFound:
        return True


async def patiently(attempt: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Try again while a store is away, for `seconds` at most; then raise what the last try raised."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + seconds, 0.5
    while True:
        try:
            return await attempt()
        except (*DATABASE_AWAY, asyncpg.TransactionRollbackError, TimeoutError, SishuError) as error:
            final = isinstance(error, SishuError) and error.code not in RETRYABLE
            if final or loop.time() + pause > deadline:
                raise
            log.warning("store_away", error=str(error))
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@asynccontextmanager
async def telling(jobs: Jobs, job_id: str) -> AsyncIterator[Callable[[str], None]]:
    """A function that says what a job is doing now; the last word of each half second is stored."""
    words: list[str] = []

    async def tell() -> None:
        if words:
            last = words[-1]
            words.clear()
            with contextlib.suppress(*AWAY):
                await jobs.set_progress(job_id, last)

    async def tell_often() -> None:
        while True:
            await tell()
            await asyncio.sleep(TELL_SECONDS)

    teller = asyncio.create_task(tell_often())
    try:
        yield words.append
    finally:
        teller.cancel()
        await asyncio.wait({teller})
        await tell()
