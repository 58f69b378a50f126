"""What something new takes the place of is rejected in the transaction that keeps the new."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.generation.regeneration.regeneration import replaced_by
from services.runtime.db import Connection
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "originals.sql")


@asynccontextmanager
async def replacing_question(
    connection: Connection, question_id: str, original_id: str | None, *, kept: bool
) -> AsyncIterator[None]:
    """Around the statement that keeps a question, or not, with its answer.

    Args:
        connection: the caller's transaction.
        question_id: the new question.
        original_id: what it takes the place of; nothing for most.
        kept: whether it is kept.
    """
    if not original_id or not kept:
        yield
        return
    await connection.execute(SQL.hold_question, original_id)
    yield
    why = replaced_by(question_id).as_json()
    await connection.execute(SQL.replace_question, original_id, question_id, why)


@asynccontextmanager
async def replacing_candidate(
    connection: Connection, candidate_id: str, original_id: str | None, *, kept: bool
) -> AsyncIterator[None]:
    """As `replacing_question`, for a candidate."""
    if not original_id or not kept:
        yield
        return
    await connection.execute(SQL.hold_candidate, original_id)
    yield
    why = replaced_by(candidate_id).as_json()
    await connection.execute(SQL.replace_candidate, original_id, candidate_id, why)
