"""The tables `question_templates` and `generation_templates`: the statements of `question_templates.sql`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import asyncpg

from services.generation.asking.call_store import Settlement, insert_call
from services.generation.generations.generations import Generation
from services.generation.question_templates.question_templates import (
    NewQuestionTemplate,
    QuestionTemplate,
    TemplateContent,
    question_template_exists,
    question_template_not_found,
    template_of_other_project,
)
from services.generation.questions.questions import Answer, NewQuestion, text_key
from services.generation.tags.store import link_questions
from services.runtime.db import Connection, Pool, claim_request, first_answer, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "question_templates.sql")

AT_HAND = 256
"""Templates of generations that stay at hand: each is asked about all chunks."""
FIELD = "generation.options.question_template_ids"


class QuestionTemplateStore:
    """The question templates of projects, and those by which generations go."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._at_hand: OrderedDict[tuple[str, str], TemplateContent] = OrderedDict()

    async def made_by(self, request_id: str) -> QuestionTemplate | None:
        """What an earlier request of this id made, as it stands now."""
        made = await first_answer(self.pool, "CreateQuestionTemplate", request_id)
        return await self.get(made) if made else None

    async def create(self, wanted: NewQuestionTemplate, request_id: str) -> QuestionTemplate:
        """Add a template.

        Raises:
            AlreadyExists: the project has one of this name.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            made = await claim_request(connection, "CreateQuestionTemplate", request_id, new)
            if made == new:
                values = (new, wanted.project_id, *columns(wanted))
                if await connection.fetchval(SQL.insert_question_template, *values) is None:
                    raise question_template_exists(wanted.name)
        return await self.get(made)

    async def get(self, template_id: str) -> QuestionTemplate:
        """One template.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_question_template, template_id)
        if row is None:
            raise question_template_not_found(template_id)
        return template_of(row)

    async def list_page(self, page: PageRequest, project_id: str) -> Page[QuestionTemplate]:
        """Templates, oldest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_question_templates, project_id, after, page.limit)
        found = [template_of(row) for row in rows]
        return page_of(found, page, lambda one: (one.id,), size_bytes=lambda one: one.size_bytes)

    async def update(
        self, template_id: str, change: Callable[[QuestionTemplate], NewQuestionTemplate]
    ) -> QuestionTemplate:
        """Give a template other values.

        Raises:
            NotFound: there is none.
            AlreadyExists: the project has one of this name.
        """
        async with transaction(self.pool) as connection:
            row = await connection.fetchrow(SQL.lock_question_template, template_id)
            if row is None:
                raise question_template_not_found(template_id)
            wanted = change(template_of(row))
            try:
                await connection.execute(SQL.update_question_template, template_id, *columns(wanted))
            except asyncpg.UniqueViolationError:
                raise question_template_exists(wanted.name) from None
        return await self.get(template_id)

    async def delete(self, template_id: str) -> None:
        """Delete a template; its questions stay, and generations that go by it go on.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self.pool) as connection:
            if await connection.fetchval(SQL.delete_question_template, template_id) is None:
                raise question_template_not_found(template_id)
            await forget_requests(connection, template_id)

    async def of_generation(self, generation_id: str, template_id: str) -> TemplateContent:
        """A template as it was when a generation was created; it never changes, so that it is read once.

        Raises:
            NotFound: the generation was deleted meanwhile.
        """
        key = (generation_id, template_id)
        if key not in self._at_hand:
            content = await self.pool.fetchval(SQL.get_generation_template, *key)
            if content is None:
                raise question_template_not_found(template_id)
            self._at_hand[key] = TemplateContent(**content)
            if len(self._at_hand) > AT_HAND:
                self._at_hand.popitem(last=False)
        return self._at_hand[key]

    async def insert_answered(
        self,
        connection: Connection,
        one: Generation,
        new: NewQuestion,
        answer: Answer,
        settlement: Settlement,
        *,
        judged: bool,
    ) -> None:
        """Store the question of a template with its answer, kept or rejected; one that is to be judged waits.

        The same words about each chunk are wanted, so that nothing is a copy of them, nor they of anything.
        """
        await insert_call(connection, one.id, answer.call, settlement)
        await connection.execute(
            SQL.insert_answered_question,
            one.project_id,
            one.id,
            answer.call.id,
            new.id,
            new.chunk_ids,
            new.document_ids,
            new.heading_path,
            new.text,
            text_key(new.text),
            "rejected" if new.rejection else "judging" if judged else "answered",
            new.rejection and new.rejection.as_json(),
            answer.text,
            [vars(quote) for quote in answer.quotes],
            answer.reasoning,
            new.question_template_id,
        )
        await link_questions(connection, one.project_id, [new.id])


async def keep_templates(
    connection: Connection, generation_id: str, project_id: str, template_ids: Sequence[str]
) -> None:
    """Keep templates as they are for a generation that is being created.

    Raises:
        NotFound: one is not there.
        InvalidArgument: one belongs to another project.
    """
    if not template_ids:
        return
    rows = await connection.fetch(SQL.share_question_templates, template_ids)
    found = {row["id"]: template_of(row) for row in rows}
    for number, template_id in enumerate(map(str.lower, template_ids)):
        field = f"{FIELD}[{number}]"
        if template_id not in found:
            raise question_template_not_found(template_id, field)
        if found[template_id].project_id != project_id.lower():
            raise template_of_other_project(template_id, field)
    kept = [{"id": one.id, "content": asdict(one.content)} for one in found.values()]
    await connection.execute(SQL.insert_generation_templates, generation_id, kept)


async def delete_question_templates(connection: Connection, project_id: str) -> int:
    """Delete the templates of a project; return how many."""
    rows = await connection.fetch(SQL.delete_project_question_templates, project_id)
    await forget_requests(connection, *(row["id"] for row in rows))
    return len(rows)


def columns(wanted: NewQuestionTemplate) -> tuple[object, ...]:
    """The columns that people give, in the order of the statements."""
    own = wanted.content
    return (
        wanted.name,
        own.text,
        own.description,
        own.answer,
        list(own.labels),
        own.several_labels,
        own.json_schema,
    )


def template_of(row: asyncpg.Record) -> QuestionTemplate:
    """A row of `question_templates`."""
    values = dict(row)
    content = TemplateContent(**{name: values.pop(name) for name in TemplateContent.__dataclass_fields__})
    return QuestionTemplate(content=content, **values)
