"""Tags of versions: the statements of `version_tags.sql`, behind functions."""

from __future__ import annotations

from pathlib import Path

from services.dataset.version_tags.version_tags import tag_not_found
from services.dataset.versions.versions import DatasetVersion, version_not_found
from services.runtime.db import Pool, transaction
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "version_tags.sql")


class VersionTagStore:
    """The table `version_tags`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def set(self, version: DatasetVersion, tag: str) -> str:
        """Put a tag on a version; return the id of the version that bore it before, empty for none.

        Raises:
            NotFound: the version was deleted since it was read.
        """
        async with transaction(self.pool) as connection:
            if not await connection.fetchval(SQL.hold_version, version.id):
                raise version_not_found(version.id)
            before: str | None = await connection.fetchval(SQL.set_tag, version.project_id, tag, version.id)
        return before or ""

    async def delete(self, version_id: str, tag: str) -> None:
        """Take a tag off a version.

        Raises:
            NotFound: the version does not bear it.
        """
        if (await self.pool.execute(SQL.delete_tag, version_id, tag)) == "DELETE 0":
            raise tag_not_found(version_id, tag)
