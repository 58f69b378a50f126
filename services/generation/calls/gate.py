"""Lets calls to language models begin: as many as each endpoint bears, found by all workers together.

Nobody sets a number. Each process reports what it saw of an endpoint a few times a second and gets its share
of the limit (`concurrency.py`, `sharing.py`). Between two reports it decides alone: a call begins when its
lane has room, waits in turn else, and is made again when the server refuses it as one too many.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

import structlog

from services.generation.calls.lanes import Lane, Permit, Waiter
from services.generation.calls.modes import Habits
from services.generation.calls.rate_headers import calls_left, tokens_left
from services.generation.calls.replies import Reply
from services.generation.calls.sharing import Report, Share
from services.generation.metrics import GenerationMetrics
from services.generation.providers.providers import Endpoint
from services.runtime.errors import SishuError, Unavailable
from services.runtime.faults import as_sishu_error
from services.runtime.in_work import item_waiting, turn_in_work, waiting_for
from services.runtime.retry_after import time_in

TICK_SECONDS = 0.3
IDLE_SECONDS = 30.0
"""A lane without calls for so long is given up."""
ENTER_SECONDS = 600.0
REFUSED_SECONDS = 120.0
REST_SECONDS = 1.0
"""Pause of a refused call where the server names none."""
TOLD_SECONDS = 5.0
"""Refusals are usual where the bounds of a server are found; of what lasts longer people are told."""

log = structlog.get_logger()


class Reports(Protocol):
    """Where workers tell each other what they saw."""

    async def report(self, endpoint: Endpoint, report: Report) -> Share:
        """Add a report, and take the share of this worker."""

    async def leave(self) -> None:
        """Say that this worker wants nothing any more."""


class Gate:
    """The lanes of a process.

    Args:
        reports: what the workers share.
        metrics: where limits are shown.
        refused_seconds: how long a call is made again here, from its first refusal; after that its item waits
            in the queue.
    """

    def __init__(
        self, reports: Reports, metrics: GenerationMetrics, refused_seconds: float = REFUSED_SECONDS
    ) -> None:
        self._reports = reports
        self._metrics = metrics
        self._refused_seconds = refused_seconds
        self._lanes: dict[str, Lane] = {}
        self._ticks: dict[str, asyncio.Task[None]] = {}
        self._alarms: dict[str, asyncio.TimerHandle] = {}

    async def close(self) -> None:
        """Stop reporting."""
        for task in self._ticks.values():
            task.cancel()
        await asyncio.gather(*self._ticks.values(), return_exceptions=True)
        for alarm in self._alarms.values():
            alarm.cancel()
        with contextlib.suppress(Exception):
            await self._reports.leave()

    async def run(
        self,
        endpoints: Sequence[Endpoint],
        call: Callable[[Endpoint], Awaitable[Reply]],
        *,
        stops: bool = True,
    ) -> Reply:
        """Make a call when there is room for it; make it again while the server refuses it as one too many.

        Args:
            endpoints: where it may be made, the members of a pool; the one with the most room is taken.
            call: makes it.
            stops: whether the item in work may be handed out again later instead; not where it has paid.

        Raises:
            ItemClosed: the job of the item in work was paused, or others had something to do, as it waited.
            Unavailable: no room came in ten minutes.
            SishuError: what the call raises.
        """
        first: float | None = None
        while True:
            async with self._enter(endpoints, stops=stops) as permit:
                try:
                    # Not the lane's: another provider with its own price may have the same address and key.
                    reply = await call(next(one for one in endpoints if one.id == permit.lane.endpoint.id))
                except SishuError as error:
                    if error.reason == "PROVIDER_TIMED_OUT":
                        permit.lane.timed_out(permit)
                    # The time of waiting for the first turn is not that of being refused.
                    first = first or clock()
                    delay = self._delay(permit.lane, error, first + self._refused_seconds)
                    if delay is None:
                        raise
                    why = error.message if clock() + delay - first > TOLD_SECONDS else ""
                else:
                    permit.lane.ended(permit, reply.usage, clock())
                    return reply
            await self._rest(permit.lane, delay, why, stops=stops)

    async def run_urgent(
        self, endpoint: Endpoint, call: Callable[[Endpoint], Awaitable[Reply]], seconds: float
    ) -> Reply:
        """Make a call that somebody waits for: before all those of items, within the same limits, and once.

        Args:
            endpoint: where.
            call: makes it.
            seconds: how long to wait for room.

        Raises:
            Unavailable: no room came in that time.
            SishuError: what the call raises.
        """
        async with self._enter([endpoint], seconds, urgent=True) as permit:
            try:
                reply = await call(endpoint)
            except SishuError as error:
                self._delay(permit.lane, error, give_up=0.0)
                raise
            permit.lane.ended(permit, reply.usage, clock())
            return reply

    def habits(self, endpoint: Endpoint) -> Habits | None:
        """How an endpoint is asked, as the workers last told each other; nothing before they did."""
        lane = self._lanes.get(endpoint.id)
        return lane.habits if lane else None

    def heard(self, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """Go by what the headers of an answer say of the rates of a server."""
        lane = self._lanes.get(endpoint.id)
        if lane:
            lane.told(calls_left(headers), tokens_left(headers), clock())

    def _delay(self, lane: Lane, error: SishuError, give_up: float) -> float | None:
        """How long a refused call rests; nothing where it is not to be made again here."""
        if not is_refusal(error):
            return None
        delay = float(error.metadata.get("retry_after_seconds", REST_SECONDS))
        lane.refused(delay, clock())
        return None if clock() + delay > give_up else delay

    async def _rest(self, lane: Lane, delay: float, why: str, *, stops: bool) -> None:
        lane.resting += 1
        try:
            # Those that were refused together do not come back together.
            async with item_waiting() if stops else contextlib.nullcontext():
                with waiting_for(lambda: why):
                    await asyncio.sleep(delay * random.uniform(1, 1.2))  # noqa: S311  # no secret
        finally:
            lane.resting -= 1

    @asynccontextmanager
    async def _enter(
        self,
        endpoints: Sequence[Endpoint],
        seconds: float = ENTER_SECONDS,
        *,
        urgent: bool = False,
        stops: bool = True,
    ) -> AsyncIterator[Permit]:
        lanes = [self._lane(endpoint) for endpoint in endpoints]
        lane = min(lanes, key=lambda one: one.load)
        waiter = Waiter(lanes, asyncio.get_running_loop().create_future(), urgent, turn_in_work())
        came = list(zip(lanes, endpoints, strict=True))
        for one, endpoint in came:
            one.come(endpoint, clock())
        lane.wait(waiter)
        try:
            self._wake(lane)
            permit = await self._granted(waiter, lane, seconds, stops=stops)
            try:
                yield permit
            finally:
                self._leave(permit)
        finally:
            lane.urgent -= urgent
            for one, endpoint in came:
                one.go(endpoint, clock())

    async def _granted(self, waiter: Waiter, lane: Lane, seconds: float, *, stops: bool) -> Permit:
        for one in waiter.lanes:
            one.listed += 1
        try:
            async with item_waiting() if stops else contextlib.nullcontext(), asyncio.timeout(seconds):
                with waiting_for(partial(pause_of, waiter.lanes)):
                    return await waiter.granted
        except BaseException as error:
            self._withdraw(waiter, lane)
            if isinstance(error, TimeoutError):
                raise busy(lane.endpoint, seconds, lane.open_at - clock()) from None
            raise
        finally:
            for one in waiter.lanes:
                one.listed -= 1

    def _withdraw(self, waiter: Waiter, lane: Lane) -> None:
        """Wait no more; room that was granted at the same moment is given back."""
        if waiter.granted.done() and not waiter.granted.cancelled():
            self._leave(waiter.granted.result())
            return
        waiter.granted.cancel()
        with contextlib.suppress(ValueError):
            lane.waiters.remove(waiter)

    def _leave(self, permit: Permit) -> None:
        permit.lane.in_flight -= 1
        self._wake(permit.lane)

    def _lane(self, endpoint: Endpoint) -> Lane:
        lane = self._lanes.get(endpoint.id)
        if lane is None:
            lane = self._lanes[endpoint.id] = Lane(endpoint, clock())
            self._ticks[endpoint.id] = asyncio.create_task(self._report_often(lane), name="report_endpoint")
        return lane

    def _wake(self, lane: Lane) -> None:
        """Let those that wait begin, as many as there is room for."""
        while waiter := self._next(lane):
            wait = lane.wait_seconds(clock())
            if wait != 0:
                if wait:
                    self._alarm(lane, wait)
                return
            self._forget(waiter)
            waiter.granted.set_result(lane.begin(clock()))

    def _next(self, lane: Lane) -> Waiter | None:
        """Who waits for longest in a lane; where none does, somebody in another who may come here."""
        for other in (lane, *(one for one in self._lanes.values() if one is not lane)):
            while other.waiters and other.waiters[0].granted.done():
                other.waiters.popleft()
            if other.waiters and lane in other.waiters[0].lanes:
                return other.waiters[0]
        return None

    def _forget(self, waiter: Waiter) -> None:
        for lane in waiter.lanes:
            if lane.waiters and lane.waiters[0] is waiter:
                lane.waiters.popleft()

    def _alarm(self, lane: Lane, seconds: float) -> None:
        known = self._alarms.pop(lane.endpoint.id, None)
        if known:
            known.cancel()
        loop = asyncio.get_running_loop()
        self._alarms[lane.endpoint.id] = loop.call_later(seconds, self._wake, lane)

    async def _report_often(self, lane: Lane) -> None:
        """Report until the lane has been idle for a while; a database that is away changes nothing."""
        endpoint_id = lane.endpoint.id
        while lane.demand or lane.listed or clock() - lane.used < IDLE_SECONDS:
            try:
                lane.take(await self._reports.report(lane.endpoint, lane.report(clock())), clock())
            except Exception as error:
                log.warning("endpoint_not_reported", error=as_sishu_error(error).message)
            self._show_limit(lane.endpoint)
            self._wake(lane)
            await asyncio.sleep(TICK_SECONDS)
        del self._lanes[endpoint_id], self._ticks[endpoint_id]
        self._show_limit(lane.endpoint)

    def _show_limit(self, endpoint: Endpoint) -> None:
        """Show the limit of calls to a model, under all its keys together; nothing where no lane is left."""
        where = endpoint.base_url, endpoint.model
        lanes = self._lanes.values()
        limits = [one.limit for one in lanes if (one.endpoint.base_url, one.endpoint.model) == where]
        self._metrics.show_limit(*where, sum(limits) if limits else None)


def is_refusal(error: SishuError) -> bool:
    """Whether a server says that a call is one too many, and not that it is wrong."""
    return error.reason in {"PROVIDER_RATE_LIMITED", "PROVIDER_OVERLOADED"}


def pause_of(lanes: Sequence[Lane]) -> str:
    """What a call waits for where all that it may go to asked for a pause; nothing where one did not."""
    first = min(lanes, key=lambda lane: lane.open_at)
    seconds, endpoint = first.open_at - clock(), first.endpoint
    if seconds < TOLD_SECONDS:
        return ""
    place = f"{endpoint.base_url} (model {endpoint.model})"
    return f"{place} refused calls and asked for a pause; it is asked again at {time_in(seconds)}"


def busy(endpoint: Endpoint, seconds: float, pause: float) -> Unavailable:
    """The error where no room came.

    Args:
        endpoint: where.
        seconds: how long a call waited.
        pause: seconds for which the server still wants to be left alone; not above 0 for none.
    """
    why = (
        f"it refused calls and asked for a pause, of which {pause:.0f} s are left; try again then"
        if pause > 0
        else "as many are in flight, or were made this minute, as it bears; raise the limits of the provider "
        "if they are too low, else try again later"
    )
    return Unavailable(
        "PROVIDER_BUSY",
        f"{endpoint.base_url} (model {endpoint.model}) has had no room for another call for {seconds:.3g} s: "
        f"{why}",
        base_url=endpoint.base_url,
        model=endpoint.model,
        **({"pause_seconds": f"{pause:.0f}"} if pause > 0 else {}),
    )


def clock() -> float:
    """Seconds of a clock that does not stand still between two events, as that of the event loop may."""
    return time.monotonic()
