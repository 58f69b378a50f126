"""What is written about chunks that are gone: the statements of `source_changes.sql`, behind functions."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.runtime.db import Pool, fetch_planned, had_again
from services.runtime.ids import id_at
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "source_changes.sql")

ROWS = 1000
"""Questions or candidates that one statement looks at."""
FORGOTTEN_ROWS = 5000
DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class Marks:
    """How many questions and candidates are newly marked, are marked no more, and were looked at."""

    marked: int = 0
    unmarked: int = 0
    looked_at: int = 0

    def __add__(self, other: Marks) -> Marks:
        return Marks(
            self.marked + other.marked, self.unmarked + other.unmarked, self.looked_at + other.looked_at
        )


@dataclass(frozen=True)
class Standing:
    """How a document stands.

    Args:
        document_id: UUID of the document.
        stamp: changes with its version, and whenever its chunks change; nothing where it is not parsed.
        chunks: how many it has.
    """

    document_id: str
    stamp: str | None = None
    chunks: int = 0


class SourceChangeStore:
    """The table `source_looks`, and the marks of questions and candidates."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def written(self, project_id: str, kind: str, chunk_ids: Sequence[str]) -> set[str]:
        """Of some chunks those about which a project has something.

        Args:
            project_id: the project.
            kind: `questions` for those that are not of templates, `templates`, or a kind of candidates.
            chunk_ids: the chunks.
        """
        if kind in {"questions", "templates"}:
            templates = kind == "templates"
            rows = await fetch_planned(self.pool, SQL.questioned_chunks, project_id, chunk_ids, templates)
        else:
            rows = await fetch_planned(self.pool, SQL.written_chunks, project_id, chunk_ids, kind)
        return {row["chunk_id"] for row in rows}

    async def has_older(self, project_id: str, than_id: str) -> bool:
        """Whether a project has questions or candidates that were made before something of this id."""
        return bool(await self.pool.fetchval(SQL.has_older, project_id, than_id))

    async def note_chunks(self, look_id: str, chunks: Sequence[tuple[str, str]]) -> None:
        """Note chunks that are there, with their documents."""
        if chunks:
            ids, documents = map(list, zip(*chunks, strict=True))
            await self.pool.execute(SQL.note_chunks, look_id, ids, documents)

    async def note_documents(self, look_id: str, documents: Sequence[Standing]) -> None:
        """Note how documents stand; of those without a stamp nothing is told."""
        ids, stamps = [one.document_id for one in documents], [one.stamp for one in documents]
        await self.pool.execute(SQL.note_documents, look_id, ids, stamps)

    async def changed(self, look_id: str, documents: Sequence[Standing]) -> list[str]:
        """Of documents as they stand now those that have changed since they were noted.

        So have those of which other chunks were noted than they have.
        """
        columns = [[getattr(one, name) for one in documents] for name in ("document_id", "stamp", "chunks")]
        return [row["id"] for row in await self.pool.fetch(SQL.changed_documents, look_id, *columns)]

    async def forget_document(self, look_id: str, document_id: str) -> None:
        """Forget what was noted of a document and its chunks."""
        await self.pool.execute(SQL.forget_document, look_id, document_id)

    async def mark(
        self, look_id: str, project_id: str, document_ids: Sequence[str], job_id: str | None
    ) -> AsyncIterator[Marks]:
        """Mark what is about chunks that a look has not found, page by page; what is about others no more.

        Args:
            look_id: the look.
            project_id: the project.
            document_ids: only what is about these documents alone; empty means all.
            job_id: the job that counts them, if one does.
        """
        for statement in (SQL.mark_questions, SQL.mark_candidates):
            after: str | None = None
            while True:
                values = (look_id, project_id, after, ROWS, document_ids, job_id)
                row = await had_again(lambda: self.pool.fetchrow(statement, *values))  # noqa: B023  # runs now
                if row is None or row["last_id"] is None:
                    break
                after = row["last_id"]
                yield Marks(row["marked"], row["unmarked"], row["looked_at"])

    async def forget(self, look_id: str) -> None:
        """Forget what a look has found, and what those have left that were killed more than a day ago."""
        values = (look_id, id_at(time.time() - DAY_SECONDS), FORGOTTEN_ROWS)
        while not (await self.pool.execute(SQL.forget_look, *values)).endswith(" 0"):
            pass
