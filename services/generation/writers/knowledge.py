"""Ask the model that is to learn what it knows, and have as many forms written as that calls for."""

from __future__ import annotations

from services.generation.asking.asking import Task
from services.generation.asking.refusing import refused
from services.generation.calls.modes import PLAIN_TEXT
from services.generation.generations.generations import Generation
from services.generation.generations.kinds import KnowledgeOptions
from services.generation.questions.filling import chunk_language
from services.generation.questions.further_forms import rest
from services.generation.questions.knowledge import knows, parse_said, probe_values
from services.generation.questions.knowledge_store import set_known
from services.generation.questions.questions import Question
from services.generation.writers.desk import Desk
from services.runtime.db import Connection
from services.runtime.errors import SishuError
from services.runtime.failures import Failure
from services.runtime.jobs import Item, ItemClosed, NewItem

NOBODY_THERE = {"DEPLOYMENT_FAILED", "DEPLOYMENT_NOT_FOUND", "POOL_EMPTY"}
"""Reasons that hold for every fact, so that all of them would count as unknown."""


class KnowledgeProbe:
    """Does the items `probe_fact`, one for each fact whose first question has an answer.

    A model that judges is asked after it, so that no two items store something about one question at a time.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def probe_fact(self, item: Item) -> None:
        """Ask the model that is to learn a question, without any document, and go on by what it says."""
        generation = await self._desk.store.get_generation(item.job_resource_id)
        question = await self._desk.questions.get(item.key)
        knowledge = generation.options.knowledge or KnowledgeOptions(generation.provider_id)
        provider = await self._desk.providers.get(knowledge.provider_id)
        chunk = await self._desk.chunks.get(item.resource_id)
        language = chunk_language(chunk, generation.options)
        prompt = await self._desk.prompts.filled(generation, "probe", language, probe_values(question))
        task = Task(
            item,
            generation,
            provider,
            chunk.id,
            prompt,
            PLAIN_TEXT,
            parse_said,
            own_sampling=knowledge.sampling,
        )
        async with self._desk.asker.asked(task) as asked:
            answer = question.answer.text if question.answer else ""
            known = knows(asked.value, answer, knowledge.min_f1)

            async def store(connection: Connection) -> None:
                await set_known(connection, question, known, asked.call, asked.settlement)
                await self._desk.jobs.add_items(
                    connection, item.job_id, following(item, generation, question, known)
                )

            await self._desk.jobs.finish_held(item, store)

    async def pass_over(self, item: Item, error: SishuError) -> None:
        """Go on as with an unknown fact where the model cannot be asked this; the item counts as skipped.

        Where it cannot be asked anything, the job is paused.

        Raises:
            ItemClosed: so it is.
        """
        if error.reason in NOBODY_THERE:
            await self._desk.jobs.pause(item.job_id, refused(error, item.job_id))
            raise ItemClosed
        generation = await self._desk.store.get_generation(item.job_resource_id)
        question = await self._desk.questions.find(item.key)
        async with self._desk.jobs.finish(item, skipped=Failure.of(error)) as connection:
            await self._desk.jobs.add_items(
                connection, item.job_id, following(item, generation, question, None)
            )


def following(
    item: Item, generation: Generation, question: Question | None, known: bool | None
) -> list[NewItem]:
    """What comes after a probe: the judge of the first answer, where one is wanted, and the further forms."""
    asked = question.text if question else ""
    told = {name: value for name, value in item.payload.items() if name != "voices"}
    judge = [NewItem("judge_answer", item.key, item.key, told, item.turn)]
    return [
        *(judge if question and question.state == "judging" else []),
        *rest(item.resource_id, item.payload, generation.options, item.turn, known=known, asked=asked),
    ]
