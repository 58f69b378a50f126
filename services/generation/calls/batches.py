"""Hand in the calls that wait as batches, look at these, and bring the answers.

What was done is stored after each step, and each step can be done again: a process that dies leaves a batch
that the next one finds, at the server if need be, and nothing is paid twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from services.generation.calls.batch_api import BATCH_TOO_LARGE, URL, BatchApi, RemoteBatch, is_crowded
from services.generation.calls.batch_store import Batch, BatchStore, Found, in_batch
from services.generation.calls.hiding import reply_without_key
from services.generation.calls.llm import priced
from services.generation.calls.provider_errors import ACCOUNT_REFUSED, NOT_SECURE
from services.generation.calls.replies import ErrorTold, mapping, reply_of, string
from services.generation.metrics import GenerationMetrics
from services.generation.providers.keys import Keys
from services.generation.providers.providers import Endpoint
from services.runtime.db import Connection
from services.runtime.errors import FailedPrecondition, SishuError
from services.runtime.faults import RETRYABLE, as_sishu_error
from sishu.errors import ApiError

REFUSED = timedelta(hours=1)
"""How long an endpoint that refused a batch gets none, or only smaller ones."""
PATIENCE = timedelta(hours=1)
"""How long a batch is tried to be handed in while the server fails; how long one that is handed in is looked
for where the server does not know it, and waited for when it was cancelled for its age."""
LIFETIME = timedelta(hours=48)
"""How long a batch is waited for: servers promise one day."""
LATEST_LOOK = timedelta(minutes=5)
SHUT_OUT = ACCOUNT_REFUSED | NOT_SECURE | {"PROVIDER_KEY_MISSING"}
MOST_AT_ONCE = 8
"""Batches that are worked on at once."""
LEAD_SECONDS = 5.0
"""How often a process looks whether the one that hands in batches is gone."""

FindEndpoint = Callable[[str], Awaitable[Endpoint]]
"""Where the provider of an id is to be asked."""

log = structlog.get_logger()


class Batches:
    """Looks after the batches of a room; of all its processes one does so at a time.

    Args:
        store: what waits.
        api: reaches the servers.
        find: finds them.
        keys: reads the keys of those that are gone.
        metrics: where answers are counted.
        seconds: how long no new call came before a batch is made, and the shortest time between two looks.
    """

    def __init__(
        self,
        store: BatchStore,
        api: BatchApi,
        find: FindEndpoint,
        keys: Keys,
        metrics: GenerationMetrics,
        seconds: float,
    ) -> None:
        self._store, self._api, self._find, self._keys, self._metrics = store, api, find, keys, metrics
        self._soonest = timedelta(seconds=seconds)
        self._tick = min(1.0, seconds)
        self._steps: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look after them until told to stop; a lost database is waited for."""
        while not stop.is_set():
            try:
                async with self._store.pool.acquire() as connection:
                    try:
                        await self._lead(connection, stop)
                    finally:
                        # The lock ends with the session, not with the loan.
                        connection.terminate()
            except Exception as error:
                log.warning("batches_interrupted", error=as_sishu_error(error).message)
            finally:
                await self._stop_steps()
            await waited(stop, LEAD_SECONDS)

    async def _lead(self, connection: Connection, stop: asyncio.Event) -> None:
        while not await self._store.lead(connection):
            await waited(stop, LEAD_SECONDS)
            if stop.is_set():
                return
        while not stop.is_set():
            # Who lost the session lost the lock.
            await connection.execute("SELECT 1")
            await self._store.wake()
            await self._store.gather(self._soonest)
            for batch in await self._store.due(MOST_AT_ONCE):
                if batch.id not in self._steps and len(self._steps) < MOST_AT_ONCE:
                    step = asyncio.create_task(self._step(batch), name="batch")
                    self._steps[batch.id] = step
                    step.add_done_callback(partial(self._forget, batch.id))
            await waited(stop, self._tick)

    def _forget(self, batch_id: str, _: asyncio.Task[None]) -> None:
        self._steps.pop(batch_id, None)

    async def _stop_steps(self) -> None:
        steps = list(self._steps.values())
        for step in steps:
            step.cancel()
        await asyncio.gather(*steps, return_exceptions=True)

    async def _step(self, batch: Batch) -> None:
        """Do what comes next for a batch; whatever fails is tried again, or its calls are made singly."""
        try:
            await self._store.look_again(batch.id, self._soonest, LATEST_LOOK)
            await self._advance(batch)
            if batch.trouble_time:
                await self._store.forget_trouble(batch.id)
        except Exception as raised:
            error = as_sishu_error(raised)
            log.warning("batch_in_trouble", batch_id=batch.id, reason=error.reason, error=error.message)
            with suppress(Exception):
                await self._bear(batch, error)

    async def _endpoint(self, batch: Batch, *, begun: bool) -> Endpoint:
        """Where a batch is: under the provider's key of now, else by what is known since its beginning.

        Args:
            batch: the batch.
            begun: whether the server may have it already.

        Raises:
            FailedPrecondition: it is not begun, and its provider has moved or is gone.
            SishuError: the provider cannot be asked.
        """
        endpoint = None
        try:
            endpoint = await self._find(batch.provider_id)
        except (SishuError, ApiError) as error:
            if error.code != "NOT_FOUND":
                raise
        if endpoint and endpoint.base_url == batch.base_url:
            return endpoint
        if not begun:
            raise FailedPrecondition("PROVIDER_MOVED", f"the provider of a batch is not at {batch.base_url}")
        known = Endpoint(batch.base_url, batch.model, self._keys.of(batch), batch.provider_id)
        return replace(known, price=endpoint.price) if endpoint else known

    async def _bear(self, batch: Batch, error: SishuError) -> None:
        """Give a batch up that will not come about."""
        passes = error.code in {*RETRYABLE, "INTERNAL"}
        if batch.remote_id:
            # A key can be put right, an account paid for, and what is handed in is paid.
            lasting = passes or error.reason in SHUT_OUT
            trouble = await self._store.note_trouble(batch.id)
            if age_of(batch) < LIFETIME if lasting else trouble < PATIENCE:
                return
            await self._cancel_blindly(batch)
        elif not passes:
            await self._store.end(batch.id, again=True)
            await self._refuse(batch, error.message)
            return
        elif age_of(batch) < PATIENCE:
            return
        count = await self._store.end(batch.id, again=False)
        log.warning("batch_given_up", batch_id=batch.id, calls_made_singly=count, error=error.message)

    async def _cancel_blindly(self, batch: Batch) -> None:
        """Have a batch end that cannot be looked at, if the server heeds it: its calls are made singly."""
        try:
            endpoint = await self._endpoint(batch, begun=True)
            await self._api.cancel(endpoint, batch.remote_id)
        except Exception as error:
            told = as_sishu_error(error).message
            log.warning("batch_not_cancelled", batch_id=batch.id, remote_id=batch.remote_id, error=told)

    async def _refuse(self, batch: Batch, reason: str) -> None:
        """Ask an endpoint that takes no batch singly."""
        count = await self._store.refuse(batch.endpoint_id, REFUSED)
        log.warning("batches_refused", base_url=batch.base_url, calls=count, error=reason[:300])

    async def _advance(self, batch: Batch) -> None:
        wanted = await self._store.is_wanted(batch.id)
        if not wanted and not batch.cancelled:
            batch = replace(batch, cancelled=True)
            await self._store.set_cancelled(batch.id)
        begun = bool(batch.remote_id or batch.input_file_id)
        endpoint = await self._endpoint(batch, begun=begun or not wanted)
        if batch.remote_id:
            await self._follow(batch, endpoint, wanted=wanted)
        else:
            await (self._offer(batch, endpoint) if wanted else self._withdraw(batch, endpoint))

    async def _follow(self, batch: Batch, endpoint: Endpoint, *, wanted: bool) -> None:
        """See how far a batch is at the server; end it there when nobody wants it any more, or at its age."""
        remote = await self._api.look(endpoint, batch.remote_id)
        late = age_of(batch) - LIFETIME
        if remote.too_large:
            await self._make_smaller(batch, endpoint, remote.reason)
        elif remote.ended or late > PATIENCE:
            await self._bring(batch, endpoint, remote)
        elif (not wanted or late > timedelta()) and remote.status != "cancelling":
            # Whoever was to do that may have died before.
            await self._api.cancel(endpoint, batch.remote_id)
            log.info("batch_cancelled", batch_id=batch.id)

    async def _offer(self, batch: Batch, endpoint: Endpoint) -> None:
        """Hand a batch in, if the server does not find it too large."""
        try:
            await self._hand_in(batch, endpoint)
        except SishuError as error:
            if error.reason != BATCH_TOO_LARGE:
                raise
            await self._make_smaller(batch, endpoint, error.message)

    async def _make_smaller(self, batch: Batch, endpoint: Endpoint, reason: str) -> None:
        """Have the calls of a batch that was refused for its size handed in by halves, or after others."""
        file_id = batch.input_file_id or await self._api.find_file(endpoint, file_name(batch))
        await self._clean(endpoint, *filter(None, [file_id]))
        most = await self._store.make_smaller(batch, REFUSED, crowded=is_crowded(reason))
        log.info("batch_too_large", batch_id=batch.id, most_calls=most, reason=reason[:300])
        if not most:
            await self._refuse(batch, reason)

    async def _hand_in(self, batch: Batch, endpoint: Endpoint) -> None:
        file_id = batch.input_file_id
        if not file_id:
            file_id = await self._api.upload(endpoint, file_name(batch), self._lines(batch))
            await self._store.set_uploaded(batch.id, file_id)
        remote_id = await self._api.submit(endpoint, file_id, batch.id)
        await self._store.set_submitted(batch.id, remote_id)
        await self._store.tell(batch.id, in_batch(batch.base_url, batch.model))
        self._metrics.batches.inc()
        log.info("batch_handed_in", batch_id=batch.id, base_url=batch.base_url, remote_id=remote_id)

    async def _lines(self, batch: Batch) -> AsyncIterator[bytes]:
        """The file of a batch, some lines at a time."""
        async for requests in self._store.bodies(batch.id):
            lines = (
                f'{{"custom_id":"{request_id}","method":"POST","url":"{URL}","body":{body}}}\n'
                for request_id, body in requests
            )
            yield "".join(lines).encode("utf-8")

    async def _withdraw(self, batch: Batch, endpoint: Endpoint) -> None:
        """Drop a batch that was not handed in yet, or perhaps was in the moment of a crash."""
        file_id = batch.input_file_id or await self._api.find_file(endpoint, file_name(batch))
        if file_id:
            remote_id = await self._api.find(endpoint, file_id)
            if remote_id:
                await self._store.set_uploaded(batch.id, file_id)
                await self._store.set_submitted(batch.id, remote_id)
                return
            await self._clean(endpoint, file_id)
        await self._store.end(batch.id, again=True)

    async def _bring(self, batch: Batch, endpoint: Endpoint, remote: RemoteBatch) -> None:
        """Store what a batch brought; what it did not bring is called singly, unless it was cancelled."""
        for file_id in remote.file_ids:
            await self._api.read(endpoint, file_id, partial(self._take, batch, endpoint))
        await self._clean(endpoint, batch.input_file_id, *remote.file_ids)
        missing = await self._store.end(batch.id, again=batch.cancelled)
        log.info(
            "batch_ended",
            batch_id=batch.id,
            status=remote.status,
            calls_made_singly=0 if batch.cancelled else missing,
            error=remote.reason[:300],
        )

    async def _take(self, batch: Batch, endpoint: Endpoint, lines: Sequence[Any]) -> None:
        brought = [one for line in lines if (one := found_in(line, endpoint))]
        if brought:
            self._metrics.batch_answers.inc(await self._store.answer(batch.id, unique(brought)))

    async def _clean(self, endpoint: Endpoint, *file_ids: str) -> None:
        """Delete files at the server; what cannot be deleted stays there."""
        for file_id in file_ids:
            try:
                await self._api.delete_file(endpoint, file_id)
            except SishuError as error:
                log.warning("batch_file_not_deleted", file_id=file_id, error=error.message)


def age_of(batch: Batch) -> timedelta:
    """How long ago a batch was made."""
    return datetime.now(UTC) - batch.create_time


def file_name(batch: Batch) -> str:
    """What the file of a batch is called at the server, by which it is found again."""
    return f"sishu-{batch.id}.jsonl"


def found_in(line: Any, endpoint: Endpoint) -> Found | None:
    """What a line of a file of answers brings; nothing where it is about no request of ours."""
    values = mapping(line)
    try:
        request_id = str(UUID(string(values.get("custom_id"))))
    except ValueError:
        return None
    response = mapping(values.get("response"))
    if values.get("error") or response.get("status_code", 200) != 200:
        return Found(request_id, None)
    try:
        reply = reply_without_key(reply_of(response.get("body"), 0), endpoint)
    except (ErrorTold, TypeError):
        return Found(request_id, None)
    usage = priced(reply.usage, endpoint)
    factor = endpoint.price.batch_factor if endpoint.price else 1.0
    return Found(request_id, replace(reply, usage=replace(usage, cost=usage.cost * factor)))


def unique(brought: Sequence[Found]) -> list[Found]:
    """The first of those about one request."""
    return list({one.request_id: one for one in reversed(brought)}.values())


async def waited(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not after being told to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
