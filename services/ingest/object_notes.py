"""Notes of objects that no row names yet, in the database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from services.runtime.db import Connection, Pool
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "objects.sql")


class ObjectNotes:
    """Where objects are stored that no row names yet."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def add(self, prefix: str) -> None:
        """Note that objects will be stored under a prefix."""
        await self.pool.execute(SQL.note_fresh, prefix)

    async def take(self, connection: Connection, prefix: str) -> bool:
        """Delete a note, in the transaction that names the objects; whether they were not swept before."""
        return await connection.fetchval(SQL.take_fresh, prefix) is not None

    async def forget(self, prefix: str) -> None:
        """Delete a note of objects that are gone."""
        await self.pool.execute(SQL.forget_fresh, prefix)

    async def sweep(self, seconds: float, limit: int) -> list[str]:
        """Prefixes that were noted longer ago than this; nobody can take what is under them any more."""
        rows = await self.pool.fetch(SQL.sweep_fresh, timedelta(seconds=seconds), limit)
        return [row["prefix"] for row in rows]
