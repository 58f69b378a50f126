"""What judges say of questions: the statements of `judgements.sql`, behind functions."""

from __future__ import annotations

from pathlib import Path

from services.generation.call_store import NOTHING, Settlement, call_values, with_call
from services.generation.questions import Judgement, Question
from services.generation.replacing import replacing_question
from services.runtime.db import Connection
from services.runtime.jobs import Failure
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "judgements.sql")
SET_JUDGEMENT = with_call(SQL.set_judgement)


async def set_judgement(
    connection: Connection,
    question: Question,
    judgement: Judgement,
    rejection: Failure | None,
    settlement: Settlement = NOTHING,
) -> None:
    """Store what a judge says of a question that waits for it, which is kept or rejected by that."""
    said = {name: value for name, value in vars(judgement).items() if name != "call"}
    kept = rejection is None
    async with replacing_question(connection, question.id, question.replaces_id, kept=kept):
        await connection.execute(
            SET_JUDGEMENT,
            *call_values(question.generation_id, judgement.call, settlement),
            "answered" if kept else "rejected",
            rejection.as_json() if rejection else None,
            said,
            question.id,
        )
