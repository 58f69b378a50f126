"""The verdict on the loss curves of a run, kept fresh while its steps come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from services.runtime.db import Pool
from services.runtime.sql import Statements
from services.trainer.tracking.verdict import LossPoint, LossVerdict, verdict_of

SQL = Statements(Path(__file__).parents[1] / "sql" / "verdicts.sql")

PAUSE_SECONDS = 5.0
LEAST_SHARE = 50.0
"""A verdict that takes longer than usual is given more seldom: it may take a fiftieth of the time."""


class Verdicts:
    """Judges the stored steps of a run, and stores what comes out.

    Args:
        pool: of the room's database.
        clock: seconds.
    """

    def __init__(self, pool: Pool, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._run_id = run_id
        self._clock = clock
        self._due = 0.0

    async def refresh_when_due(self) -> None:
        """Judge the run when that was some seconds ago, as steps may come fast."""
        began = self._clock()
        if began < self._due:
            return
        await self.refresh()
        now = self._clock()
        self._due = now + max(PAUSE_SECONDS, LEAST_SHARE * (now - began))

    async def refresh(self) -> None:
        """Judge the run now."""
        rows = await self._pool.fetch(SQL.list_losses, self._run_id)
        if rows:
            points = [LossPoint(**row) for row in rows]
            found = await asyncio.to_thread(verdict_of, points)
            await self._pool.execute(SQL.set_verdict, self._run_id, asdict(found))


def verdict_of_json(stored: dict[str, object] | None) -> LossVerdict | None:
    """A verdict that was stored; nothing before the first."""
    return None if stored is None else LossVerdict(**stored)  # type: ignore[arg-type]  # as asdict wrote it
