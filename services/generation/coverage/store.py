"""What coverage is told from: the statements of `coverage.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.generation.coverage.coverage import Choice, Round
from services.runtime.db import Connection, Pool, fetch_planned
from services.runtime.jobs import Item
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "coverage.sql")
COUNTS = ("facts", "answered_facts", "questions", "answered", "rejected", "answered_about_facts")


class CoverageStore:
    """The table `planned_facts`, and what questions there are about chunks."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def counts(
        self, project_id: str, generation_id: str | None, chunk_ids: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """What of `ChunkCoverage` is counted, by the ids of chunks that have questions."""
        rows = await fetch_planned(self.pool, SQL.count_questions, project_id, chunk_ids, generation_id)
        found: dict[str, dict[str, Any]] = {
            row["chunk_id"]: {**{name: row[name] for name in COUNTS}, "answered_by_type": {}}
            for row in rows
            if row["type"] is None
        }
        for row in rows:
            if row["type"] and row["answered"]:
                found[row["chunk_id"]]["answered_by_type"][row["type"]] = row["answered"]
        return found

    async def asked(self, project_id: str, chunk_ids: Sequence[str]) -> dict[str, dict[str, bool]]:
        """By chunk the facts with questions, by their words, and whether one of these is answered."""
        found: dict[str, dict[str, bool]] = {}
        for row in await fetch_planned(self.pool, SQL.asked_facts, project_id, chunk_ids):
            found.setdefault(row["chunk_id"], {})[row["text"]] = row["answered"]
        return found

    async def planned(self, generation_id: str, chunk_ids: Sequence[str]) -> dict[str, list[int]]:
        """By chunk where the facts begin about which a generation has asked."""
        found: dict[str, list[int]] = {}
        for row in await self.pool.fetch(SQL.planned_facts, generation_id, chunk_ids):
            found.setdefault(row["chunk_id"], []).append(row["start"])
        return found

    async def add_planned(
        self,
        connection: Connection,
        generation_id: str,
        chosen: Sequence[Choice],
    ) -> None:
        """Note about which facts a generation asks."""
        pairs = [(one.chunk.id, fact.start) for one in chosen for fact in one.facts]
        if pairs:
            ids, starts = zip(*pairs, strict=True)
            await connection.execute(SQL.insert_planned_facts, generation_id, list(ids), list(starts))

    async def set_sections(self, connection: Connection, generation_id: str, seen: Round) -> None:
        """Note what a look at all sections has found."""
        await connection.execute(SQL.set_sections, generation_id, seen.sections, seen.lacking)

    async def is_working(self, item: Item) -> bool:
        """Whether the job of an item has others that are open."""
        return bool(await self.pool.fetchval(SQL.has_open_items, item.job_id, item.id))
