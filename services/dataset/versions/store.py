"""Dataset versions: the statements of `versions.sql`, behind functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from services.dataset.embedding import EmbeddingCost
from services.dataset.versions.options import DatasetOptions, options_json, options_of
from services.dataset.versions.planning import Made, no_examples
from services.dataset.versions.versions import DatasetVersion, Replayed, VersionFile, version_not_found
from services.runtime.db import (
    CONNECT_SECONDS,
    Connection,
    Pool,
    claim_request,
    fetch_planned,
    forget_requests,
    transaction,
)
from services.runtime.ids import new_id
from services.runtime.job_rows import delete_jobs
from services.runtime.jobs import Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "versions.sql")

Taker = Callable[[bytes], Coroutine[Any, Any, None]]
"""Takes rows as they come."""
READ_SECONDS = 3600.0
"""Within which Postgres gives the examples of a version."""


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
                if not await connection.fetchval(SQL.any_kept_example, project_id, *options.filter.values):
                    raise no_examples()
                await self._insert(connection, version_id, project_id, options)
        return version_id

    async def get(self, version_id: str) -> DatasetVersion:
        """One version.

        Raises:
            NotFound: there is none.
        """
        rows = await self.pool.fetch(SQL.list_versions, version_id, None, None, 1, 0, "")
        if not rows:
            raise version_not_found(version_id)
        return version_of(rows[0])

    async def list_page(
        self, page: PageRequest, project_id: str, number: int = 0, tag: str = ""
    ) -> Page[DatasetVersion]:
        """Versions of a project, newest first; only the one with a number or tag where that is given."""
        after = page.after[0] if page.after else None
        values = (None, project_id, after, page.limit, number, tag)
        rows = await self.pool.fetch(SQL.list_versions, *values)
        return page_of(
            [version_of(row) for row in rows],
            page,
            lambda version: (version.id,),
            size_of,
        )

    async def content_of(self, version_id: str) -> str:
        """Content hash of a version; empty when it has none, or is gone."""
        return (await self.pool.fetchval(SQL.content_of, version_id)) or "" if version_id else ""

    async def count(self, version: DatasetVersion) -> int:
        """How many kept examples a version would be made of now."""
        wanted = version.options.filter
        found = await fetch_planned(self.pool, SQL.count_kept, version.project_id, *wanted.values)
        return int(found[0]["count"])

    async def copy_rows(self, version: DatasetVersion, take: Taker) -> None:
        """Give the kept examples, as they are at one instant, by id: whole rows of COPY BINARY."""
        async with self.pool.acquire(timeout=CONNECT_SECONDS) as connection:
            await connection.copy_from_query(
                SQL.kept_rows,
                version.project_id,
                *version.options.filter.values,
                output=take,
                format="binary",
                timeout=READ_SECONDS,
            )

    async def set_made(
        self,
        connection: Connection,
        version_id: str,
        made: Made,
        content_sha256: str,
        files: Sequence[VersionFile],
    ) -> None:
        """Make a version complete: counts and files."""
        await connection.execute(
            SQL.set_made,
            version_id,
            made.plan.split_counts,
            dict(made.plan.dropped),
            content_sha256,
            [asdict(file) for file in files],
            {
                "coverage": made.coverage,
                "sources": made.sources,
                "leaks": {source.benchmark_id or source.name: source.leaks for source in made.leaks},
                "replayed": asdict(made.replayed) if made.replayed else None,
                "spent": asdict(made.spent) if made.spent else None,
            },
        )

    async def delete(self, version_id: str, *job_ids: str) -> None:
        """Delete a version and its jobs; missing ones are no error."""
        async with transaction(self.pool) as connection:
            await delete_jobs(connection, *job_ids)
            await connection.execute(SQL.delete_diffs, version_id)
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
        await connection.execute(
            SQL.insert_version, version_id, project_id, number, options_json(options), job.id
        )


def size_of(version: DatasetVersion) -> int:
    """About how many bytes it takes in an answer."""
    return len(json.dumps(options_json(version.options), ensure_ascii=False).encode())


def version_of(row: asyncpg.Record) -> DatasetVersion:
    """A row of `list_versions`."""
    return DatasetVersion(
        id=row["id"],
        project_id=row["project_id"],
        number=row["number"],
        parent_id=row["parent_id"] or "",
        options=options_of(row["options"]),
        job=job_of(row["job"]),
        split_counts=row["split_counts"],
        dropped_counts=row["dropped_counts"],
        content_sha256=row["content_sha256"],
        files=[VersionFile(**file) for file in row["files"]],
        create_time=row["create_time"],
        coverage=row["figures"].get("coverage", {}),
        source_counts=row["figures"].get("sources", {}),
        tags=row["tags"],
        leak_counts=row["figures"].get("leaks", {}),
        replayed=Replayed(**replayed) if (replayed := row["figures"].get("replayed")) else None,
        spent=EmbeddingCost(**spent) if (spent := row["figures"].get("spent")) else None,
    )
