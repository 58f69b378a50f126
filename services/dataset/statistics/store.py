"""Statistics of versions: the statements of `statistics.sql`, behind functions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.dataset.statistics.statistics import DatasetStatistics, StatisticsOptions, statistics_not_found
from services.dataset.versions.versions import DatasetVersion, version_not_found
from services.runtime.db import Connection, Pool, transaction
from services.runtime.ids import new_id
from services.runtime.jobs import ItemClosed, Jobs, NewItem, job_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "statistics.sql")
KIND = "make_dataset_statistics"


class StatisticsStore:
    """The table `dataset_statistics`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, version: DatasetVersion, options: StatisticsOptions) -> DatasetStatistics:
        """Start statistics, or give those that there are; those that failed go on.

        Raises:
            NotFound: the version was deleted since it was read.
        """
        statistics_id, there = await self._found_or_new(version, options)
        found = await self._get(statistics_id, None, None)
        if there and found and not found.key and found.job.ended:
            if found.job.state == "cancelled":
                await self.pool.execute(SQL.delete_statistics, statistics_id)
                return await self.create(version, options)
            await self.jobs.retry(found.job.id)
            found = await self._get(statistics_id, None, None)
        if found is None:
            raise version_not_found(version.id)
        return found

    async def get(self, statistics_id: str) -> DatasetStatistics:
        """Statistics by their id.

        Raises:
            ItemClosed: they were deleted.
        """
        found = await self._get(statistics_id, None, None)
        if found is None:
            raise ItemClosed
        return found

    async def of_version(
        self, version: DatasetVersion, options: StatisticsOptions | None
    ) -> DatasetStatistics:
        """The statistics of a version with some options, or the newest; those that are ready first.

        Raises:
            NotFound: nobody asked for them.
        """
        found = await self._get(None, version.id, asdict(options) if options else None)
        if found is None:
            raise statistics_not_found(version)
        return found

    async def set_made(self, connection: Connection, statistics_id: str, key: str) -> None:
        """Make statistics complete."""
        await connection.execute(SQL.set_made, statistics_id, key)

    async def jobs_of(self, version_id: str) -> list[str]:
        """Ids of the jobs of a version's statistics."""
        return [row["job_id"] for row in await self.pool.fetch(SQL.jobs_of_version, version_id)]

    async def _found_or_new(self, version: DatasetVersion, options: StatisticsOptions) -> tuple[str, bool]:
        async with transaction(self.pool) as connection:
            if not await connection.fetchval(SQL.lock_version, version.id):
                raise version_not_found(version.id)
            found: str | None = await connection.fetchval(SQL.same_statistics, version.id, asdict(options))
            if found:
                return found, True
            new, project_id = new_id(), version.project_id
            items = [NewItem(KIND, new, new)]
            job = await self.jobs.create(connection, KIND, items, project_id=project_id, resource_id=new)
            values = (new, project_id, version.id, asdict(options), job.id)
            await connection.execute(SQL.insert_statistics, *values)
            return new, False

    async def _get(
        self, statistics_id: str | None, version_id: str | None, options: dict[str, Any] | None
    ) -> DatasetStatistics | None:
        row = await self.pool.fetchrow(SQL.get_statistics, statistics_id, version_id, options)
        if row is None:
            return None
        return DatasetStatistics(
            id=row["id"],
            project_id=row["project_id"],
            version_id=row["dataset_version_id"],
            options=StatisticsOptions(**row["options"]),
            job=job_of(row["job"]),
            key=row["key"],
            create_time=row["create_time"],
        )
