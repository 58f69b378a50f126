"""Reserve from budgets before calls; wait while others hold the rest; pause jobs whose budget is spent."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial

import structlog

from services.generation.asking.budgets import Amount, budget_reached
from services.generation.asking.call_store import CallStore
from services.runtime.errors import NotFound, Unavailable
from services.runtime.faults import as_sishu_error
from services.runtime.in_work import item_waiting
from services.runtime.jobs import Item, ItemClosed, Jobs

LOOK_SECONDS = 2.0
"""How often is looked whether calls of other workers gave something back."""
WAIT_SECONDS = 600.0

log = structlog.get_logger()


class Reserver:
    """Reserves for the items of this process.

    Args:
        store: keeps the reservations.
        jobs: pauses.
    """

    def __init__(self, store: CallStore, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)

    async def reserve(
        self, item: Item, attempt_id: str, wanted: Amount, currency: str, *, stops: bool = True
    ) -> None:
        """Reserve what a call of an item may cost at worst, in place of what its attempt had reserved.

        Args:
            item: the item.
            attempt_id: this delivery of it.
            wanted: what its calls may come to.
            currency: of the money.
            stops: whether it may be handed out again later instead; not where something is paid.

        Raises:
            ItemClosed: the budget has no room for it, and the job is paused.
            Unavailable: others held what is left for ten minutes.
            NotFound: the generation is gone.
        """
        give_up = asyncio.get_running_loop().time() + WAIT_SECONDS
        while asyncio.get_running_loop().time() < give_up:
            standing = await self._store.reserve(item.job_resource_id, item.id, attempt_id, wanted)
            if standing is None:
                raise NotFound("GENERATION_NOT_FOUND", f"there is no generation {item.job_resource_id}")
            if standing.reserved:
                return
            if standing.is_over(wanted):
                failure = budget_reached(
                    item.job_resource_id, item.job_id, replace(standing, currency=currency)
                )
                holds = partial(self._store.is_budget, generation_id=item.job_resource_id, most=standing.most)
                job = await self._jobs.pause(item.job_id, failure, holds)
                if job.state not in {"pending", "running"}:
                    raise ItemClosed
                # The budget was raised since the look.
                continue
            await self._wait(item.job_resource_id, stops=stops)
        raise Unavailable("BUDGET_RESERVED", "other calls hold what is left of the budget")

    async def release(self, item: Item) -> None:
        """Give up what was reserved for an item that came to no result."""
        try:
            await self._store.release(item.id)
        except Exception as error:
            # The next delivery of the item takes it for spent.
            log.warning("reservation_not_released", error=as_sishu_error(error).message)

    async def keep(self, item: Item) -> None:
        """Leave what was reserved for an item whose call is in a batch."""
        try:
            await self._store.set_in_batch(item.id)
        except Exception as error:
            log.warning("reservation_not_kept", error=as_sishu_error(error).message)

    def ended(self, item: Item) -> None:
        """Note that an item gave back what it did not use: another one may go on."""
        waiting = self._waiting.get(item.job_resource_id, deque())
        while waiting:
            waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _wait(self, generation_id: str, *, stops: bool) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiting = self._waiting[generation_id]
        waiting.append(waiter)
        try:
            async with item_waiting() if stops else nullcontext():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS * random.uniform(0.5, 1)):  # noqa: S311  # no secret
                        await waiter
        finally:
            waiter.cancel()
            with suppress(ValueError):
                waiting.remove(waiter)
            if not waiting:
                self._waiting.pop(generation_id, None)
