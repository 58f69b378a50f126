"""Exports: the statements of `exports.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import asyncpg

from services.dataset.exports.exports import (
    Export,
    ExportFile,
    export_not_found,
    options_of,
    options_sha256,
    stored_options,
)
from services.dataset.exports.options import ExportOptions
from services.dataset.versions.versions import DatasetVersion, version_not_found
from services.runtime.db import Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.job_rows import delete_jobs, hold_job
from services.runtime.jobs import Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "exports.sql")
KIND = "make_export"


class ExportStore:
    """The tables `exports` and `export_files`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, version: DatasetVersion, options: ExportOptions, request_id: str = "") -> str:
        """Start an export of a version that is ready; return its id, for equal options that of the first.

        One that failed is resumed; one that was cancelled is made anew. A request id gives its first one.
        """
        digest = options_sha256(options)
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.lock_options, version.id, digest)
            found: str | None = await connection.fetchval(SQL.same_export, version.id, digest)
            wanted = found or new_id()
            export_id = await claim_request(connection, "CreateExport", request_id, wanted)
            if export_id == wanted and not found:
                await self._insert(connection, export_id, version, options, digest)
        if export_id != found:
            return export_id
        return await self._resumed(version, options, await self.get(export_id))

    async def get(self, export_id: str) -> Export:
        """One export.

        Raises:
            NotFound: there is none.
        """
        rows = await self.pool.fetch(SQL.list_exports, export_id, None, None, None, 1)
        if not rows:
            raise export_not_found(export_id)
        return export_of(rows[0])

    async def list_page(self, page: PageRequest, project_id: str, version_id: str) -> Page[Export]:
        """Exports of a project, or of one of its versions, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(
            SQL.list_exports, None, project_id, version_id or None, after, page.limit
        )
        return page_of(
            [export_of(row) for row in rows], page, lambda export: (export.id,), size_bytes=size_of
        )

    async def add_files(self, export_id: str, job_id: str, files: Sequence[ExportFile]) -> bool:
        """Note that files are complete; whether nobody else has noted the first one before.

        Raises:
            ItemClosed: the job was cancelled or deleted; nothing is noted.
        """
        async with transaction(self.pool) as connection:
            await hold_job(connection, job_id)
            for at, file in enumerate(files):
                new = await connection.fetchval(SQL.insert_file, export_id, *asdict(file).values())
                if at == 0 and not new:
                    return False
        return True

    async def set_made(self, connection: Connection, export_id: str) -> None:
        """Make an export complete."""
        await connection.execute(SQL.set_made, export_id)

    async def of_version(self, version_id: str) -> list[tuple[str, str]]:
        """Ids of the exports of a version, each with that of its job."""
        rows = await self.pool.fetch(SQL.exports_of_version, version_id)
        return [(row["id"], row["job_id"]) for row in rows]

    async def delete(self, export_id: str, job_id: str) -> None:
        """Delete an export and its job; missing ones are no error."""
        async with transaction(self.pool) as connection:
            await delete_jobs(connection, job_id)
            await connection.execute(SQL.delete_export, export_id)
            await forget_requests(connection, export_id)

    async def _resumed(self, version: DatasetVersion, options: ExportOptions, export: Export) -> str:
        if export.state == "failed":
            if export.job.state == "cancelled":
                await self.delete(export.id, export.job.id)
                return await self.create(version, options)
            await self.jobs.retry(export.job.id)
        return export.id

    async def _insert(
        self,
        connection: Connection,
        export_id: str,
        version: DatasetVersion,
        options: ExportOptions,
        digest: str,
    ) -> None:
        # The version may have been deleted since it was read.
        if not await connection.fetchval(SQL.hold_version, version.id):
            raise version_not_found(version.id)
        job = await self.jobs.create(
            connection,
            KIND,
            [NewItem(KIND, export_id, export_id)],
            project_id=version.project_id,
            resource_id=export_id,
        )
        stored = stored_options(options)
        await connection.execute(
            SQL.insert_export, export_id, version.project_id, version.id, stored, digest, job.id
        )


def export_of(row: asyncpg.Record) -> Export:
    """A row of `list_exports`."""
    return Export(
        id=row["id"],
        project_id=row["project_id"],
        dataset_version_id=row["dataset_version_id"],
        options=options_of(row["options"]),
        job=job_of(row["job"]),
        made=row["made"],
        files=[ExportFile(**file) for file in row["files"]],
        create_time=row["create_time"],
    )


def size_of(export: Export) -> int:
    """About how many bytes an export takes in an answer."""
    texts = [export.options.system_prompt, *(column.template for column in export.options.columns)]
    said = len(str(export.options.filter.said).encode())
    return sum(len(text.encode()) for text in texts) + said + 400 * len(export.files)
