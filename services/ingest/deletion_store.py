"""Every SQL statement that deletes documents and projects, behind functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from services.ingest.documents import Deletion
from services.ingest.store import SQL
from services.ingest.store_errors import document_not_found, project_not_found
from services.runtime.db import Connection, Pool, forget_requests, transaction
from services.runtime.jobs import Jobs


class DeletionStore:
    """Deletions of documents and projects."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def begin_project(self, project_id: str) -> None:
        """Hide a project from all but its deletion; what adds to it now has ended before, or finds it gone.

        Raises:
            NotFound: there is no such project.
        """
        async with transaction(self.pool) as connection:
            if await connection.fetchval(SQL.begin_deletion, project_id) is None:
                raise project_not_found(project_id)
            await forget_requests(connection, project_id)

    async def delete_project_data(self, project_id: str) -> dict[str, int]:
        """Delete all that a project holds, its jobs included; return the deleted rows by table."""
        async with transaction(self.pool) as connection:
            made = await connection.fetch(SQL.requested_in_project, project_id)
            # Jobs first: items that are being stored lock theirs before anything else.
            await self.jobs.delete_project(connection, project_id)
            counts = await connection.fetchrow(SQL.count_project_rows, project_id)
            await connection.execute(SQL.delete_project_uploads, project_id)
            await connection.execute(SQL.delete_project_documents, project_id)
            await forget_requests(connection, *(row["id"] for row in made))
        return dict(counts or {})

    async def delete_project(self, project_id: str) -> None:
        """Delete the project itself."""
        await self.pool.execute(SQL.delete_project, project_id)

    async def begin_document(self, document_id: str) -> Deletion:
        """Delete the rows of a document and of all that it holds, and note the objects that are to go.

        Returns what is noted; also where an earlier call noted it and did not come to the end.

        Raises:
            NotFound: there is no such document, and no such deletion.
        """
        async with transaction(self.pool) as connection:
            await self._begin(connection, document_id)
            row = await connection.fetchrow(SQL.get_deletion, document_id)
        if row is None:
            raise document_not_found(document_id)
        return Deletion(**row)

    async def begin_members(self, connection: Connection, holder_id: str, kept: Sequence[str]) -> int:
        """Delete what a document held and holds no more, as `begin_document` does; return how many.

        The objects are left to the sweep.

        Args:
            connection: in a transaction.
            holder_id: the document.
            kept: ids of the documents that it holds.
        """
        rows = await connection.fetch(SQL.members_but, holder_id, kept)
        for row in rows:
            await self._begin(connection, row["id"])
        return len(rows)

    async def unfinished(self, seconds: float, after: str | None, limit: int) -> list[Deletion]:
        """Deletions, by id behind `after`, that began longer ago than this and did not come to the end."""
        rows = await self.pool.fetch(SQL.old_deletions, timedelta(seconds=seconds), after, limit)
        return [Deletion(**row) for row in rows]

    async def end(self, document_id: str) -> None:
        """Note that the objects are gone."""
        await self.pool.execute(SQL.end_deletion, document_id)

    async def _begin(self, connection: Connection, document_id: str) -> None:
        """Delete the rows of a document and of all that it holds, if it is there; note the objects."""
        rows = await connection.fetch(SQL.documents_under, document_id)
        if rows:
            ids = [row["id"] for row in rows]
            chunks, file_keys = await self._delete_documents(connection, ids)
            noted = (document_id, rows[0]["project_id"], ids, file_keys, chunks)
            await connection.execute(SQL.insert_deletion, *noted)

    async def _delete_documents(
        self, connection: Connection, document_ids: Sequence[str]
    ) -> tuple[int, list[str]]:
        """Delete documents with their chunks; return how many chunks, and the keys of the files."""
        files = await connection.fetch(SQL.file_keys, document_ids)
        status = await connection.execute(SQL.delete_chunks, document_ids)
        uploads = [row["id"] for row in await connection.fetch(SQL.uploads_of_document, document_ids)]
        await connection.execute(SQL.delete_uploads, uploads)
        await forget_requests(connection, *uploads)
        await connection.execute(SQL.delete_documents, document_ids)
        return int(status.split()[-1]), [row["file_key"] for row in files]
