"""Deduplications: the statements of `deduplications.sql`, behind functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from services.dataset.deduplications.clustering import Found
from services.dataset.deduplications.comparing import Comparison
from services.dataset.deduplications.deduplications import (
    DUPLICATE_KINDS,
    SHOWN,
    Deduplication,
    DeduplicationCounts,
    DeduplicationOptions,
    Duplicate,
    DuplicateCluster,
    deduplication_not_found,
)
from services.dataset.examples.copying import copy_lines, line
from services.dataset.examples.filters import ExampleFilter, filter_json, filter_of
from services.runtime.db import CONNECT_SECONDS, Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.job_rows import delete_jobs, hold_job
from services.runtime.jobs import ItemClosed, Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "deduplications.sql")

FIND, APPLY = "find_duplicates", "apply_deduplication"
"""Kinds of jobs and of their items."""
ROWS = 2000
"""Examples that come from Postgres at once."""
LINES = 20_000
"""Rows that go to Postgres at once."""
REJECTED_AT_ONCE = 5000
CLUSTER_COLUMNS = ("deduplication_id", "number", "keeper_id", "keeper_revision", "size")
DUPLICATE_COLUMNS = ("deduplication_id", "cluster", "example_id", "revision", "similarity", "kind")


class DeduplicationStore:
    """The tables `deduplications`, `duplicate_clusters` and `duplicates`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(
        self, project_id: str, wanted: ExampleFilter, options: DeduplicationOptions, request_id: str
    ) -> str:
        """Start a search; return its id. A request id gives its first one."""
        async with transaction(self.pool) as connection:
            new = new_id()
            found = await claim_request(connection, "CreateDeduplication", request_id, new)
            if found == new:
                job_id = await self._start(connection, FIND, project_id, new)
                values = (new, project_id, filter_json(wanted), asdict(options), job_id)
                await connection.execute(SQL.insert_deduplication, *values)
        return found

    async def get(self, deduplication_id: str) -> Deduplication:
        """One search.

        Raises:
            NotFound: there is none.
        """
        rows = await self.pool.fetch(SQL.list_deduplications, deduplication_id, None, None, 1)
        if not rows:
            raise deduplication_not_found(deduplication_id)
        return deduplication_of(rows[0])

    async def list_page(self, page: PageRequest, project_id: str) -> Page[Deduplication]:
        """Searches of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_deduplications, None, project_id, after, page.limit)
        found = [deduplication_of(row) for row in rows]
        return page_of(found, page, lambda one: (one.id,), lambda one: len(str(filter_json(one.filter))))

    async def clusters(self, page: PageRequest, deduplication_id: str) -> Page[DuplicateCluster]:
        """Clusters of a search, the largest first, each with its first duplicates."""
        after = int(page.after[0]) if page.after else 0
        rows = await self.pool.fetch(SQL.list_clusters, deduplication_id, after, page.limit, SHOWN)
        found = [cluster_of(row) for row in rows]
        return page_of(found, page, lambda one: (one.number,), lambda one: 60 * len(one.duplicates))

    async def duplicates(self, page: PageRequest, deduplication_id: str, cluster: int) -> Page[Duplicate]:
        """The duplicates of a cluster, oldest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_duplicates, deduplication_id, cluster, after, page.limit)
        return page_of([Duplicate(**row) for row in rows], page, lambda one: (one.example_id,))

    @asynccontextmanager
    async def compared(self, search: Deduplication) -> AsyncIterator[Any]:
        """A cursor over the examples that are compared, as they are at one instant, the oldest first."""
        async with (
            self.pool.acquire(timeout=CONNECT_SECONDS) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            values = (search.project_id, *search.filter.values, search.filter.text_in_json)
            yield await connection.cursor(SQL.compared_examples, *values)

    async def set_found(
        self,
        connection: Connection,
        deduplication_id: str,
        comparison: Comparison,
        found: Found,
        cost: DeduplicationCounts,
    ) -> None:
        """Store what a search found and what it cost, inside the transaction that ends its job."""
        await copy_all(
            connection,
            "duplicate_clusters",
            CLUSTER_COLUMNS,
            cluster_lines(found, comparison, deduplication_id),
        )
        await copy_all(
            connection, "duplicates", DUPLICATE_COLUMNS, duplicate_lines(found, comparison, deduplication_id)
        )
        exact, near, meant = np.bincount(found.kinds, minlength=len(DUPLICATE_KINDS)).tolist()
        counts = replace(
            cost,
            examples=len(comparison),
            clusters=found.clusters,
            duplicates=exact,
            near_copies=near,
            meaning_copies=meant,
        )
        await connection.execute(SQL.set_found, deduplication_id, asdict(counts))

    async def start_applying(self, deduplication_id: str, author: str) -> None:
        """Start the job that rejects the duplicates, unless there is one that goes on or has done so.

        Raises:
            NotFound: there is no such search.
        """
        async with transaction(self.pool) as connection:
            row = await connection.fetchrow(SQL.lock_deduplication, deduplication_id)
            if row is None:
                raise deduplication_not_found(deduplication_id)
            if row["apply_job_id"]:
                state = await connection.fetchval(SQL.state_of_job, row["apply_job_id"])
                if state not in {"failed", "cancelled"}:
                    return
            job_id = await self._start(connection, APPLY, row["project_id"], deduplication_id)
            await connection.execute(SQL.set_applying, deduplication_id, job_id, author)

    async def apply_some(self, deduplication_id: str, job_id: str) -> bool:
        """Reject the next some thousand duplicates; whether there may be more.

        Raises:
            ItemClosed: the job was cancelled or deleted, or another took its place; nothing is stored.
        """
        async with transaction(self.pool) as connection:
            await hold_job(connection, job_id)
            search = await connection.fetchrow(SQL.lock_deduplication, deduplication_id)
            if search is None or search["apply_job_id"] != job_id:
                raise ItemClosed
            place = (search["applied_cluster"], search["applied_id"])
            values = (deduplication_id, *place, REJECTED_AT_ONCE, job_id, search["author"])
            row = await connection.fetchrow(SQL.reject_duplicates, *values)
            if row is None:
                return False
            counts = (row["rejected"], row["looked_at"] - row["rejected"])
            await connection.execute(
                SQL.advance, deduplication_id, row["cluster"], row["example_id"], *counts
            )
        return True

    async def delete(self, search: Deduplication) -> None:
        """Delete a search and its jobs; missing ones are no error."""
        async with transaction(self.pool) as connection:
            await delete_jobs(connection, *search.job_ids)
            await connection.execute(SQL.delete_deduplication, search.id)
            await forget_requests(connection, search.id)

    async def _start(self, connection: Connection, kind: str, project_id: str, resource_id: str) -> str:
        items = [NewItem(kind, resource_id, resource_id)]
        job = await self.jobs.create(connection, kind, items, project_id=project_id, resource_id=resource_id)
        return job.id


async def copy_all(connection: Connection, table: str, columns: Sequence[str], lines: Iterator[str]) -> None:
    """Add rows by COPY, some thousands in a block."""
    while some := list(islice(lines, LINES)):
        await copy_lines(connection, table, columns, some)


def cluster_lines(found: Found, comparison: Comparison, deduplication_id: str) -> Iterator[str]:
    """The rows of `duplicate_clusters`."""
    sizes = [0] * found.clusters
    keepers = [0] * found.clusters
    for number, keeper in zip(found.numbers.tolist(), found.keepers.tolist(), strict=True):
        sizes[number - 1] += 1
        keepers[number - 1] = keeper
    for number, (keeper, size) in enumerate(zip(keepers, sizes, strict=True), 1):
        revision = comparison.revision_of(keeper)
        yield line(deduplication_id, str(number), comparison.id_of(keeper), str(revision), str(size + 1))


def duplicate_lines(found: Found, comparison: Comparison, deduplication_id: str) -> Iterator[str]:
    """The rows of `duplicates`."""
    columns = (found.rows, found.numbers, found.similarities, found.kinds)
    for row, number, similarity, kind in zip(*(column.tolist() for column in columns), strict=True):
        yield line(
            deduplication_id,
            str(number),
            comparison.id_of(row),
            str(comparison.revision_of(row)),
            f"{similarity:.6f}",
            DUPLICATE_KINDS[kind],
        )


def deduplication_of(row: asyncpg.Record) -> Deduplication:
    """A row of `list_deduplications`."""
    return Deduplication(
        id=row["id"],
        project_id=row["project_id"],
        filter=filter_of(row["filter"]),
        options=DeduplicationOptions(**row["options"]),
        job=job_of(row["job"]),
        counts=DeduplicationCounts(**row["counts"]) if row["counts"] else None,
        apply_job=job_of(row["apply_job"]) if row["apply_job"] else None,
        rejected=row["rejected"],
        skipped=row["skipped"],
        create_time=row["create_time"],
    )


def cluster_of(row: asyncpg.Record) -> DuplicateCluster:
    """A row of `list_clusters`."""
    duplicates = [Duplicate(**one) for one in row["duplicates"]]
    return DuplicateCluster(row["number"], row["keeper_id"], row["size"], duplicates)
