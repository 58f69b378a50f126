"""Restores of versions, some thousand examples a transaction: the statements of `restores.sql`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import asyncpg
import orjson

from services.dataset.changes import store as change_store
from services.dataset.restores.restores import (
    BROUGHT_BACK,
    CHANGED,
    DELETED,
    MISSING,
    STAYS,
    Member,
    rewritten,
)
from services.dataset.versions.versions import DatasetVersion
from services.runtime.db import Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.job_rows import hold_job
from services.runtime.jobs import ItemClosed, Jobs, NewItem
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "restores.sql")

KIND = "restore_dataset_version"
"""Of the jobs and their items."""
ADDED = 5000
"""Examples added since that are looked at in one transaction."""


class RestoreStore:
    """The table `dataset_restores`, and the examples that its changes change."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(self, version: DatasetVersion, delete_added: bool, author: str, request_id: str) -> str:
        """Start a restore; return the id of the change. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            new, project_id = new_id(), version.project_id
            change_id = await claim_request(connection, "RestoreDatasetVersion", request_id, new)
            if change_id == new:
                items = [NewItem(KIND, new, new)]
                await self.jobs.create(
                    connection, KIND, items, project_id=project_id, resource_id=new, job_id=new
                )
                await connection.execute(SQL.insert_change, new, author, project_id)
                await connection.execute(SQL.insert_restore, new, version.id, delete_added)
        return change_id

    async def get(self, change_id: str) -> asyncpg.Record:
        """A restore, and how far it has got.

        Raises:
            ItemClosed: it was deleted.
        """
        row = await self.pool.fetchrow(SQL.get_restore, change_id)
        if row is None:
            raise ItemClosed
        return row

    async def put_back(self, change_id: str, project_id: str, place: int, members: Sequence[Member]) -> None:
        """Make the examples at a place of the version what they are there, unless that is done.

        Raises:
            ItemClosed: the job was cancelled or deleted; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            restore = await locked(connection, change_id)
            if restore["place"] != place:
                return
            own = [member for member in members if member.is_own]
            ids = [member.id for member in own]
            there = {row["id"] for row in await connection.fetch(SQL.lock_members, project_id, ids)}
            present = [member for member in own if member.id in there]
            changed, brought_back = await restored(connection, restore, present)
            became = Counter({BROUGHT_BACK: brought_back, CHANGED: changed - brought_back})
            became[MISSING] = len(own) - len(present)
            skipped = len(members) - changed
            await advance(connection, restore, place + len(members), restore["after"], became, skipped)

    async def delete_added(
        self, change_id: str, project_id: str, since: datetime, choose: Callable[[Sequence[str]], list[str]]
    ) -> bool:
        """Delete the next examples that were added since and are to go; whether there may be more.

        Raises:
            ItemClosed: the job was cancelled or deleted; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            restore = await locked(connection, change_id)
            values = (project_id, since, restore["after"], restore["last"], ADDED)
            ids = [row["id"] for row in await connection.fetch(SQL.next_added, *values)]
            if not ids:
                return False
            gone = choose(ids)
            await connection.execute(change_store.SQL.delete_examples, gone, change_id, restore["author"])
            await forget_requests(connection, *gone)
            await advance(connection, restore, restore["place"], ids[-1], Counter({DELETED: len(gone)}), 0)
        return True


async def locked(connection: Connection, change_id: str) -> asyncpg.Record:
    """A restore on which nobody else works until the end of the transaction.

    Raises:
        ItemClosed: its job was cancelled or deleted.
    """
    await hold_job(connection, change_id)
    restore = await connection.fetchrow(SQL.lock_restore, change_id)
    if restore is None:
        raise ItemClosed
    return restore


async def restored(
    connection: Connection, restore: asyncpg.Record, members: Sequence[Member]
) -> tuple[int, int]:
    """Restore locked examples; return how many became other, and how many of these were deleted before."""
    rows = await connection.fetch(SQL.differing, *columns(members))
    said = {row["id"]: row["said"] for row in rows}
    other = [member for member in members if member.id in said]
    if not other:
        return 0, 0
    ids, contents, *rest = columns(other)
    again = [rewritten(one, said[one.id]) if said[one.id] is not None else STAYS for one in other]
    became = await connection.fetch(
        SQL.restore_examples,
        ids,
        restore["id"],
        restore["author"],
        contents,
        *rest,
        [orjson.dumps(each.fields).decode() for each in again],
        [one.language for one in other],
        [each.characters for each in again],
        [each.key for each in again],
    )
    return len(became), sum(row["brought_back"] for row in became)


def columns(members: Sequence[Member]) -> tuple[list[object], ...]:
    """Ids, contents, scores, labels and tags of members; lists as JSON."""
    return (
        [one.id for one in members],
        [one.content for one in members],
        [one.score for one in members],
        [orjson.dumps(list(one.labels)).decode() for one in members],
        [orjson.dumps(list(one.tag_ids)).decode() for one in members],
    )


async def advance(
    connection: Connection,
    restore: asyncpg.Record,
    place: int,
    after: str,
    became: Counter[str],
    skipped: int,
) -> None:
    """Store how far a restore has got, with what became of examples."""
    counts = Counter(restore["counts"]) + became
    changed = became[CHANGED] + became[BROUGHT_BACK] + became[DELETED]
    await connection.execute(SQL.advance_restore, restore["id"], place, changed, skipped, after, dict(counts))
