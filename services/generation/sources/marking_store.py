"""Jobs that mark what was written about chunks that are gone, and what they have marked."""

from __future__ import annotations

from services.generation.sources.source_change_store import SQL, Marks
from services.runtime.db import Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs, NewItem


class MarkingStore:
    """The table `source_markings`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, project_id: str, request_id: str) -> str:
        """Start a job for a project; return its id, for a repeated request that of the first."""
        async with transaction(self.pool) as connection:
            new = new_id()
            job_id = await claim_request(connection, "MarkSources", request_id, new)
            if job_id == new:
                items = [NewItem("mark_sources", "0")]
                await self.jobs.create(connection, "mark_sources", items, project_id=project_id, job_id=new)
                await connection.execute(SQL.insert_marking, new)
        return job_id

    async def marked_by(self, job_id: str) -> Marks:
        """What a job has marked so far; nothing where it is gone."""
        row = await self.pool.fetchrow(SQL.get_marking, job_id)
        return Marks(row["marked"], row["unmarked"]) if row else Marks()


async def forget_markings(connection: Connection, project_id: str) -> None:
    """Forget which requests made the jobs of a project, before these are deleted."""
    rows = await connection.fetch(SQL.project_markings, project_id)
    await forget_requests(connection, *(row["job_id"] for row in rows))
