"""Generations, their questions and what these cost: the SQL statements of the room, behind functions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from services.generation.call_store import (
    NOTHING,
    Settlement,
    call_of,
    call_values,
    delete_answers,
    insert_call,
    with_call,
)
from services.generation.candidate_store import delete_generation_candidates, delete_project_candidates
from services.generation.copy_store import insert_marks, without_copies
from services.generation.generations import (
    Generation,
    GenerationStats,
    GenerationView,
    NewGeneration,
    check_ended,
    generation_not_found,
    stored_options,
)
from services.generation.genre_audience_store import delete_genre_audiences
from services.generation.genre_audiences import Voice
from services.generation.kinds import FIRST_ITEMS
from services.generation.meaning_store import hold_meanings, insert_embeddings, without_same_meaning
from services.generation.meanings import Meanings
from services.generation.prompt_store import delete_prompts
from services.generation.providers import Provider, provider_not_found, stored_provider
from services.generation.questions import (
    Answer,
    CallRecord,
    Judgement,
    NewQuestion,
    OpenQuestion,
    Question,
    text_key,
)
from services.generation.quotes import Quote
from services.generation.tag_store import delete_tags, link_questions
from services.runtime.db import Connection, Pool, claim_request, first_answer, forget_requests, transaction
from services.runtime.errors import NotFound
from services.runtime.gathering import Gathering
from services.runtime.ids import id_at, new_id
from services.runtime.jobs import Failure, Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "generation.sql")
SET_ANSWER = with_call(SQL.set_answer)

RATE_SECONDS = 60.0
"""Of the last of them it is told how many calls end a second."""


class Store:
    """The tables `generations` and `questions`."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs
        self._open_questions = Gathering(self._get_open_questions)

    async def generation_made_by(self, request_id: str) -> str | None:
        """The id of the generation that an earlier request of this id made."""
        return await first_answer(self.pool, "CreateGeneration", request_id)

    async def create_generation(self, wanted: NewGeneration, request_id: str) -> str:
        """Add a generation with its job; return its id, for a repeated request that of the first.

        Raises:
            NotFound: the provider was deleted meanwhile.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            generation_id = await claim_request(connection, "CreateGeneration", request_id, new)
            if generation_id == new:
                await self._insert_generation(connection, new, wanted)
        return generation_id

    async def get_generation(self, generation_id: str) -> Generation:
        """One generation.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_generation, generation_id)
        if row is None:
            raise generation_not_found(generation_id)
        return generation(row)

    async def get_origin(self, generation_id: str) -> tuple[Generation, Provider]:
        """A generation and its provider.

        Raises:
            NotFound: there is no such generation.
        """
        row = await self.pool.fetchrow(SQL.get_origin, generation_id)
        if row is None:
            raise generation_not_found(generation_id)
        return origin_of(dict(row))

    async def get_open_question(self, question_id: str) -> tuple[Generation, Provider, OpenQuestion]:
        """A question to answer, its generation and its provider.

        Raises:
            NotFound: there is no such question.
        """
        row = await self._open_questions.get(question_id)
        if row is None:
            raise question_not_found(question_id)
        values = dict(row)
        found, text, chunk_id = (values.pop(f"question_{name}") for name in ("id", "text", "chunk_id"))
        pair = values.pop("question_genre_audience")
        voice = Voice(**pair) if pair else None
        question = OpenQuestion(found, values["generation_id"], text, chunk_id, voice)
        return *origin_of(values), question

    async def _get_open_questions(self, question_ids: Sequence[str]) -> dict[str, asyncpg.Record]:
        rows = await self.pool.fetch(SQL.get_open_questions, question_ids)
        return {row["question_id"]: row for row in rows}

    async def view_generation(self, generation_id: str) -> GenerationView:
        """A generation with its job and what it made so far.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(
            SQL.view_generations, generation_id, None, None, 1, id_at(time.time() - RATE_SECONDS)
        )
        if row is None:
            raise generation_not_found(generation_id)
        return view_of(row)

    async def list_generations(self, page: PageRequest, project_id: str) -> Page[GenerationView]:
        """Generations of a project, newest first."""
        after = page.after[0] if page.after else None
        latest = id_at(time.time() - RATE_SECONDS)
        rows = await self.pool.fetch(SQL.view_generations, None, project_id, after, page.limit, latest)
        views = [view_of(row) for row in rows]
        return page_of(views, page, lambda one: (one.generation.id,), size_bytes=lambda one: one.size_bytes)

    async def set_options(self, generation_id: str, values: Mapping[str, Any]) -> None:
        """Change options of a generation, by name; items that begin later go by them."""
        await self.pool.execute(SQL.set_options, generation_id, dict(values))

    async def delete_generation(self, generation_id: str) -> tuple[int, int]:
        """Delete an ended generation with all that it made; return how many questions and candidates.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it is running.
        """
        async with transaction(self.pool) as connection:
            # The job first, as items do that end.
            job = await connection.fetchrow(SQL.lock_generation_job, generation_id)
            if job is None:
                raise generation_not_found(generation_id)
            check_ended(generation_id, job["id"], job["state"])
            await connection.execute(SQL.delete_generation_jobs, generation_id)
            candidates = await delete_generation_candidates(connection, generation_id)
            questions = await connection.execute(SQL.delete_generation_questions, generation_id)
            await connection.execute(SQL.delete_generation, generation_id)
            await forget_requests(connection, generation_id)
        return count_of(questions), candidates

    async def delete_project(self, project_id: str) -> dict[str, int]:
        """Delete everything of a project; return the deleted rows by table."""
        async with transaction(self.pool) as connection:
            await self.jobs.delete_project(connection, project_id)
            await delete_answers(connection, project_id)
            candidates = await delete_project_candidates(connection, project_id)
            questions = await connection.execute(SQL.delete_project_questions, project_id)
            generations = await connection.fetch(SQL.delete_project_generations, project_id)
            providers = await connection.fetch(SQL.delete_project_providers, project_id)
            prompt_versions = await delete_prompts(connection, project_id)
            tags = await delete_tags(connection, project_id)
            genre_audiences = await delete_genre_audiences(connection, project_id)
            await forget_requests(connection, *(row["id"] for row in [*generations, *providers]))
        return {
            "candidates": candidates,
            "questions": count_of(questions),
            "generations": len(generations),
            "providers": len(providers),
            "prompt_versions": prompt_versions,
            "tags": tags,
            "genre_audiences": genre_audiences,
        }

    async def insert_questions(
        self,
        connection: Connection,
        one: Generation,
        call: CallRecord,
        questions: Sequence[NewQuestion],
        settlement: Settlement = NOTHING,
        missing: int = 0,
        meanings: Meanings | None = None,
    ) -> list[str]:
        """Store questions and their call; return the ids of those that wait for an answer.

        A question that copies another one of the project is stored as rejected. All are linked to tags.

        Args:
            connection: the caller's transaction.
            one: their generation.
            call: how they were written.
            questions: those that came.
            settlement: what is stored with the call.
            missing: how many more were asked for.
            meanings: their embeddings; nothing where meaning is not looked at.
        """
        await insert_call(connection, one.id, call, settlement)
        if missing:
            await connection.execute(SQL.insert_missing, call.id, one.id, missing)
        await hold_meanings(connection, one, meanings)
        questions = await without_copies(connection, one, questions)
        questions = await without_same_meaning(connection, one, questions, meanings)
        await connection.execute(
            SQL.insert_questions, one.project_id, one.id, call.id, [question_values(new) for new in questions]
        )
        await insert_marks(connection, one, questions)
        await insert_embeddings(connection, one, meanings)
        await link_questions(connection, one.project_id, [new.id for new in questions])
        return [new.id for new in questions if not new.rejection]

    async def set_answer(
        self,
        connection: Connection,
        question: Question | OpenQuestion,
        answer: Answer,
        rejection: Failure | None,
        settlement: Settlement = NOTHING,
        *,
        judged: bool = False,
    ) -> None:
        """Store the answer of an open question, kept or rejected; one that is to be judged waits for that."""
        await connection.execute(
            SET_ANSWER,
            *call_values(question.generation_id, answer.call, settlement),
            "rejected" if rejection else "judging" if judged else "answered",
            rejection.as_json() if rejection else None,
            answer.text,
            [vars(quote) for quote in answer.quotes],
            answer.reasoning,
            question.id,
        )

    async def get_question(self, question_id: str) -> Question:
        """One question.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_question, question_id)
        if row is None:
            raise question_not_found(question_id)
        return question_of(row)

    async def list_questions(
        self,
        page: PageRequest,
        project_id: str,
        generation_id: str | None,
        chunk_id: str | None,
        state: str | None,
        tag_id: str | None = None,
        genre_audience_id: str | None = None,
    ) -> Page[Question]:
        """Questions, oldest first."""
        after = page.after[0] if page.after else None
        filters = (project_id, generation_id, chunk_id, state, tag_id, genre_audience_id)
        rows = await self.pool.fetch(SQL.list_questions, *filters, after, page.limit)
        questions = [question_of(row) for row in rows]
        return page_of(questions, page, lambda one: (one.id,), size_bytes=lambda one: one.size_bytes)

    async def delete_question(self, question_id: str) -> None:
        """Delete a question with its answer.

        Raises:
            NotFound: there is none.
        """
        if not count_of(await self.pool.execute(SQL.delete_question, question_id)):
            raise question_not_found(question_id)

    async def _insert_generation(
        self, connection: Connection, generation_id: str, wanted: NewGeneration
    ) -> None:
        for provider_id in sorted({wanted.provider_id, *wanted.options.gates.provider_ids}):
            if await connection.fetchval(SQL.share_provider, provider_id) is None:
                raise provider_not_found(provider_id)
        await connection.execute(
            SQL.insert_generation,
            generation_id,
            wanted.project_id,
            wanted.provider_id,
            asdict(wanted.options),
            dict(wanted.prompt_versions),
        )
        await self.jobs.create(
            connection,
            "generate",
            [NewItem(FIRST_ITEMS[wanted.options.kind], "0")],
            project_id=wanted.project_id,
            resource_id=generation_id,
        )


