"""What judges say of questions and candidates: the statements of `judgements.sql`, behind functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg

from services.generation.asking.call_store import NOTHING, Settlement, call_of, call_values, with_call
from services.generation.candidates.candidates import Candidate
from services.generation.gates.judging import UNSEEN
from services.generation.questions.questions import Judgement, Question
from services.generation.regeneration.replacing import CANDIDATE, QUESTION, overtaken, take_place
from services.runtime.db import Connection
from services.runtime.failures import Failure
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "judgements.sql")
SET_JUDGEMENT = with_call(SQL.set_judgement)
SET_CANDIDATE_JUDGEMENT = with_call(SQL.set_candidate_judgement)


async def set_judgement(
    connection: Connection,
    question: Question,
    judgement: Judgement,
    rejection: Failure | None,
    settlement: Settlement = NOTHING,
) -> None:
    """Store what a judge says of a question that waits for it, which is kept or rejected by that."""
    rejection = rejection or await overtaken(connection, QUESTION, question.replaces_id)
    await connection.execute(
        SET_JUDGEMENT,
        *call_values(question.generation_id, judgement.call, settlement),
        "rejected" if rejection else "answered",
        rejection.as_json() if rejection else None,
        said_in(judgement),
        question.id,
    )
    if not rejection:
        await take_place(connection, QUESTION, question.id, question.replaces_id)


async def set_candidate_judgement(
    connection: Connection,
    candidate: Candidate,
    judgement: Judgement,
    rejection: Failure | None,
    settlement: Settlement = NOTHING,
) -> None:
    """As `set_judgement`, of a candidate."""
    rejection = rejection or await overtaken(connection, CANDIDATE, candidate.replaces_id)
    await connection.execute(
        SET_CANDIDATE_JUDGEMENT,
        *call_values(candidate.generation_id, judgement.call, settlement),
        "rejected" if rejection else "kept",
        rejection.as_json() if rejection else None,
        said_in(judgement),
        candidate.id,
    )
    if not rejection:
        await take_place(connection, CANDIDATE, candidate.id, candidate.replaces_id)


async def reject_without_chunk(connection: Connection, question_id: str, why: Failure = UNSEEN) -> None:
    """Reject a question that waits for its answer or for a judge, and whose source nobody sees any more."""
    await connection.execute(SQL.reject_without_chunk, question_id, why.as_json())


async def reject_unseen_candidate(connection: Connection, candidate_id: str) -> None:
    """As `reject_without_chunk`, of a candidate that waits for a judge."""
    await connection.execute(SQL.reject_unseen_candidate, candidate_id, UNSEEN.as_json())


def said_in(judgement: Judgement) -> dict[str, Any]:
    """A judgement without its call, as it is stored."""
    return {name: value for name, value in vars(judgement).items() if name != "call"}


def judgement_of(row: asyncpg.Record) -> Judgement | None:
    """What a judge says of a row of `question_view` or `candidate_view`; nothing before it did."""
    return row["judgement"] and Judgement(**row["judgement"], call=call_of(row["judge_call"]))
