"""Benchmarks: the statements of `benchmarks.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import asyncpg

from services.dataset.benchmarks.benchmarks import (
    FAULTS,
    Benchmark,
    BenchmarkCounts,
    BenchmarkFile,
    BenchmarkFiles,
    BenchmarkOptions,
    benchmark_not_found,
    name_taken,
)
from services.dataset.imports.imports import ImportUpload
from services.dataset.imports.rows import Fault
from services.runtime.db import Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.job_rows import delete_jobs
from services.runtime.jobs import Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "benchmarks.sql")
KIND = "make_benchmark"


class BenchmarkStore:
    """The table `benchmarks`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create(
        self, upload: ImportUpload, name: str, options: BenchmarkOptions, request_id: str
    ) -> str:
        """Start a benchmark; return its id. A request id gives its first one.

        Raises:
            AlreadyExists: the project has one of the name.
        """
        new, project_id, name = new_id(), upload.project_id, name or upload.name
        try:
            async with transaction(self.pool) as connection:
                found = await claim_request(connection, "CreateBenchmark", request_id, new)
                if found == new:
                    job = await self.jobs.create(
                        connection, KIND, [NewItem(KIND, new, new)], project_id=project_id, resource_id=new
                    )
                    values = (new, project_id, name, upload.id, asdict(options), job.id)
                    await connection.execute(SQL.insert_benchmark, *values)
        except asyncpg.UniqueViolationError:
            other = await self.pool.fetchval(SQL.benchmark_of_name, project_id, name)
            raise name_taken(name, other or "") from None
        return found

    async def get(self, benchmark_id: str) -> Benchmark:
        """One benchmark.

        Raises:
            NotFound: there is none.
        """
        rows = await self.pool.fetch(SQL.list_benchmarks, benchmark_id, None, None, 1)
        if not rows:
            raise benchmark_not_found(benchmark_id)
        return benchmark_of(rows[0])

    async def list_page(self, page: PageRequest, project_id: str) -> Page[Benchmark]:
        """Benchmarks of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_benchmarks, None, project_id, after, page.limit)
        found = [benchmark_of(row) for row in rows]
        return page_of(found, page, lambda one: (one.id,), lambda one: len(str([one.options, one.faults])))

    async def set_read(
        self,
        connection: Connection,
        benchmark_id: str,
        counts: BenchmarkCounts,
        faults: Sequence[Fault],
        files: BenchmarkFiles | None,
    ) -> None:
        """Store what became of the rows; with files the benchmark is complete."""
        told = [fault._asdict() for fault in faults[:FAULTS]]
        stored = asdict(files) if files else None
        await connection.execute(SQL.set_read, benchmark_id, asdict(counts), told, stored)

    async def delete(self, benchmark: Benchmark) -> None:
        """Delete a benchmark and its job; missing ones are no error."""
        async with transaction(self.pool) as connection:
            await delete_jobs(connection, benchmark.job.id)
            await connection.execute(SQL.delete_benchmark, benchmark.id)
            await forget_requests(connection, benchmark.id)


def benchmark_of(row: asyncpg.Record) -> Benchmark:
    """A row of `list_benchmarks`."""
    files = row["files"]
    return Benchmark(
        id=row["id"],
        project_id=row["project_id"],
        name=row["name"],
        upload=ImportUpload(
            row["upload_id"], row["project_id"], row["file_name"], row["size_bytes"], row["file_sha256"]
        ),
        options=BenchmarkOptions(**row["options"]),
        job=job_of(row["job"]),
        counts=BenchmarkCounts(**row["counts"]) if row["counts"] else None,
        faults=[Fault(**fault) for fault in row["faults"]],
        files=BenchmarkFiles(**{name: BenchmarkFile(**file) for name, file in files.items()})
        if files
        else None,
        create_time=row["create_time"],
    )