def question_values(new: NewQuestion) -> dict[str, Any]:
    """The columns of a new row of `questions`, by name."""
    return {
        **vars(new),
        "fact": new.fact and vars(new.fact),
        "text_key": text_key(new.text),
        "state": "rejected" if new.rejection else "open",
        "rejection": new.rejection and new.rejection.as_json(),
    }


def count_of(status: str) -> int:
    """How many rows a statement touched, by what Postgres says about it."""
    return int(status.rpartition(" ")[2])


def generation(row: asyncpg.Record) -> Generation:
    """A row of `generations`."""
    values = {name: row[name] for name in Generation.__dataclass_fields__}
    return Generation(**{**values, "options": stored_options(values["options"])})


def origin_of(values: dict[str, Any]) -> tuple[Generation, Provider]:
    """A row of `get_origin`."""
    one = Generation(
        id=values.pop("generation_id"),
        project_id=values["project_id"],
        provider_id=values["id"],
        options=stored_options(values.pop("generation_options")),
        prompt_versions=values.pop("generation_prompt_versions"),
        create_time=values.pop("generation_create_time"),
    )
    return one, stored_provider(**values)


def view_of(row: asyncpg.Record) -> GenerationView:
    """A row of `view_generations`."""
    stats = GenerationStats(**{name: row[name] for name in GenerationStats.__dataclass_fields__})
    return GenerationView(generation(row), job_of(row["job"]), stats)


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
    )


def judgement_of(row: asyncpg.Record) -> Judgement | None:
    """What a judge says of a row of `question_view`; nothing before it did."""
    return row["judgement"] and Judgement(**row["judgement"], call=call_of(row["judge_call"]))


def question_not_found(question_id: str) -> NotFound:
    """The error for a question that is not there."""
    return NotFound("QUESTION_NOT_FOUND", f"there is no question {question_id}", question_id=question_id)
