"""What the room has of a project: the statements of `projects.sql`, behind functions."""

from __future__ import annotations

from pathlib import Path

from services.runtime.db import Pool, forget_requests, transaction
from services.runtime.jobs import Jobs
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "projects.sql")


class ProjectStore:
    """All tables of the room."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def delete(self, project_id: str) -> dict[str, int]:
        """Delete everything of a project; return the deleted rows by table."""
        statements = {
            "exports": SQL.delete_project_exports,
            "dataset_diffs": SQL.delete_project_diffs,
            "dataset_versions": SQL.delete_project_versions,
            "review_claims": SQL.delete_project_claims,
            "reviews": SQL.delete_project_reviews,
            "example_comments": SQL.delete_project_comments,
            "duplicates": SQL.delete_project_duplicates,
            "duplicate_clusters": SQL.delete_project_clusters,
            "deduplications": SQL.delete_project_deduplications,
            "example_revisions": SQL.delete_project_revisions,
            "example_contents": SQL.delete_project_contents,
            "examples": SQL.delete_project_examples,
            "version_numbers": SQL.delete_project_numbers,
            "leak_checks": SQL.delete_project_leak_checks,
            "benchmarks": SQL.delete_project_benchmarks,
            "imports": SQL.delete_project_imports,
            "import_uploads": SQL.delete_project_uploads,
        }
        async with transaction(self.pool) as connection:
            requested = [row["resource_id"] for row in await connection.fetch(SQL.requested, project_id)]
            # Go first: this waits for what they are storing now, and nothing more is stored after it.
            await self.jobs.delete_project(connection, project_id)
            await forget_requests(connection, *requested)
            return {
                table: int((await connection.execute(statement, project_id)).split()[-1])
                for table, statement in statements.items()
            }
