"""Questions and candidates that are regenerated: the statements of `originals.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from services.generation.asking.call_store import insert_call
from services.generation.gates.copy_store import insert_marks
from services.generation.generations.generations import Generation, NewGeneration
from services.generation.questions.questions import CallRecord, NewQuestion, Question
from services.generation.questions.quotes import Quote
from services.generation.questions.store import insert_rows, question_of
from services.generation.regeneration.regeneration import (
    Original,
    QuestionPlace,
    check_originals,
    check_regeneration,
    named_ids,
)
from services.generation.tags.store import link_questions
from services.runtime.db import Connection, Pool
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "originals.sql")


class OriginalStore:
    """What is regenerated, of the tables `questions` and `candidates`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def check(self, wanted: NewGeneration) -> None:
        """Refuse a generation that is to regenerate what cannot be.

        Raises:
            NotFound, InvalidArgument, FailedPrecondition: as `check_regeneration` and `check_originals`.
        """
        check_regeneration(wanted.options)
        if wanted.options.regeneration is None:
            return
        rows = await self.pool.fetch(SQL.find_originals, named_ids(wanted.options))
        found = [
            Original(**{**row, "rejection": Failure(**row["rejection"]) if row["rejection"] else None})
            for row in rows
        ]
        check_originals(wanted.options, wanted.project_id, {one.id: one for one in found})

    async def places(self, question_ids: Sequence[str]) -> list[QuestionPlace]:
        """What those of the questions are about that are there."""
        rows = await self.pool.fetch(SQL.question_places, question_ids)
        return [
            QuestionPlace(
                **{
                    **row,
                    "fact": Quote(**row["fact"]) if row["fact"] else None,
                    "linked_facts": tuple(Quote(**fact) for fact in row["linked_facts"]),
                }
            )
            for row in rows
        ]

    async def questions(self, question_ids: Sequence[str]) -> list[Question]:
        """Those of the questions that are there, in the order of the ids."""
        found = {
            row["id"]: question_of(row) for row in await self.pool.fetch(SQL.get_questions, question_ids)
        }
        return [found[one] for one in question_ids if one in found]


async def insert_again(connection: Connection, generation: Generation, original: Question) -> str:
    """Store a question with the words of another, which it may take the place of; return its id.

    Its words cost nothing again, and were held against the gates before.
    """
    new = NewQuestion(
        new_id(),
        original.text,
        original.chunk_ids,
        original.document_ids,
        original.fact,
        original.form,
        None,
        original.heading_path,
        original.genre_audience_id,
        original.type,
        original.question_template_id,
        original.linked_facts,
        original.id,
    )
    call = unpaid(original.call)
    await insert_call(connection, generation.id, call)
    await insert_rows(connection, generation, [(call.id, new)])
    await insert_marks(connection, generation, [new])
    await connection.execute(SQL.copy_embedding, original.id, new.id)
    await link_questions(connection, generation.project_id, [new.id])
    return new.id


def unpaid(call: CallRecord) -> CallRecord:
    """A record of how something was written that is taken over."""
    return replace(
        call, id=new_id(), prompt_tokens=0, completion_tokens=0, calls=0, seconds=0.0, cost=0.0, cached=None
    )
