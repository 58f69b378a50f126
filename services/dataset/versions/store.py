"""Dataset versions: the statements of `versions.sql`, behind functions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import asyncpg

from services.dataset.exam_split import Split
from services.dataset.examples.examples import Example
from services.dataset.examples.filters import ExampleFilter
from services.dataset.examples.store import example_of
from services.dataset.versions.manifest import dropped_counts, split_counts
from services.dataset.versions.versions import (
    DatasetOptions,
    DatasetVersion,
    VersionFile,
    no_examples,
    version_not_found,
)
from services.runtime.db import CONNECT_SECONDS, Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "versions.sql")

ROWS = 1000
"""Rows that come from Postgres at once."""


class VersionStore:
    """The tables `dataset_versions` and `version_numbers`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, project_id: str, options: DatasetOptions, request_id: str) -> str:
        """Start a version, after the newest of the project; return its id. A request id gives its first one.

        Raises:
            FailedPrecondition: it would hold nothing.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            version_id = await claim_request(connection, "CreateDatasetVersion", request_id, new)
            if version_id == new:
                wanted = ExampleFilter(generation_ids=tuple(options.generation_ids))
                if not await connection.fetchval(SQL.any_kept_example, project_id, *wanted.values):
                    raise no_examples()
                await self._insert(connection, version_id, project_id, options)
        return version_id

    async def get(self, version_id: str) -> DatasetVersion:
        """One version.

        Raises:
            NotFound: there is none.
        """
        rows = await self.pool.fetch(SQL.list_versions, version_id, None, None, 1)
        if not rows:
            raise version_not_found(version_id)
        return version_of(rows[0])

    async def list_page(self, page: PageRequest, project_id: str) -> Page[DatasetVersion]:
        """Versions of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_versions, None, project_id, after, page.limit)
        return page_of(
            [version_of(row) for row in rows],
            page,
            lambda version: (version.id,),
            size_bytes=lambda version: len(json.dumps(asdict(version.options), ensure_ascii=False).encode()),
        )

    async def content_of(self, version_id: str) -> str:
        """Content hash of a version; empty when it has none, or is gone."""
        return (await self.pool.fetchval(SQL.content_of, version_id)) or "" if version_id else ""

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Read examples as they are at one instant."""
        async with (
            self.pool.acquire(timeout=CONNECT_SECONDS) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Snapshot(connection)

    async def set_made(
        self,
        connection: Connection,
        version_id: str,
        split: Split,
        content_sha256: str,
        files: Sequence[VersionFile],
    ) -> None:
        """Make a version complete: counts and files."""
        await connection.execute(
            SQL.set_made,
            version_id,
            split_counts(split),
            dropped_counts(split),
            content_sha256,
            [asdict(file) for file in files],
        )

    async def delete(self, version_id: str, job_id: str) -> None:
        """Delete a version and its job; missing ones are no error."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.delete_job, job_id)
            await connection.execute(SQL.delete_version, version_id)
            await forget_requests(connection, version_id)

    async def _insert(
        self, connection: Connection, version_id: str, project_id: str, options: DatasetOptions
    ) -> None:
        job = await self.jobs.create(
            connection,
            "make_dataset_version",
            [NewItem("make_dataset_version", version_id, version_id)],
            project_id=project_id,
            resource_id=version_id,
        )
        number = await connection.fetchval(SQL.next_number, project_id)
        await connection.execute(SQL.insert_version, version_id, project_id, number, asdict(options), job.id)


class Snapshot:
    """The examples at one instant."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def kept_examples(self, version: DatasetVersion) -> AsyncIterator[list[Example]]:
        """The kept examples that a version is made of, by id, some at a time."""
        wanted = ExampleFilter(generation_ids=tuple(version.options.generation_ids))
        cursor = await self._connection.cursor(SQL.kept_examples, version.project_id, *wanted.values)
        while rows := await cursor.fetch(ROWS):
            yield [example_of(row) for row in rows]


def version_of(row: asyncpg.Record) -> DatasetVersion:
    """A row of `list_versions`."""
    return DatasetVersion(
        id=row["id"],
        project_id=row["project_id"],
        number=row["number"],
        parent_id=row["parent_id"] or "",
        options=DatasetOptions(**row["options"]),
        job=job_of(row["job"]),
        split_counts=row["split_counts"],
        dropped_counts=row["dropped_counts"],
        content_sha256=row["content_sha256"],
        files=[VersionFile(**file) for file in row["files"]],
        create_time=row["create_time"],
    )
