"""The questions of templates about the chunks of a project, with their answers."""

from __future__ import annotations

from services.generation.asking.asking import Task
from services.generation.question_templates.question_templates import TEMPLATE, TemplateContent
from services.generation.question_templates.template_answers import (
    checked_template_answer,
    prompt_of,
    template_parser,
    template_schema,
    template_values,
)
from services.generation.questions.filling import chunk_language
from services.generation.questions.questions import Answer, NewQuestion
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.desk import Desk
from services.runtime.db import Connection
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.jobs import Item, NewItem


class TemplateWriter:
    """Does the items `answer_template`, one for each template and chunk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def answer_template(self, item: Item) -> None:
        """Have the question of a template answered about a chunk, and keep or reject the answer."""
        generation, provider = await self._desk.store.get_origin(item.job_resource_id)
        template_id = item.payload["question_template_id"]
        content = await self._desk.templates.of_generation(generation.id, template_id)
        chunk = await self._desk.chunks.get(item.resource_id)
        options, language = generation.options, chunk_language(chunk, generation.options)
        values = template_values(content, chunk, options.answers)
        prompt = await self._desk.prompts.filled(generation, prompt_of(content), language, values)
        schema, parse = template_schema(content, chunk, options), template_parser(content, options.answers)
        task = Task(item, generation, provider, chunk.id, prompt, schema, parse)
        async with self._desk.asker.asked(task) as asked:
            quotes, reasoning, rejection = checked_template_answer(
                content, asked.value, asked.reasoning, chunk, options, language
            )
            answer = Answer(asked.value.answer, quotes, reasoning, asked.call)
            question = template_question(content, template_id, chunk, rejection)
            judged = options.gates.judge is not None and rejection is None

            async def store(connection: Connection) -> None:
                await self._desk.templates.insert_answered(
                    connection, generation, question, answer, asked.settlement, judged=judged
                )
                if judged:
                    whole = {"type": TEMPLATE, "fact": [0, len(chunk.text)]}
                    following = NewItem("judge_answer", question.id, question.id, whole, item.turn)
                    await self._desk.jobs.add_items(connection, item.job_id, [following])

            await self._desk.jobs.finish_held(item, store)


def template_question(
    content: TemplateContent, template_id: str, chunk: SourceChunk, rejection: Failure | None
) -> NewQuestion:
    """The question of a template about a chunk, as it is to be stored."""
    return NewQuestion(
        new_id(),
        content.text,
        [chunk.id],
        [chunk.document_id],
        None,
        0,
        rejection,
        chunk.heading_path,
        type=TEMPLATE,
        question_template_id=template_id,
    )
