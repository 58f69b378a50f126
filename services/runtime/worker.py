"""The queue consumer: takes items from PgQueuer, hands them to their handlers, and decides about failures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

import structlog
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job as Delivery

from services.runtime.db import DATABASE_AWAY, wait_for_database
from services.runtime.endurance import Endurance
from services.runtime.errors import SishuError
from services.runtime.failures import Failure
from services.runtime.faults import BRIEF, RETRYABLE, WAITED_FOR, as_sishu_error
from services.runtime.in_work import GivesWay, InWork
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.lanes import LANES, Lanes, entrypoint, lane_of
from services.runtime.metrics import RuntimeMetrics
from services.runtime.queue import choosy_manager

Handler = Callable[[Item], Awaitable[None]]
"""Does an item and stores its result through `Jobs.finish`; raises a `SishuError` when it cannot."""

LIMIT_PATIENCE = 30.0
"""How many times longer than any other trouble a rate limit is put up with: it is what servers have."""
LONGEST_DELAY_SECONDS = 30.0
MOST_ASKED_SECONDS = 600.0
"""The longest pause that a server may ask for."""
MOST_WAITED_SECONDS = 3600.0
"""The longest pause of an item that is hastened when what it waits for is there."""
BRIEF_ATTEMPTS = 4
"""So many tries, within fifteen seconds, an item makes before its job says what it waits for, where that is
mostly brief."""
RECOVER_SECONDS = 10.0
LOOK_SECONDS = 0.4
"""How often a worker looks whether the jobs of its items go on."""
POLL_SECONDS = 1.0
DRAIN_SECONDS = 20.0
"""How long what is in work may take to end when this process is to end."""
GIVING_BACK_SECONDS = 6.0
"""How long what has not ended by then may take to store what it paid, and to go back to the queue."""

log = structlog.get_logger()


class Worker:
    """Works on the items of one room until it is told to stop.

    Args:
        jobs: the room's jobs.
        handlers: what to do for each kind of item.
        concurrency: items in work at once.
        heartbeat_seconds: silence after which this worker counts as dead.
        metrics: where items are counted.
        patience_seconds: how long an item in trouble that may pass is tried again.
        endurance: what trouble is put up with for longer.
    """

    def __init__(
        self,
        jobs: Jobs,
        handlers: Mapping[str, Handler],
        concurrency: int,
        heartbeat_seconds: float,
        metrics: RuntimeMetrics,
        patience_seconds: float = 120.0,
        endurance: Endurance = Endurance(),  # noqa: B008  # frozen
    ) -> None:
        self._jobs = jobs
        self._handlers = handlers
        self._concurrency = concurrency
        self._heartbeat = timedelta(seconds=heartbeat_seconds)
        self._metrics = metrics
        self._patience = patience_seconds
        self._endurance = endurance
        self._names = [entrypoint(kind, lane) for kind in handlers for lane in LANES]
        self._batch = max(1, min(25, concurrency // 2))
        self._lanes = Lanes(concurrency, self._batch)
        self._started: set[str] = set()
        self._troubled: dict[str, dict[str, str]] = {}
        self._in_work = InWork()
        self._turn = 0
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set; then items that wait go back, and the others end.

        A lost database is waited for.
        """
        self._stop = stop
        aside = [
            asyncio.create_task(self._recover_often(stop), name="recover"),
            asyncio.create_task(self._look_often(), name="look"),
        ]
        try:
            while not stop.is_set():
                try:
                    await self._consume(stop)
                except (*DATABASE_AWAY, OSError, TimeoutError) as error:
                    log.warning("database_away", error=str(error))
                    await self._wait_for_database(stop)
        finally:
            for task in aside:
                task.cancel()
            await asyncio.wait(aside)

    async def _consume(self, stop: asyncio.Event) -> None:
        manager = choosy_manager(
            self._jobs.pool,
            self._jobs.schema,
            lambda name: self._lanes.is_open(lane_of(name)),
            lambda: self._lanes.supplied,
        )
        for name in self._names:
            manager.entrypoint(name)(self._work)
        running = asyncio.create_task(
            manager.run(
                # No notification tells that a pause is over.
                dequeue_timeout=timedelta(seconds=POLL_SECONDS),
                batch_size=self._batch,
                # So that no slot waits for the next dequeue.
                max_concurrent_tasks=self._concurrency + self._batch,
                heartbeat_timeout=self._heartbeat,
                log_aggregation_interval=timedelta(minutes=5),
            )
        )
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        manager.shutdown.set()
        if stop.is_set():
            self._in_work.leave()
        await asyncio.wait({running}, timeout=DRAIN_SECONDS)
        if not running.done():
            log.warning("drain_timeout", seconds=DRAIN_SECONDS)
            # Else others would get these items only when this worker counts as dead.
            self._in_work.give_back()
            await asyncio.wait({running}, timeout=GIVING_BACK_SECONDS)
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
        elif error := running.exception():
            raise error

    async def _work(self, delivery: Delivery) -> None:
        """Do one delivered item; every way out leaves either its end or a reason to deliver it again."""
        async with self._lanes.slot(lane_of(delivery.entrypoint)):
            if self._stop.is_set():
                raise RetryRequested(reason="STOPPING")
            self._turn = max(self._turn, -delivery.priority)
            item_id = (delivery.payload or b"").decode()
            try:
                item = await self._jobs.load(item_id, delivery.attempts + 1)
            except ItemClosed:
                return
            except Exception as error:
                raise await self._again(as_sishu_error(error), delivery) from None
            with structlog.contextvars.bound_contextvars(job_id=item.job_id, item_id=item.id):
                await self._do(item, delivery)

    async def _do(self, item: Item, delivery: Delivery) -> None:
        with self._metrics.item(item.kind) as outcome:
            try:
                if item.job_id not in self._started:
                    await self._jobs.start(item.job_id)
                    self._started.add(item.job_id)
                async with self._in_work.doing(item):
                    await self._handlers[item.kind](item)
                await self._say_trouble(item, "")
            except ItemClosed:
                outcome.set("closed")
            except GivesWay:
                outcome.set("retried")
                raise RetryRequested(reason="GIVES_WAY") from None
            except Exception as raised:
                error = as_sishu_error(raised)
                if error.code in RETRYABLE and await self._bears(item, error):
                    outcome.set("retried")
                    log.info("item_retried", kind=item.kind, reason=error.reason, error=error.message)
                    raise await self._again(error, delivery) from None
                pause = self._endurance.failure(error, item.job_id) if error.code in RETRYABLE else None
                if pause:
                    outcome.set("closed")
                    await self._pause(item, error, pause, delivery)
                else:
                    outcome.set("retried")
                    outcome.set(await self._fail(item, error, delivery))

    async def _bears(self, item: Item, error: SishuError) -> bool:
        """Whether an item is tried again; its job says what it waits for."""
        usual = LIMIT_PATIENCE if error.code == "RESOURCE_EXHAUSTED" else 1
        patience = self._patience * self._endurance.longer.get(error.reason, usual)
        try:
            if await self._jobs.note_trouble(item.id, error.reason in WAITED_FOR) > patience:
                return False
            if error.reason not in BRIEF or item.attempt > BRIEF_ATTEMPTS:
                await self._say_trouble(item, error.message)
        except Exception as raised:
            # The database is away as well: not the fault of the item.
            log.warning("trouble_not_noted", error=as_sishu_error(raised).message)
        return True

    async def _say_trouble(self, item: Item, message: str) -> None:
        """Show in a job what its items wait for, until one of the same kind ends well."""
        told = self._troubled.get(item.job_id, {})
        if message:
            self._troubled[item.job_id] = {**told, item.kind: message}
            await self._jobs.set_progress(item.job_id, message)
        elif item.kind in told and item.job_id not in self._in_work.waits():
            del told[item.kind]
            # Another kind may be in trouble still.
            await self._jobs.set_progress(item.job_id, next(iter(told.values()), ""))
            if not told:
                self._troubled.pop(item.job_id, None)

    async def _say_waits(self) -> None:
        """Show what items wait for that are in work, once."""
        for item, message in self._in_work.waits().values():
            if self._troubled.get(item.job_id, {}).get(item.kind) != message:
                await self._say_trouble(item, message)

    async def _fail(self, item: Item, error: SishuError, delivery: Delivery) -> str:
        """End an item for good, as failed or without its result; return how it ended."""
        without = self._endurance.without.get(item.kind)
        event = "item_skipped" if without else "item_failed"
        log.warning(event, kind=item.kind, reason=error.reason, error=error.message)
        try:
            await (without(item, error) if without else self._jobs.fail(item, error))
        except ItemClosed:
            return "closed"
        except Exception as raised:
            raise await self._again(as_sishu_error(raised), delivery) from None
        return "skipped" if without else "failed"

    async def _pause(self, item: Item, error: SishuError, failure: Failure, delivery: Delivery) -> None:
        """Pause the job of an item; where it was resumed since, the item is tried again like all others."""
        try:
            job = await self._jobs.pause(
                item.job_id, failure, partial(self._jobs.is_in_trouble, item_id=item.id)
            )
        except Exception as raised:
            raise await self._again(as_sishu_error(raised), delivery) from None
        if not job.ended and job.state != "paused":
            raise await self._again(error, delivery)
        log.warning("job_paused", reason=failure.reason, error=failure.message)

    async def _again(self, error: SishuError, delivery: Delivery) -> RetryRequested:
        """Ask for another delivery, once the database can note it.

        To be raised `from None`: PgQueuer stores the traceback, and what led to it may hold secrets.
        """
        await wait_for_database(self._jobs.pool, seconds=60)
        # Doubling 31 times is for ever; a server that names a time knows best.
        delay = min(2.0 ** min(delivery.attempts, 31), LONGEST_DELAY_SECONDS)
        asked = float(error.metadata.get("retry_after_seconds", 0))
        most = MOST_WAITED_SECONDS if error.reason in WAITED_FOR else MOST_ASKED_SECONDS
        return RetryRequested(timedelta(seconds=max(delay, min(asked, most))), error.reason)

    async def _recover_often(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                count = await self._jobs.recover(every=RECOVER_SECONDS)
                if count:
                    log.info("items_recovered", count=count)
            except Exception as error:
                log.warning("recover_failed", error=as_sishu_error(error).message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RECOVER_SECONDS)

    async def _look_often(self) -> None:
        """Stop items whose jobs were stopped, also while the last ones end; tell which turn has passed."""
        while True:
            try:
                # Not the greatest ever: turns may be counted anew.
                turn, self._turn = self._turn, 0
                if turn:
                    await self._jobs.pass_turn(turn)
                await self._make_room()
                await self._say_waits()
                if job_ids := self._in_work.job_ids:
                    self._in_work.stop(await self._jobs.states(job_ids))
            except Exception as error:
                log.warning("look_failed", error=as_sishu_error(error).message)
                await asyncio.sleep(POLL_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    async def _make_room(self) -> None:
        """See which lanes wait in the queue; items that only wait give way to those of lanes with less."""
        if self._lanes.busy:
            await self._lanes.look(self._queued_lanes)
            for lane, count in self._lanes.excess().items():
                self._in_work.give_way(lane, count)

    async def _queued_lanes(self) -> set[str]:
        return {lane_of(name) for name in await self._jobs.queued(self._names)}

    async def _wait_for_database(self, stop: asyncio.Event) -> None:
        while not stop.is_set() and not await wait_for_database(self._jobs.pool, seconds=5):
            pass
