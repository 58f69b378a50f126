"""Since when chunks of examples are gone, and the jobs that look: `source_marks.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from services.dataset.examples.edits import REPLACED
from services.runtime.db import Pool, claim_request, had_again, transaction
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs, NewItem
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "source_marks.sql")


class SourceMarkStore:
    """The marks in the table `examples`, and the table `source_markings`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, project_id: str, request_id: str) -> str:
        """Start a job that marks the examples of a project; return its id.

        A repeated request gives that of the first.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            job_id = await claim_request(connection, "MarkSources", request_id, new)
            if job_id == new:
                items = [NewItem("mark_sources", "0")]
                await self.jobs.create(connection, "mark_sources", items, project_id=project_id, job_id=new)
                await connection.execute(SQL.insert_marking, new)
        return job_id

    async def marked_by(self, job_id: str) -> tuple[int, int]:
        """How many examples a job has newly marked so far, and how many no longer; none where it is gone."""
        row = await self.pool.fetchrow(SQL.get_marking, job_id)
        return (row["marked"], row["unmarked"]) if row else (0, 0)

    async def reject_replaced(self, project_id: str, question_ids: Sequence[str]) -> None:
        """Reject the kept examples of items that others took the place of, but those changed by hand."""
        if question_ids:
            await self.pool.execute(
                SQL.reject_replaced, project_id, question_ids, REPLACED.as_json(), new_id()
            )

    async def take_over(
        self, project_id: str, gone: Mapping[str, datetime | None], job_id: str | None = None
    ) -> tuple[int, int]:
        """Mark the examples of items as these are; say how many are newly marked, and are no longer.

        Args:
            project_id: the project.
            gone: since when a chunk of each item is gone, by its id; nothing while all are there.
            job_id: the job that counts them, if one does.
        """
        values = (project_id, list(gone), list(gone.values()), job_id)
        row = await had_again(lambda: self.pool.fetchrow(SQL.set_gone, *values))
        return (row["marked"], row["unmarked"]) if row else (0, 0)

    async def marked(
        self,
        project_id: str,
        are_questions: bool,
        after: str,
        last: str | None,
        without: Sequence[str],
        limit: int,
    ) -> list[str]:
        """The next questions, or candidates, of marked examples.

        Args:
            project_id: the project.
            are_questions: which of the two.
            after: only those after this one.
            last: only those up to this one; nothing for all.
            without: but for these.
            limit: at most so many.
        """
        rows = await self.pool.fetch(SQL.marked_items, project_id, after, last, without, limit, are_questions)
        return [row["item_id"] for row in rows]
