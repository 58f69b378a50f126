"""Imports: the statements of `imports.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.dataset.examples.copying import copy_examples
from services.dataset.examples.examples import Example
from services.dataset.examples.gate import gate
from services.runtime.db import Pool, claim_request, transaction
from services.runtime.ids import new_id
from services.runtime.jobs import ItemClosed, Jobs, NewItem
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "imports.sql")


class ImportStore:
    """What imports add to the examples."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, project_id: str, generation_id: str, request_id: str) -> str:
        """Start an import of a generation; return its job. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            new = new_id()
            job_id = await claim_request(connection, "ImportExamples", request_id, new)
            if job_id == new:
                await self.jobs.create(
                    connection,
                    "import_examples",
                    [NewItem("import_examples", generation_id, generation_id)],
                    project_id=project_id,
                    resource_id=generation_id,
                    job_id=job_id,
                )
        return job_id

    async def add(self, job_id: str, project_id: str, generation_id: str, examples: Sequence[Example]) -> int:
        """Add the examples whose questions have none yet, after the gate; return how many.

        Raises:
            ItemClosed: the job was cancelled or deleted; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            if not await connection.fetchval(SQL.hold_job, job_id):
                raise ItemClosed
            await connection.execute(SQL.lock_generation, generation_id)
            items = [example.lineage.item_id for example in examples]
            there = {row["item_id"] for row in await connection.fetch(SQL.imported_items, items)}
            new = [example for example in examples if example.lineage.item_id not in there]
            keys = [example.key for example in new]
            rows = await connection.fetch(SQL.first_examples, project_id, keys, generation_id)
            firsts = {row["key"]: row["id"] for row in rows}
            await copy_examples(connection, gate(new, firsts))
        return len(new)
