"""Changes of many examples, some thousands a transaction: the statements of `changes.sql`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from services.dataset.changes.changes import Become, Change, Wanted
from services.dataset.changes.replacing import replaced
from services.dataset.changes.revision_store import store_change
from services.dataset.changes.revisions import change_not_found
from services.dataset.examples.edits import REJECTED_BY_HAND
from services.dataset.examples.store import example_of
from services.runtime.db import Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.job_rows import hold_job
from services.runtime.jobs import ItemClosed, Jobs, NewItem, job_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "changes.sql")

ROWS = 5000
"""Examples that are changed in one transaction."""
REWRITTEN_ROWS = 500
"""Examples whose texts are looked through in one transaction."""
KIND = "update_examples"
"""Of the jobs and their items."""


class ChangeStore:
    """The table `example_changes`, and the examples that its changes change."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(
        self, method: str, kind: str, project_id: str, author: str, wanted: Wanted, request_id: str
    ) -> str:
        """Start a change of what a filter means; return its id. A request id gives its first one."""
        return await self.start(method, kind, project_id, author, wanted.as_json(), None, request_id)

    async def undo(self, change_id: str, author: str, request_id: str) -> str:
        """Start to undo a change, of one example or of many; return the id of the change that does so.

        Raises:
            NotFound: there is no such change.
        """
        project_id = await self.pool.fetchval(SQL.project_of_change, change_id)
        if project_id is None:
            raise change_not_found(change_id)
        method = "UndoExampleChange"
        wanted = Wanted().as_json()
        return await self.start(method, "undo", project_id, author, wanted, change_id, request_id)

    async def get(self, change_id: str) -> Change:
        """A change, and how far it has got.

        Raises:
            NotFound: there is none of many examples.
        """
        row = await self.pool.fetchrow(SQL.get_change, change_id)
        if row is None:
            raise change_not_found(change_id)
        return change_of(row)

    async def step(self, change_id: str, project_id: str) -> bool:
        """Change the next some thousand examples; whether there may be more.

        Raises:
            ItemClosed: the job was cancelled or deleted; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            await hold_job(connection, change_id)
            change = await connection.fetchrow(SQL.lock_change, change_id)
            if change is None:
                raise ItemClosed
            last, changed, meant = await take_step(connection, project_id, change)
            if not last:
                return False
            await connection.execute(SQL.advance_change, change_id, last, changed, meant - changed)
        return True

    async def start(
        self,
        method: str,
        kind: str,
        project_id: str,
        author: str,
        wanted: Mapping[str, Any],
        undone: str | None,
        request_id: str,
    ) -> str:
        """Start a change with its job; return its id. A request id gives its first one.

        Args:
            method: the rpc that asks for it.
            kind: of the change.
            project_id: of the examples.
            author: who changes them.
            wanted: which, and what they become, as JSON.
            undone: the change that it undoes, if it does so.
            request_id: of the request; may be empty.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            change_id = await claim_request(connection, method, request_id, new)
            if change_id == new:
                items = [NewItem(KIND, new, new)]
                await self.jobs.create(
                    connection, KIND, items, project_id=project_id, resource_id=new, job_id=new
                )
                values = (new, kind, author, dict(wanted), undone, project_id)
                await connection.execute(SQL.insert_change, *values)
        return change_id


Done = tuple[str, int, int]
"""The last example that was looked at (empty for none), how many were changed, and how many were meant."""


async def take_step(connection: Connection, project_id: str, change: asyncpg.Record) -> Done:
    """Change the next examples of a change."""
    if change["kind"] == "update" and Wanted.of(change["wanted"]).become.replace_texts:
        return await rewrite(connection, project_id, change)
    if change["kind"] == "undo":
        last, ids, meant = await next_undone(connection, change)
    else:
        last, ids, meant = await next_meant(connection, project_id, change)
    changed = await apply(connection, change, ids) if ids else 0
    return last, changed, meant


async def rewrite(connection: Connection, project_id: str, change: asyncpg.Record) -> Done:
    """Replace texts in the next examples that a change means."""
    if change["last"] is None:
        return "", 0, 0
    wanted = Wanted.of(change["wanted"])
    chosen, texts = wanted.examples, wanted.become.replace_texts
    values = (
        project_id,
        *chosen.values,
        change["after"],
        change["last"],
        REWRITTEN_ROWS,
        chosen.text_in_json,
    )
    found = [example_of(row) for row in await connection.fetch(SQL.next_saying, *values)]
    meant = [example for example in found if chosen.says(example)]
    become = await asyncio.to_thread(lambda: [replaced(example, texts) for example in meant])
    other = [(before, after) for before, after in zip(meant, become, strict=True) if after is not before]
    for before, after in other:
        await store_change(connection, before, after, change["author"], change["id"])
    return found[-1].id if found else "", len(other), len(meant)


Batch = tuple[str, Sequence[str], int]
"""The last example that was looked at (empty for none), those that are to change, and how many were meant."""


async def next_meant(connection: Connection, project_id: str, change: asyncpg.Record) -> Batch:
    """The next examples that a change means."""
    if change["last"] is None:
        return "", [], 0
    wanted = Wanted.of(change["wanted"])
    chosen, become = wanted.examples, wanted.become
    values = (project_id, *chosen.values, change["after"], change["last"], ROWS)
    if not chosen.text and become.state != "kept":
        ids = [row["id"] for row in await connection.fetch(SQL.next_meant, *values)]
        return (ids[-1] if ids else ""), ids, len(ids)
    rows = await connection.fetch(SQL.next_saying, *values, chosen.text_in_json)
    found = [example_of(row) for row in rows]
    meant = [example for example in found if chosen.says(example)]
    ids = [example.id for example in meant if become.suits(example)]
    return (found[-1].id if found else ""), ids, len(meant)


async def next_undone(connection: Connection, change: asyncpg.Record) -> Batch:
    """The next examples of the change that is undone; those that were changed since stay."""
    rows = await connection.fetch(SQL.next_undone, change["undone_change_id"], change["after"], ROWS)
    ids = [row["id"] for row in rows if row["newest"]]
    return (rows[-1]["id"] if rows else ""), ids, len(rows)


async def apply(connection: Connection, change: asyncpg.Record, ids: Sequence[str]) -> int:
    """Change locked examples; return how many became other than they were."""
    who = (ids, change["id"], change["author"])
    match change["kind"]:
        case "undo":
            status = await connection.execute(SQL.undo_examples, *who, change["undone_change_id"])
        case "delete":
            status = await connection.execute(SQL.delete_examples, *who)
            await forget_requests(connection, *ids)
        case _:
            become = Wanted.of(change["wanted"]).become
            status = await connection.execute(SQL.update_examples, *who, *become_values(become))
    return int(status.split()[-1])


def become_values(become: Become) -> tuple[Any, ...]:
    """The values of `update_examples`."""
    return (
        become.state,
        become.rejection,
        REJECTED_BY_HAND.as_json(),
        become.score,
        become.add_labels,
        become.remove_labels,
        become.add_tag_ids,
        become.remove_tag_ids,
    )


def change_of(row: asyncpg.Record) -> Change:
    """A row of `get_change`."""
    return Change(
        id=row["id"],
        kind=row["kind"],
        author=row["author"],
        undone_change_id=row["undone_change_id"] or "",
        changed=row["changed"],
        skipped=row["skipped"],
        create_time=row["create_time"],
        job=job_of(row["job"]),
        counts=row["counts"] or {},
        generation_id=row["wanted"].get("generation_id", ""),
    )
