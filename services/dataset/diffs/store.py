"""Diffs: the statements of `diffs.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from services.dataset.diffs.diffs import ChangesFile, DatasetDiff
from services.dataset.versions.versions import DatasetVersion, version_not_found
from services.runtime.db import Connection, Pool, claim_request, transaction
from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs, NewItem, job_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "diffs.sql")
KIND = "make_dataset_diff"


class DiffStore:
    """The table `dataset_diffs`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, base: DatasetVersion, version: DatasetVersion, request_id: str) -> str:
        """Start a diff; return its id. A request id gives its first one.

        Raises:
            NotFound: a version was deleted since it was read.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            diff_id = await claim_request(connection, "DiffDatasetVersions", request_id, new)
            if diff_id == new:
                await self._insert(connection, diff_id, base, version)
        return diff_id

    async def get(self, diff_id: str) -> DatasetDiff:
        """One diff.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_diff, diff_id)
        if row is None:
            raise NotFound(
                "DATASET_DIFF_NOT_FOUND", f"there is no dataset diff {diff_id}", dataset_diff_id=diff_id
            )
        return DatasetDiff(
            id=row["id"],
            project_id=row["project_id"],
            base_id=row["base_id"],
            version_id=row["version_id"],
            job=job_of(row["job"]),
            counts=row["counts"],
            file=ChangesFile(**row["file"]) if row["file"] else None,
            create_time=row["create_time"],
        )

    async def set_made(
        self, connection: Connection, diff_id: str, counts: Mapping[str, int], file: ChangesFile
    ) -> None:
        """Make a diff complete."""
        await connection.execute(SQL.set_made, diff_id, dict(counts), asdict(file))

    async def _insert(
        self, connection: Connection, diff_id: str, base: DatasetVersion, version: DatasetVersion
    ) -> None:
        wanted = [base.id, version.id]
        there = {row["id"] for row in await connection.fetch(SQL.hold_versions, wanted)}
        for version_id in wanted:
            if version_id not in there:
                raise version_not_found(version_id)
        items = [NewItem(KIND, diff_id, diff_id)]
        job = await self.jobs.create(
            connection, KIND, items, project_id=version.project_id, resource_id=diff_id
        )
        await connection.execute(SQL.insert_diff, diff_id, version.project_id, *wanted, job.id)
