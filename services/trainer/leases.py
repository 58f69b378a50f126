"""Leases: one engine on a device of a host at a time, and one engine for a run anywhere.

Rows with a heartbeat, not advisory locks: a lock lives on a connection and is lost with it, so a restart of
Postgres would free every device while its engine computes. A row outlives the restart, and can be looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from services.runtime.db import Connection, Pool, transaction
from services.runtime.ids import new_id
from services.runtime.sql import Statements
from services.trainer.guarding import AWAY

SQL = Statements(Path(__file__).parent / "sql" / "leases.sql")

log = structlog.get_logger()


@dataclass(frozen=True)
class Claimant:
    """Who leases: a worker on a host.

    Args:
        worker_id: the worker.
        host: its machine.
        seconds: silence after which its leases are void.
    """

    worker_id: str
    host: str
    seconds: float


class NotEnoughError(Exception):
    """Fewer devices are free than are wanted; nothing is taken."""


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

    async def take(self, candidates: Sequence[str], count: int) -> bool:
        """Claim the run and so many of the candidates; false while others have either."""
        try:
            async with transaction(self.pool) as connection:
                self.devices = await self._take(connection, candidates, count)
        except NotEnoughError:
            return False
        return True

    async def _take(self, connection: Connection, candidates: Sequence[str], count: int) -> tuple[str, ...]:
        host = self.claimant.host
        await connection.execute(SQL.lock_host, host)
        await connection.execute(SQL.drop_stale_leases, self.claimant.seconds)
        claim = (self.run_id, host, self.claimant.worker_id, self.holder)
        if await connection.fetchval(SQL.take_run, *claim) is None:
            raise NotEnoughError
        rows = await connection.fetch(SQL.take_devices, host, list(candidates), self.run_id, count)
        if len(rows) < count:
            raise NotEnoughError
        return tuple(row["device"] for row in rows)

    async def renew(self) -> bool:
        """Send a heartbeat; false when the claim is lost for good."""
        if await self.pool.fetchval(SQL.renew_lease, self.holder) is not None:
            return True
        # It was void, but what it covered may be free still.
        return await self.take(self.devices, len(self.devices))

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
