"""Calls that wait for batches, and the batches: the statements of `batches.sql`, behind functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from services.generation.calls.replies import Reply, Usage
from services.generation.providers.providers import Endpoint
from services.runtime.db import Connection, Pool, transaction
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "batches.sql")

MOST_REQUESTS = 50_000
MOST_BYTES = 100_000_000
"""The least that the servers take which have batches (OpenAI: 200 MB)."""
OLDEST = timedelta(minutes=10)
"""How long a request waits for others at most."""
KEPT = timedelta(days=7)
"""How long an answer is kept for an item that comes later, when nobody wants it now."""
ROWS_AT_ONCE = 200
NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Request:
    """A call for a batch.

    Args:
        item_id: the item that waits for it.
        generation_id: its generation.
        project_id: its project.
        key: what stands for all that is asked; a project asks it once at a time.
        body: what is sent, as JSON.
    """

    item_id: str
    generation_id: str
    project_id: str
    key: bytes
    body: str


@dataclass(frozen=True)
class Standing:
    """How a request stands: `open`, `answered` with a reply, or `failed`."""

    state: str
    reply: Reply | None
    is_anothers: bool = False
    """Another item waits for it."""
    handed_in: bool = False
    """It is in a batch that the server has."""


@dataclass(frozen=True)
class Batch:
    """A batch that is handed in, or about to be; with the provider's key, as it outlives the provider."""

    id: str
    provider_id: str
    endpoint_id: str
    base_url: str
    model: str
    sealed_key: bytes | None = field(repr=False)
    key_variable: str
    key_file: str
    input_file_id: str
    remote_id: str
    cancelled: bool
    create_time: datetime
    next_look_time: datetime
    trouble_time: datetime | None


@dataclass(frozen=True)
class Found:
    """What a batch brought for a request; no reply where it failed."""

    request_id: str
    reply: Reply | None


