"""Since when the chunks of examples are gone: statements of `dataset.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from services.dataset.examples import REPLACED
from services.runtime.db import Pool, had_again
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "dataset.sql")


class SourceMarkStore:
    """The marks in the table `examples`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def reject_replaced(self, project_id: str, question_ids: Sequence[str]) -> None:
        """Reject the kept examples of questions that others took the place of, but those changed by hand."""
        if question_ids:
            await self.pool.execute(SQL.reject_replaced, project_id, question_ids, REPLACED.as_json())

    async def take_over(self, project_id: str, gone: Mapping[str, datetime | None]) -> tuple[int, int]:
        """Mark the examples of questions as these are; say how many are newly marked, and are no longer.

        Args:
            project_id: the project.
            gone: since when a chunk of each question is gone, by its id; nothing while all are there.
        """
        values = (project_id, list(gone), list(gone.values()))
        row = await had_again(lambda: self.pool.fetchrow(SQL.set_gone, *values))
        return (row["marked"], row["unmarked"]) if row else (0, 0)

    async def marked(
        self, project_id: str, after: str, last: str | None, without: Sequence[str], limit: int
    ) -> list[str]:
        """The next questions of marked examples.

        Args:
            project_id: the project.
            after: only those after this one.
            last: only those up to this one; nothing for all.
            without: but for these.
            limit: at most so many.
        """
        rows = await self.pool.fetch(SQL.marked_questions, project_id, after, last, without, limit)
        return [row["question_id"] for row in rows]
