"""Questions and their answers: the statements of `questions.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from services.generation.asking.call_store import (
    NOTHING,
    Settlement,
    call_of,
    insert_calls,
)
from services.generation.gates.copy_store import insert_marks, without_copies
from services.generation.gates.judgement_store import judgement_of
from services.generation.gates.meaning_store import hold_meanings, insert_embeddings, without_same_meaning
from services.generation.gates.meanings import Meanings, joined
from services.generation.generations.generations import Generation
from services.generation.generations.store import count_of, origin_of
from services.generation.genre_audiences.genre_audiences import Voice
from services.generation.providers.providers import Provider
from services.generation.questions.questions import (
    Answer,
    CallRecord,
    NewQuestion,
    OpenQuestion,
    Question,
    QuestionFilter,
    text_key,
)
from services.generation.questions.quotes import Quote
from services.generation.regeneration.replacing import QUESTION, overtaken, take_place
from services.generation.tags.store import link_questions
from services.runtime.db import Connection, Pool
from services.runtime.errors import NotFound
from services.runtime.failures import Failure
from services.runtime.gathering import Gathering
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "questions.sql")


@dataclass(frozen=True)
class NewQuestions:
    """The questions of a call, to be stored.

    Args:
        generation: theirs.
        call: how they were written.
        questions: those that came.
        settlement: what is stored with the call.
        missing: how many more were to come, by the reason why they did not.
        meanings: their embeddings; nothing where meaning is not looked at.
    """

    generation: Generation
    call: CallRecord
    questions: Sequence[NewQuestion]
    settlement: Settlement = NOTHING
    missing: Mapping[str, int] = field(default_factory=dict)
    meanings: Meanings | None = None


@dataclass(frozen=True)
class NewAnswer:
    """An answer to store.

    Args:
        question: what it answers.
        answer: what was answered.
        rejection: why it is not kept; nothing where it is.
        settlement: what is stored with its call.
        judged: whether a judge is to decide.
    """

    question: Question | OpenQuestion
    answer: Answer
    rejection: Failure | None = None
    settlement: Settlement = NOTHING
    judged: bool = False


class QuestionStore:
    """The tables `questions` and `missing_questions`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._open = Gathering(self._get_open)

    async def get_open(self, question_id: str) -> tuple[Generation, Provider, OpenQuestion]:
        """A question to answer, its generation and its provider.

        Raises:
            NotFound: there is no such question.
        """
        row = await self._open.get(question_id)
        if row is None:
            raise question_not_found(question_id)
        values = dict(row)
        names = ("id", "text", "chunk_id", "replaces_id")
        found, text, chunk_id, replaces_id = (values.pop(f"question_{name}") for name in names)
        pair = values.pop("question_genre_audience")
        voice = Voice(**pair) if pair else None
        question = OpenQuestion(found, values["generation_id"], text, chunk_id, voice, replaces_id)
        return *origin_of(values), question

    async def _get_open(self, question_ids: Sequence[str]) -> dict[str, asyncpg.Record]:
        rows = await self.pool.fetch(SQL.get_open_questions, question_ids)
        return {row["question_id"]: row for row in rows}

    async def insert(self, connection: Connection, *written: NewQuestions) -> list[list[str]]:
        """Store questions with their calls; return, by call, the ids of those that wait for an answer.

        A question that copies another one of the project is stored as rejected. All are linked to tags.
        """
        await insert_calls(connection, [(one.generation.id, one.call, one.settlement) for one in written])
        await insert_missing(connection, written)
        await hold_meanings(connection, {one.generation.project_id for one in written if one.meanings})
        alike: dict[tuple[str, str], list[NewQuestions]] = {}
        for one in written:
            alike.setdefault((one.generation.id, one.meanings.space if one.meanings else ""), []).append(one)
        waiting: set[str] = set()
        for some in alike.values():
            waiting |= await insert_alike(connection, some)
        return [[new.id for new in one.questions if new.id in waiting] for one in written]

    async def set_answers(self, connection: Connection, answers: Sequence[NewAnswer]) -> None:
        """Store answers of open questions, kept or rejected; those that are to be judged wait for that.

        One whose original was replaced meanwhile is rejected as well.
        """
        plain = [one for one in answers if not one.question.replaces_id]
        # Of two that would take one place, the first does.
        for some in (plain, *([one] for one in answers if one.question.replaces_id)):
            if some:
                await self._set_answers(connection, some)

    async def _set_answers(self, connection: Connection, answers: Sequence[NewAnswer]) -> None:
        calls = [(one.question.generation_id, one.answer.call, one.settlement) for one in answers]
        rows = [await answer_values(connection, one) for one in answers]
        await insert_calls(connection, calls)
        # Row by row: a plan for many, made while the table is new, would read all of it for long.
        await connection.executemany(SQL.set_answer, rows)
        for (question_id, state, *_), one in zip(rows, answers, strict=True):
            if state == "answered":
                await take_place(connection, QUESTION, question_id, one.question.replaces_id)

    async def get(self, question_id: str) -> Question:
        """One question.

        Raises:
            NotFound: there is none.
        """
        found = await self.find(question_id)
        if found is None:
            raise question_not_found(question_id)
        return found

    async def find(self, question_id: str) -> Question | None:
        """One question, if it is there."""
        row = await self.pool.fetchrow(SQL.get_question, question_id)
        return question_of(row) if row else None

    async def list_page(self, page: PageRequest, wanted: QuestionFilter) -> Page[Question]:
        """Questions, oldest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_questions, *astuple(wanted), after, page.limit)
        questions = [question_of(row) for row in rows]
        return page_of(questions, page, lambda one: (one.id,), size_bytes=lambda one: one.size_bytes)

    async def delete(self, question_id: str) -> None:
        """Delete a question with its answer.

        Raises:
            NotFound: there is none.
        """
        if not count_of(await self.pool.execute(SQL.delete_question, question_id)):
            raise question_not_found(question_id)


async def insert_missing(connection: Connection, written: Sequence[NewQuestions]) -> None:
    """Note how many questions did not come of calls that are stored."""
    rows = [
        (one.call.id, one.generation.id, reason, count)
        for one in written
        for reason, count in one.missing.items()
        if count
    ]
    if rows:
        await connection.execute(SQL.insert_missing, *map(list, zip(*rows, strict=True)))


async def insert_alike(connection: Connection, written: Sequence[NewQuestions]) -> set[str]:
    """Store questions of one generation, of calls that are stored; return the ids of those that wait."""
    one, meanings = written[0].generation, joined(new.meanings for new in written if new.meanings)
    call_ids = {new.id: each.call.id for each in written for new in each.questions}
    came = [new for each in written for new in each.questions]
    questions = await without_copies(connection, one, came)
    questions = await without_same_meaning(connection, one, questions, meanings)
    await insert_rows(connection, one, [(call_ids[new.id], new) for new in questions])
    await insert_marks(connection, one, questions)
    await insert_embeddings(connection, one, meanings)
    await link_questions(connection, one.project_id, [new.id for new in questions])
    return {new.id for new in questions if not new.rejection}


async def answer_values(connection: Connection, one: NewAnswer) -> tuple[Any, ...]:
    """The parameters of `set_answer`: the question, what becomes of it, and the answer."""
    rejection, answer = one.rejection, one.answer
    if not rejection and not one.judged:
        rejection = await overtaken(connection, QUESTION, one.question.replaces_id)
    state = "rejected" if rejection else "judging" if one.judged else "answered"
    return (
        one.question.id,
        state,
        rejection and rejection.as_json(),
        answer.text,
        [vars(quote) for quote in answer.quotes],
        answer.reasoning,
        answer.call.id,
    )


async def insert_rows(
    connection: Connection, one: Generation, questions: Iterable[tuple[str, NewQuestion]]
) -> None:
    """Insert questions of a generation as they are, each with the id of its call."""
    rows = [question_values(call_id, new) for call_id, new in questions]
    if rows:
        await connection.execute(SQL.insert_questions, one.project_id, one.id, rows)


def question_values(call_id: str, new: NewQuestion) -> dict[str, Any]:
    """The columns of a new row of `questions`, by name."""
    return {
        **vars(new),
        "call_id": call_id,
        "fact": new.fact and vars(new.fact),
        "linked_facts": [vars(fact) for fact in new.linked_facts],
        "text_key": text_key(new.text),
        "state": "rejected" if new.rejection else "open",
        "rejection": new.rejection and new.rejection.as_json(),
    }


def question_of(row: asyncpg.Record) -> Question:
    """A row of `question_view`."""
    answer = None
    if row["answer"] is not None:
        quotes = [Quote(**quote) for quote in row["answer_quotes"]]
        answer = Answer(row["answer"], quotes, row["answer_reasoning"], call_of(row["answer_call"]))
    rejection = row["rejection"]
    return Question(
        id=row["id"],
        project_id=row["project_id"],
        generation_id=row["generation_id"],
        chunk_ids=row["chunk_ids"],
        document_ids=row["document_ids"],
        text=row["text"],
        fact=Quote(**row["fact"]) if row["fact"] else None,
        form=row["form"],
        state=row["state"],
        rejection=Failure(**rejection) if rejection else None,
        answer=answer,
        call=call_of(row["call"]),
        create_time=row["create_time"],
        heading_path=row["heading_path"],
        tag_ids=row["tag_ids"],
        genre_audience_id=row["genre_audience_id"],
        judgement=judgement_of(row),
        type=row["type"],
        question_template_id=row["question_template_id"],
        linked_facts=[Quote(**fact) for fact in row["linked_facts"]],
        replaces_id=row["replaces_id"],
        source_gone_time=row["source_gone_time"],
        known=row["known"],
    )


def question_not_found(question_id: str) -> NotFound:
    """The error for a question that is not there."""
    return NotFound("QUESTION_NOT_FOUND", f"there is no question {question_id}", question_id=question_id)
