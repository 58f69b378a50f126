"""Leases: one engine on a device of a host at a time, and one engine for a run anywhere.

Rows with a heartbeat, not advisory locks: a lock lives on a connection and is lost with it, so a restart of
Postgres would free every device while its engine computes. A row outlives the restart, and can be looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from services.runtime.db import Connection, Pool, transaction
from services.runtime.ids import new_id
from services.runtime.sql import Statements
from services.trainer.guarding import AWAY
from services.trainer.workers.reservation import Shortage, Wait, ends, held_for, shortage_of

SQL = Statements(Path(__file__).parent / "sql" / "leases.sql")

log = structlog.get_logger()


@dataclass(frozen=True)
class Claimant:
    """Who leases: a worker on a host.

    Args:
        worker_id: the worker.
        host: its machine.
        seconds: silence after which its leases are void.
        hold_seconds: how long devices are held for a run that needs several.
    """

    worker_id: str
    host: str
    seconds: float
    hold_seconds: float = 259_200.0


ASKED_SECONDS = 180.0
"""A run that was not asked for so long waits no more: its job rests, or no worker takes it. Items that wait
are handed out every half minute."""


class NotEnoughError(Exception):
    """Fewer devices are free than are wanted, or another worker has the run; nothing is taken.

    Args:
        shortage: of devices; none where another worker has the run.
    """

    def __init__(self, shortage: Shortage | None = None) -> None:
        super().__init__(str(shortage or "another worker has the run"))
        self.shortage = shortage


@dataclass
class Lease:
    """One worker's claim to a run, and to devices for it.

    Args:
        pool: the database.
        claimant: who claims.
        run_id: what is claimed.
    """

    pool: Pool
    claimant: Claimant
    run_id: str
    devices: tuple[str, ...] = ()
    """Ids of the devices that it has."""
    holder: str = field(default_factory=new_id)
    shortage: Shortage | None = None
    """Of devices, when the last try failed for it."""

    async def take(self, candidates: Sequence[str], count: int) -> bool:
        """Claim the run and so many of the candidates; false while others have either.

        A run that needs several and finds too few has those that become free held for it from then on.
        """
        return await self._try(candidates, count, passes_holds=False)

    async def _try(self, candidates: Sequence[str], count: int, *, passes_holds: bool) -> bool:
        try:
            async with transaction(self.pool) as connection:
                self.devices = await self._take(connection, candidates, count, passes_holds)
        except NotEnoughError as error:
            self.shortage = error.shortage
            if error.shortage and count > 1:
                self.shortage = await self._wait(error.shortage, candidates)
            return False
        return True

    async def _wait(self, shortage: Shortage, candidates: Sequence[str]) -> Shortage:
        """Have what becomes free held; says until when."""
        claimant = self.claimant
        values = (self.run_id, claimant.host, list(candidates), shortage.needed, claimant.seconds)
        row = await self.pool.fetchrow(SQL.upsert_wait, *values, ASKED_SECONDS)
        until = ends(row["since"], claimant.hold_seconds) if row else None
        if row is None or until is None or row["host"] != claimant.host or until <= datetime.now(UTC):
            return shortage
        return replace(shortage, until=until)

    async def keep_wait(self) -> None:
        """The run waits still, though this worker cannot have it: what is held for it elsewhere stays so."""
        await self.pool.execute(SQL.keep_wait, self.run_id)

    async def _take(
        self, connection: Connection, candidates: Sequence[str], count: int, passes_holds: bool
    ) -> tuple[str, ...]:
        host = self.claimant.host
        await connection.execute(SQL.lock_host, host)
        await connection.execute(SQL.drop_stale_leases, self.claimant.seconds)
        claim = (self.run_id, host, self.claimant.worker_id, self.holder)
        if await connection.fetchval(SQL.take_run, *claim) is None:
            raise NotEnoughError
        taken = {row["device"] for row in await connection.fetch(SQL.list_taken, host)}
        held = {} if passes_holds else await self._held(connection, taken)
        open_to_it = [device for device in candidates if device not in held]
        rows = await connection.fetch(SQL.take_devices, host, open_to_it, self.run_id, count)
        if len(rows) < count:
            raise NotEnoughError(shortage_of(host, candidates, count, taken, held))
        await connection.execute(SQL.drop_wait, self.run_id)
        return tuple(row["device"] for row in rows)

    async def _held(self, connection: Connection, taken: set[str]) -> dict[str, str]:
        claimant = self.claimant
        rows = await connection.fetch(SQL.list_waits, claimant.host, ASKED_SECONDS, claimant.hold_seconds)
        return held_for(self.run_id, [Wait(**row) for row in rows], taken)

    async def renew(self) -> bool:
        """Send a heartbeat; false when the claim is lost for good."""
        if await self.pool.fetchval(SQL.renew_lease, self.holder) is not None:
            return True
        # It was void, but what it covered may be free still; its engine computes there, whoever waits.
        return await self._try(self.devices, len(self.devices), passes_holds=True)

    async def free_devices(self) -> None:
        """Give the devices back, and keep the run: what it learned is being stored."""
        await self.pool.execute(SQL.free_devices, self.holder)
        self.devices = ()

    async def release(self, connection: Connection | Pool | None = None) -> bool:
        """Give run and devices back, in a transaction if one is given; false when they were lost before."""
        released = await (connection or self.pool).fetchval(SQL.release_lease, self.holder)
        return released is not None


@asynccontextmanager
async def renewed(lease: Lease) -> AsyncIterator[asyncio.Event]:
    """Keep a lease alive, also while an engine is being stopped; the event is set when it is lost."""
    lost = asyncio.Event()

    async def renew_often() -> None:
        try:
            while True:
                await asyncio.sleep(lease.claimant.seconds / 4)
                try:
                    if not await lease.renew():
                        log.warning("lease_lost", run_id=lease.run_id)
                        return
                except AWAY as error:
                    log.warning("database_away", error=str(error))
        finally:
            lost.set()

    renewing = asyncio.create_task(renew_often())
    try:
        yield lost
    finally:
        renewing.cancel()
        await asyncio.wait({renewing})
