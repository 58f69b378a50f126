"""Rows of jobs, for stores that change or delete what jobs make."""

from __future__ import annotations

from pathlib import Path

from services.runtime.db import Connection
from services.runtime.jobs import ItemClosed
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "job_rows.sql")


async def hold_job(connection: Connection, job_id: str) -> None:
    """Keep a job from being cancelled or deleted until the transaction ends.

    Raises:
        ItemClosed: it was, or has ended.
    """
    if not await connection.fetchval(SQL.hold_job, job_id):
        raise ItemClosed


async def delete_jobs(connection: Connection, *job_ids: str) -> None:
    """Delete jobs with their items; missing ones are no error.

    They go before what they make, as whoever ends an item locks its job first.
    """
    await connection.execute(SQL.delete_jobs, job_ids)
