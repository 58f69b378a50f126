"""Imports: the statements of `imports.sql`, behind functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from services.dataset.examples.copying import CONTENT_COLUMNS, EXAMPLE_COLUMNS, copy_lines, line, once
from services.dataset.imports.imports import (
    GenerationSource,
    Import,
    ImportCounts,
    ImportOptions,
    ImportUpload,
)
from services.dataset.imports.rows import Fault
from services.runtime.db import Connection, Pool, claim_request, transaction
from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "imports.sql")

OF_FILE, OF_GENERATIONS = "import_file", "import_generations"
"""Kinds of jobs."""
FAULT_COLUMNS = ("import_id", "position", "file", "row", "field", "reason", "message")
DUPLICATES_SECONDS = 3600.0


class ImportStore:
    """The tables `imports`, `import_uploads` and `import_faults`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create_upload(self, upload: ImportUpload, request_id: str) -> str:
        """Announce a file; return its id. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            upload_id = await claim_request(connection, "CreateImportUpload", request_id, upload.id)
            if upload_id == upload.id:
                values = (upload.id, upload.project_id, upload.name, upload.size_bytes, upload.sha256)
                await connection.execute(SQL.insert_upload, *values)
        return upload_id

    async def get_upload(self, upload_id: str) -> ImportUpload:
        """One upload.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_upload, upload_id)
        if row is None:
            raise NotFound(
                "UPLOAD_NOT_FOUND", f"there is no upload {upload_id}; create one", upload_id=upload_id
            )
        return ImportUpload(**row)

    async def old_uploads(self, seconds: float, limit: int) -> list[ImportUpload]:
        """The oldest uploads of an age whose bytes may be there still, and that no import needs."""
        rows = await self.pool.fetch(SQL.old_uploads, seconds, limit)
        return [ImportUpload(**row) for row in rows]

    async def forget_uploads(self, upload_ids: Sequence[str]) -> None:
        """Forget uploads whose bytes were deleted; what an import tells of stays."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.delete_uploads, upload_ids)
            await connection.execute(SQL.note_swept, upload_ids)

    async def create(
        self,
        project_id: str,
        source: ImportUpload | GenerationSource,
        options: ImportOptions,
        request_id: str,
    ) -> str:
        """Start an import; return its id. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            new = new_id()
            import_id = await claim_request(connection, "CreateImport", request_id, new)
            if import_id == new:
                kind = OF_FILE if isinstance(source, ImportUpload) else OF_GENERATIONS
                items = [NewItem(kind, import_id, import_id)]
                job = await self.jobs.create(
                    connection, kind, items, project_id=project_id, resource_id=import_id
                )
                named = (source.id, None) if isinstance(source, ImportUpload) else (None, asdict(source))
                values = (import_id, project_id, *named, asdict(options), job.id)
                await connection.execute(SQL.insert_import, *values)
        return import_id

    async def get(self, import_id: str) -> Import:
        """One import.

        Raises:
            NotFound: there is none.
        """
        rows = await self.pool.fetch(SQL.list_imports, import_id, None, None, 1)
        if not rows:
            raise NotFound("IMPORT_NOT_FOUND", f"there is no import {import_id}", import_id=import_id)
        return import_of(rows[0])

    async def list_page(self, page: PageRequest, project_id: str) -> Page[Import]:
        """Imports of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_imports, None, project_id, after, page.limit)
        return page_of(
            [import_of(row) for row in rows],
            page,
            lambda one: (one.id,),
            size_bytes=lambda one: len(
                json.dumps([asdict(one.options), one.profile, one.generations], default=vars).encode()
            ),
        )

    async def list_faults(self, page: PageRequest, import_id: str) -> Page[tuple[int, Fault]]:
        """Bad rows of an import, each with its place among them."""
        after = int(page.after[0]) if page.after else -1
        rows = await self.pool.fetch(SQL.list_faults, import_id, after, page.limit)
        found = [
            (row["position"], Fault(row["file"], row["row"], row["field"], row["reason"], row["message"]))
            for row in rows
        ]
        return page_of(
            found,
            page,
            lambda one: (str(one[0]),),
            size_bytes=lambda one: sum(len(str(value).encode()) for value in one[1]),
        )

    async def begin(self, connection: Connection, project_id: str) -> None:
        """Wait for other imports into the project."""
        await connection.execute(SQL.lock_project, project_id, timeout=DUPLICATES_SECONDS)

    async def copy(self, connection: Connection, examples: bytes, contents: bytes) -> None:
        """Add rows, as `CopyRows` makes them, to both tables."""
        for table, rows, columns in (
            ("examples", examples, EXAMPLE_COLUMNS),
            ("example_contents", contents, CONTENT_COLUMNS),
        ):
            await connection.copy_to_table(table, source=once(rows), columns=columns, format="binary")

    async def reject_duplicates(self, connection: Connection, project_id: str, import_id: str) -> int:
        """Reject what is there already; return how many are."""
        await connection.execute(SQL.sort_in_memory)
        done = await connection.execute(
            SQL.reject_duplicates, project_id, import_id, timeout=DUPLICATES_SECONDS
        )
        return int(done.split()[-1])

    async def set_counts(
        self,
        connection: Connection,
        import_id: str,
        counts: ImportCounts,
        profile: Mapping[str, Any] | None,
        faults: Sequence[Fault],
    ) -> None:
        """Store what became of the rows, over what an earlier try had."""
        await connection.execute(SQL.delete_faults, import_id)
        await connection.execute(SQL.set_counts, import_id, asdict(counts), profile)
        lines = [
            line(import_id, str(place), fault.file, str(fault.row), fault.field, fault.reason, fault.message)
            for place, fault in enumerate(faults)
        ]
        await copy_lines(connection, "import_faults", FAULT_COLUMNS, lines)


def import_of(row: asyncpg.Record) -> Import:
    """A row of `list_imports`."""
    counts, generations = row["counts"], row["generations"]
    named = ("upload_id", "project_id", "name", "size_bytes", "sha256")
    return Import(
        id=row["id"],
        project_id=row["project_id"],
        upload=ImportUpload(*(row[name] for name in named)) if row["upload_id"] else None,
        generations=GenerationSource(**generations) if generations else None,
        options=ImportOptions(**row["options"]),
        job=job_of(row["job"]),
        counts=ImportCounts(**counts) if counts else None,
        profile=row["profile"],
        create_time=row["create_time"],
    )
