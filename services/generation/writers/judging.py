"""Have answers judged that passed the gates of the program."""

from __future__ import annotations

from services.generation.asking.asking import Task
from services.generation.gates.judgement_store import set_judgement
from services.generation.gates.judging import (
    check_judgement,
    gates_of,
    judge_prompt,
    judgement_of,
    judgement_schema,
    parse_verdict,
)
from services.generation.question_templates.question_templates import TEMPLATE
from services.generation.questions.facts import language_of
from services.generation.questions.filling import judge_values
from services.generation.questions.question_types import UNANSWERABLE
from services.generation.questions.subjects import seen_of
from services.generation.writers.desk import Desk
from services.generation.writers.questions import subject_of
from services.runtime.db import Connection
from services.runtime.jobs import Item


class AnswerJudge:
    """Does the items `judge_answer`, one for each answer that is to be judged."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def judge_answer(self, item: Item) -> None:
        """Have an answer judged beside its source, and keep or reject it by what the judge says."""
        generation, writer = await self._desk.store.get_origin(item.job_resource_id)
        question = await self._desk.questions.get(item.resource_id)
        options, gates = generation.options, generation.options.gates
        judge = gates.judge
        other = judge.provider_id if judge else ""
        provider = await self._desk.providers.get(other) if other else writer
        chunk = await self._desk.chunks.get(question.chunk_ids[0])
        subject = await subject_of(item, chunk, self._desk.chunks)
        language = options.language or language_of(chunk.text)
        answerable = subject.kind != UNANSWERABLE
        values = judge_values(seen_of(subject, options), question.text, question.answer)
        if subject.kind == TEMPLATE and values["quote"] == values["passage"]:
            values["quote"] = ""
        prompt = await self._desk.prompts.filled(generation, judge_prompt(subject.kind), language, values)
        task = Task(
            item,
            generation,
            provider,
            chunk.id,
            prompt,
            judgement_schema(),
            parse_verdict,
            own_sampling=judge.sampling if judge else {},
        )
        async with self._desk.asker.asked(task) as asked:
            judgement = judgement_of(asked.value, asked.call)
            rejection = check_judgement(judgement, gates_of(subject.kind, gates), answerable=answerable)

            async def store(connection: Connection) -> None:
                await set_judgement(connection, question, judgement, rejection, asked.settlement)

            await self._desk.jobs.finish_held(item, store)