class BatchStore:
    """The tables `batches`, `batch_requests`, `batch_waiters` and `batch_limits`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self._jobs = jobs

    async def find(self, item_id: str, generation_id: str, project_id: str, key: bytes) -> Standing | None:
        """How the request of a key stands; nothing where there is none, or nobody wants one that failed."""
        row = await self.pool.fetchrow(SQL.find_request, item_id, generation_id, project_id, key)
        if row is None:
            return None
        return Standing(row["state"], reply_from(row["reply"]), row["is_anothers"], row["handed_in"])

    async def request(self, endpoint: Endpoint, one: Request) -> Standing:
        """Add a request or find that of before."""
        row = await self.pool.fetchrow(
            SQL.request,
            new_id(),
            one.item_id,
            one.generation_id,
            one.project_id,
            one.key,
            endpoint.provider_id,
            endpoint.id,
            endpoint.base_url,
            one.body,
        )
        if row:
            return Standing(row["state"], reply_from(row["reply"]), handed_in=row["handed_in"])
        return Standing("open", None, is_anothers=True)

    async def wait(self, item_id: str, project_id: str, key: bytes) -> None:
        """Let an item go on once the one has ended that asked for the same."""
        await self.pool.execute(SQL.wait, item_id, project_id, key)

    async def wake(self) -> None:
        """Let items go on whose answer another item has asked for, once that one has ended."""
        async with transaction(self.pool) as connection:
            rows = await connection.fetch(SQL.served_waiters)
            if rows:
                served = [row["item_id"] for row in rows]
                # One that is just being put off is hastened the next time.
                hastened = await self._jobs.hasten(connection, served)
                await connection.execute(SQL.forget_waiters, hastened, served)

    async def give_up(self, item_id: str) -> None:
        """Let an item go on with single calls."""
        await self.pool.execute(SQL.give_up, item_id)

    async def refusing(self, endpoints: Sequence[Endpoint]) -> set[str]:
        """The ids of those endpoints that take no batches now."""
        rows = await self.pool.fetch(SQL.refusing_endpoints, [one.id for one in endpoints])
        return {row["endpoint_id"] for row in rows}

    async def refuse(self, endpoint_id: str, how_long: timedelta) -> int:
        """Note that an endpoint takes no batches; how many items that wait for one go elsewhere."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.limit_requests, endpoint_id, 0, how_long)
            rows = await connection.fetch(SQL.let_go, endpoint_id)
            await self._jobs.hasten(connection, [row["item_id"] for row in rows])
        return len(rows)

    async def make_smaller(self, batch: Batch, how_long: timedelta, *, crowded: bool) -> int:
        """Let the requests of a batch that was too large wait for smaller ones.

        Args:
            batch: the batch, which is deleted.
            how_long: how long the endpoint is known to take no larger one.
            crowded: whether it is too large beside others: where there were others, these are waited for.

        Returns how many requests the next one may have; 0 where it had only one.
        """
        async with transaction(self.pool) as connection:
            size = await connection.fetchrow(SQL.size_of_batch, batch.id)
            if size is None:
                # Another worker has dealt with it.
                return 1
            # Nobody may want it any more.
            most = 1 if size["requests"] == 0 else int(size["requests"]) // 2
            if crowded and size["beside"]:
                most = MOST_REQUESTS
                await connection.execute(SQL.set_crowded, batch.endpoint_id, most, how_long)
            elif size["requests"] > 1:
                await connection.execute(SQL.limit_requests, batch.endpoint_id, most, how_long)
            await connection.fetch(SQL.release, batch.id, True)
            await connection.execute(SQL.delete_batch, batch.id)
        return most

    async def lead(self, connection: Connection) -> bool:
        """Whether this connection's process is the one that looks after the batches, until it closes."""
        return bool(await connection.fetchval(SQL.lead))

    async def gather(self, quiet: timedelta) -> None:
        """Make a batch for each endpoint whose requests have waited for long enough.

        Args:
            quiet: how long no new request came.
        """
        rows = await self.pool.fetch(SQL.gatherable, quiet, OLDEST, MOST_REQUESTS, MOST_BYTES)
        if rows:
            # Not those of jobs that were cancelled.
            await self.forget()
        for row in rows:
            batch_id, place = new_id(), (row["endpoint_id"], row["base_url"])
            async with transaction(self.pool) as connection:
                await connection.execute(SQL.insert_batch, batch_id, row["provider_id"], *place)
                most = row["most_requests"]
                gathered = await connection.execute(SQL.gather, batch_id, *place, most, MOST_BYTES)
                if gathered == "UPDATE 0":
                    await connection.execute(SQL.delete_batch, batch_id)

    async def forget(self) -> None:
        """Forget requests that nobody wants any more."""
        await self.pool.execute(SQL.forget_requests, KEPT)

    async def due(self, most: int) -> list[Batch]:
        """Batches that are to be looked at now."""
        return [Batch(**row) for row in await self.pool.fetch(SQL.due_batches, most)]

    async def bodies(self, batch_id: str) -> AsyncIterator[list[tuple[str, str]]]:
        """The ids and bodies of the requests of a batch, some at a time."""
        after = NO_ID
        while rows := await self.pool.fetch(SQL.batch_bodies, batch_id, after, ROWS_AT_ONCE):
            yield [(row["id"], row["body"]) for row in rows]
            after = rows[-1]["id"]

    async def set_uploaded(self, batch_id: str, file_id: str) -> None:
        """Note the file of a batch."""
        await self.pool.execute(SQL.set_uploaded, batch_id, file_id)

    async def set_submitted(self, batch_id: str, remote_id: str) -> None:
        """Note that a batch was handed in."""
        await self.pool.execute(SQL.set_submitted, batch_id, remote_id)

    async def tell(self, batch_id: str, progress: str) -> None:
        """Say in the jobs whose calls are in a batch what they wait for."""
        for row in await self.pool.fetch(SQL.jobs_of_batch, batch_id):
            await self._jobs.set_progress(row["job_id"], progress)

    async def set_cancelled(self, batch_id: str) -> None:
        """Note that a batch is not wanted any more."""
        await self.pool.execute(SQL.set_cancelled, batch_id)

    async def look_again(self, batch_id: str, soonest: timedelta, latest: timedelta) -> None:
        """Put the next look at a batch off, the longer the older it is."""
        await self.pool.execute(SQL.look_again, batch_id, soonest, latest)

    async def note_trouble(self, batch_id: str) -> timedelta:
        """Note that a look at a batch failed; for how long all looks have."""
        return await self.pool.fetchval(SQL.note_trouble, batch_id) or timedelta()

    async def forget_trouble(self, batch_id: str) -> None:
        """Note that a look at a batch succeeded."""
        await self.pool.execute(SQL.forget_trouble, batch_id)

    async def is_wanted(self, batch_id: str) -> bool:
        """Whether an item waits for anything of a batch."""
        return bool(await self.pool.fetchval(SQL.is_wanted, batch_id))

    async def answer(self, batch_id: str, brought: Sequence[Found]) -> int:
        """Store answers, and let the items go on; how many were new."""
        async with transaction(self.pool) as connection:
            rows = await connection.fetch(
                SQL.answer,
                batch_id,
                [one.request_id for one in brought],
                [asdict(one.reply) if one.reply else None for one in brought],
            )
            await self._jobs.hasten(connection, [row["item_id"] for row in rows])
        return sum(row["answered"] for row in rows)

    async def end(self, batch_id: str, *, again: bool) -> int:
        """Delete a batch; how many requests had no answer.

        Args:
            batch_id: the batch.
            again: whether they wait for another one; else they are called singly.
        """
        async with transaction(self.pool) as connection:
            rows = await connection.fetch(SQL.release, batch_id, again)
            await connection.execute(SQL.has_room, batch_id)
            await connection.execute(SQL.delete_batch, batch_id)
            await connection.execute(SQL.forget_requests, KEPT)
            if not again:
                await self._jobs.hasten(connection, [row["item_id"] for row in rows])
        return len(rows)


def in_batch(base_url: str, model: str) -> str:
    """What items wait for whose calls were handed in."""
    return f"a batch of {base_url} (model {model}) has the calls; batches take up to a day"


def reply_from(values: Mapping[str, Any] | None) -> Reply | None:
    """The column `reply`."""
    return Reply(**{**values, "usage": Usage(**values["usage"])}) if values else None
