"""Changes of single examples, each with what it was before: the statements of `revisions.sql`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import asyncpg

from services.dataset.changes.revisions import Revision, changed_fields, says_other
from services.dataset.examples.content import content_of, lineage_json, lineage_of
from services.dataset.examples.examples import Example
from services.dataset.examples.store import changed_values, example_not_found, example_of, found, size_of
from services.runtime.db import Connection, Pool, forget_requests, transaction
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "revisions.sql")


class RevisionStore:
    """The table `example_revisions`, and what it is the history of."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def update(
        self, example_id: str, change: Callable[[Example], Example], author: str
    ) -> tuple[Example, str]:
        """Change what an example says, and its state; nobody else changes it meanwhile.

        Returns:
            The example, and the id of the change; that is empty where nothing is other than before.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self.pool) as connection:
            before = await locked(connection, example_id)
            return await store_change(connection, before, change(before), author)

    async def delete(self, example_id: str, author: str) -> str:
        """Delete an example; return the id of the change.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self.pool) as connection:
            await locked(connection, example_id)
            change_id = await record(connection, example_id, author, ["delete_time"])
            await connection.execute(SQL.delete_example, example_id)
            await forget_requests(connection, example_id)
        return change_id

    async def list_page(self, page: PageRequest, example_id: str) -> Page[Revision]:
        """The changes of an example, newest first.

        Raises:
            NotFound: there is none.
        """
        if not await self.pool.fetchval(SQL.is_there, example_id):
            raise example_not_found(example_id)
        after = int(page.after[0]) if page.after else None
        rows = await self.pool.fetch(SQL.list_revisions, example_id, after, page.limit)
        return page_of(
            [revision_of(row) for row in rows],
            page,
            lambda revision: (revision.number,),
            lambda revision: size_of(revision.before),
        )


async def locked(connection: Connection, example_id: str) -> Example:
    """An example that nobody else changes until the end of the transaction.

    Raises:
        NotFound: there is none, or it is deleted.
    """
    return await found(connection, SQL.lock_example, example_id)


async def store_change(
    connection: Connection, before: Example, after: Example, author: str, change_id: str = ""
) -> tuple[Example, str]:
    """Store what a locked example becomes; return it, and the id of the change, empty for none.

    The change may be part of one of many, whose id is given.
    """
    fields = changed_fields(before, after)
    change_id = await record(connection, before.id, author, fields, change_id) if fields else ""
    if "lineage" in fields:
        origin = after.lineage.last_origin
        values = (after.id, lineage_json(after.lineage), origin.prompt_version, origin.model)
        await connection.execute(SQL.set_lineage, *values)
    row = await connection.fetchrow(SQL.update_example, *changed_values(after), 1 if fields else 0)
    assert row is not None  # noqa: S101  # the row is locked
    return example_of(row), change_id


async def record(
    connection: Connection, example_id: str, author: str, fields: list[str], change_id: str = ""
) -> str:
    """Keep what a locked example is before a change of some fields; return the id of the change."""
    change_id = change_id or new_id()
    kept = (says_other(fields), "lineage" in fields)
    await connection.execute(SQL.record_revision, example_id, change_id, author, fields, *kept)
    return change_id


def revision_of(row: asyncpg.Record) -> Revision:
    """A row of `list_revisions`."""
    before = Example(
        id=row["example_id"],
        project_id=row["project_id"],
        kind=row["kind"],
        state=row["state"],
        rejection=Failure(**row["rejection"]) if row["rejection"] else None,
        score=row["score"],
        labels=row["labels"],
        tag_ids=row["tag_ids"],
        lineage=lineage_of(row["was_lineage"]),
        create_time=row["example_time"],
        delete_time=row["delete_time"],
        revision=row["number"] - 1,
        **content_of(row["said"]),
    )
    return Revision(
        row["number"], row["change_id"], row["author"], row["create_time"], before, tuple(row["fields"])
    )
