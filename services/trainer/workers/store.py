"""The table of workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from services.runtime.db import Pool
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements
from services.trainer.workers.devices import Device

SQL = Statements(Path(__file__).parents[1] / "sql" / "workers.sql")

FORGOTTEN_SECONDS = 86_400.0
"""After so long a lost worker is shown no more."""


@dataclass(frozen=True)
class WorkerRow:
    """A worker as the database has it.

    Args:
        taken: ids of runs by the devices of its machine that they have.
    """

    id: str
    host: str
    process_id: int
    devices: Sequence[Device]
    memory_bytes: int
    code_version: str
    start_time: datetime
    heartbeat_time: datetime
    is_lost: bool
    is_busy: bool
    taken: Mapping[str, str]

    @property
    def state(self) -> str:
        """`idle`, `busy` or `lost`."""
        if self.is_lost:
            return "lost"
        return "busy" if self.is_busy else "idle"


@dataclass(frozen=True)
class NewWorker:
    """A worker that registers."""

    id: str
    host: str
    process_id: int
    devices: Sequence[Device]
    memory_bytes: int
    code_version: str


class Workers:
    """The table of workers.

    Args:
        pool: of the room's database.
        silence_seconds: silence after which a worker is lost.
    """

    def __init__(self, pool: Pool, silence_seconds: float) -> None:
        self._pool = pool
        self._silence = silence_seconds

    async def beat(self, worker: NewWorker) -> None:
        """Register a worker, or say that it lives."""
        devices = [asdict(device) for device in worker.devices]
        values = (worker.id, worker.host, worker.process_id, devices, worker.memory_bytes)
        await self._pool.execute(SQL.upsert_worker, *values, worker.code_version)

    async def leave(self, worker_id: str) -> None:
        """A worker ends in order."""
        await self._pool.execute(SQL.drop_worker, worker_id)

    async def forget_lost(self) -> None:
        """Delete what was lost long ago."""
        await self._pool.execute(SQL.drop_lost_workers, FORGOTTEN_SECONDS)

    async def most_devices(self) -> int:
        """Devices of the largest worker that is alive."""
        return int(await self._pool.fetchval(SQL.most_devices, self._silence))

    async def list(self, page: PageRequest) -> Page[WorkerRow]:
        """Workers, the oldest first."""
        after = page.after[0] if page.after else None
        rows = await self._pool.fetch(SQL.list_workers, after, self._silence, page.limit)
        workers = [
            WorkerRow(**{**row, "devices": [Device(**each) for each in row["devices"]]}) for row in rows
        ]
        return page_of(workers, page, lambda worker: (worker.id,))
