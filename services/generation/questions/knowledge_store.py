"""What the model that is to learn knows: the statement of `knowledge.sql`, behind a function."""

from __future__ import annotations

from pathlib import Path

from services.generation.asking.call_store import NOTHING, Settlement, call_values, with_call
from services.generation.questions.questions import CallRecord, Question
from services.runtime.db import Connection
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "knowledge.sql")
SET_KNOWN = with_call(SQL.set_known)


async def set_known(
    connection: Connection,
    question: Question,
    known: bool,
    call: CallRecord,
    settlement: Settlement = NOTHING,
) -> None:
    """Store whether the model knows the fact of a question, and how it was asked."""
    values = call_values(question.generation_id, call, settlement)
    await connection.execute(SET_KNOWN, *values, known, question.id)
