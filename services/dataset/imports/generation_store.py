"""What imports of generations add: the statements of `generation_imports.sql`, behind functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from services.dataset.examples.copying import copy_examples
from services.dataset.examples.examples import Example
from services.dataset.examples.gate import gate
from services.dataset.imports.rows import Stored
from services.runtime.db import Pool, transaction
from services.runtime.job_rows import hold_job
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "generation_imports.sql")
READ_AT_ONCE = 1000


class GenerationImportStore:
    """The examples that imports of generations have made."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def add(self, job_id: str, project_id: str, generation_id: str, examples: Sequence[Example]) -> int:
        """Add the examples whose items are none yet, after the gate; return how many.

        Raises:
            ItemClosed: the job was cancelled or deleted; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            await hold_job(connection, job_id)
            await connection.execute(SQL.lock_generation, generation_id)
            items = [example.lineage.item_id for example in examples]
            there = {row["item_id"] for row in await connection.fetch(SQL.imported_items, items)}
            new = [example for example in examples if example.lineage.item_id not in there]
            keys = [example.key for example in new]
            rows = await connection.fetch(SQL.first_examples, project_id, keys, generation_id)
            firsts = {row["key"]: row["id"] for row in rows}
            await copy_examples(connection, gate(new, firsts))
        return len(new)

    async def made(self, import_id: str) -> dict[str, Any]:
        """How many examples of an import are `kept`, `duplicates`, and `rejected` for another reason."""
        row = await self.pool.fetchrow(SQL.count_made, import_id)
        return dict(row or {})

    async def stored(self, import_id: str) -> AsyncIterator[list[Stored]]:
        """The examples of an import, some at a time."""
        async with transaction(self.pool) as connection:
            cursor = await connection.cursor(SQL.read_made, import_id)
            while rows := await cursor.fetch(READ_AT_ONCE):
                yield [
                    Stored(row["kind"], row["content"].encode(), row["characters"], row["language"])
                    for row in rows
                ]
