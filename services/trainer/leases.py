"""Device leases: one engine on a device of a host at a time, and one engine for a run anywhere.

A row with a heartbeat, not an advisory lock: a lock lives on a connection and is lost with it, so a restart
of Postgres would free every device while its engine computes. A row outlives the restart, can be looked at,
and its second unique key keeps a run from being trained on two hosts.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from services.runtime.db import Connection, Pool, transaction
from services.runtime.ids import new_id
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "trainer.sql")


@dataclass(frozen=True)
class Device:
    """A device of a host, as this process names it."""

    host: str
    name: str


def this_device(name: str) -> Device:
    """A device of this machine."""
    return Device(socket.gethostname(), name)


class Lease:
    """One worker's claim to a device for a run.

    Args:
        pool: the database.
        device: what is claimed.
        run_id: what it is claimed for.
        seconds: silence after which the claim is void.
    """

    def __init__(self, pool: Pool, device: Device, run_id: str, seconds: float) -> None:
        self._pool = pool
        self._device = device
        self._run_id = run_id
        self._seconds = seconds
        self._holder = new_id()

    async def take(self) -> bool:
        """Claim the device; false while another run has it, or another worker has the run."""
        async with transaction(self._pool) as connection:
            await connection.execute(SQL.drop_stale_leases, self._seconds)
            taken = await connection.fetchval(
                SQL.take_lease, self._device.host, self._device.name, self._run_id, self._holder
            )
        return taken is not None

    async def renew(self) -> bool:
        """Send a heartbeat; false when the claim is lost for good."""
        if await self._pool.fetchval(SQL.renew_lease, self._holder) is not None:
            return True
        return await self.take()

    async def release(self, connection: Connection | Pool | None = None) -> bool:
        """Give the device back, in a transaction if one is given; false when it was lost before."""
        released = await (connection or self._pool).fetchval(SQL.release_lease, self._holder)
        return released is not None
