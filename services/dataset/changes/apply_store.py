"""Changes that give examples what a generation has made for them, a page of its results a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from services.dataset.changes.applied import Applying, Result, after, author_of
from services.dataset.changes.revision_store import store_change
from services.dataset.changes.store import SQL, ChangeStore
from services.dataset.examples.store import example_of
from services.runtime.db import Connection, transaction
from services.runtime.job_rows import hold_job
from services.runtime.jobs import ItemClosed

END = "end"
"""In place of a page token: all is applied."""


@dataclass(frozen=True)
class Place:
    """Where a change goes on: what it applies, and which page of it comes next; empty for the first."""

    applying: Applying
    page_token: str


@dataclass(frozen=True)
class ResultPage:
    """A page of the results of a generation; `next_token` is empty at the end."""

    results: Sequence[Result]
    next_token: str


class ApplyStore:
    """The changes of the kind `apply`."""

    def __init__(self, changes: ChangeStore) -> None:
        self.changes = changes

    async def create(self, project_id: str, applying: Applying, model: str, request_id: str) -> str:
        """Start a change; return its id. A request id gives its first one."""
        author = author_of(model, applying.generation_id)
        return await self.changes.start(
            "ApplyGeneration", "apply", project_id, author, asdict(applying), None, request_id
        )

    async def place(self, change_id: str) -> Place | None:
        """Where a change goes on; nothing where it is of another kind, or not there any more."""
        row = await self.changes.pool.fetchrow(SQL.apply_place, change_id)
        return Place(Applying(**row["wanted"]), row["page_token"]) if row else None

    async def step(self, change_id: str, project_id: str, place: Place, page: ResultPage) -> None:
        """Apply a page, unless somebody else has gone on meanwhile.

        Raises:
            ItemClosed: the job was cancelled or deleted; nothing is stored.
        """
        async with transaction(self.changes.pool) as connection:
            await hold_job(connection, change_id)
            change = await connection.fetchrow(SQL.lock_change, change_id)
            if change is None:
                raise ItemClosed
            if change["page_token"] != place.page_token:
                return
            results = {one.example_id: one for one in page.results}
            changed = await apply_page(connection, change_id, project_id, place.applying, results)
            skipped = len(page.results) - changed
            following = page.next_token or END
            await connection.execute(SQL.advance_apply, change_id, following, changed, skipped)


async def apply_page(
    connection: Connection,
    change_id: str,
    project_id: str,
    applying: Applying,
    results: Mapping[str, Result],
) -> int:
    """Change the examples of some results, by their ids; return how many became other than they were."""
    changed = 0
    for row in await connection.fetch(SQL.lock_examples, list(results), project_id):
        before = example_of(row)
        result = results[before.id]
        become = after(before, result, applying)
        if become is before:
            continue
        author = author_of(result.model, applying.generation_id)
        _, made = await store_change(connection, before, become, author, change_id)
        changed += bool(made)
    return changed
