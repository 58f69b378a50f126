"""Distillation: tags of a topic, questions about them, and answers, from what a model knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from services.generation.asking.asking import Asked, Task
from services.generation.asking.call_store import insert_call
from services.generation.candidates.topics import (
    QUESTIONS_PER_CALL,
    Place,
    answer_schema,
    children,
    numbered_parser,
    own_options,
    parse_answer,
    questions_schema,
    tags_schema,
    titled,
    topic_answer_failures,
    topic_language,
    topic_question_failures,
)
from services.generation.gates.gates import first_on
from services.generation.generations.generations import Generation
from services.generation.providers.providers import Provider
from services.generation.questions.questions import Answer, NewQuestion
from services.generation.questions.store import NewAnswer, NewQuestions
from services.generation.writers.desk import Desk
from services.runtime.db import Connection
from services.runtime.endings import Joint
from services.runtime.ids import derived_id, new_id
from services.runtime.jobs import Item, NewItem

T = TypeVar("T")


class TopicWriter:
    """Does the items of a distillation.

    `write_topics` (one a tag that has tags under it) makes others of its kind, or the `write_topic_questions`
    items of the lowest tags, and each of these the `write_topic_answer` items. Where fewer came than were
    asked for, the next item asks for the rest.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def write_topics(self, item: Item) -> None:
        """Have the tags under a tag written."""
        desk = self._desk
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        options = generation.options
        own = own_options(options)
        place = Place(**item.payload) if item.payload else Place([own.topic], [], [], own.tags_per_level)
        parse = numbered_parser("tag", place.left, [*place.existing, place.path[-1]])
        values, schema = place.values(place.left), tags_schema(place.left)
        task = await self._task(item, generation, provider, "topics", values, schema, parse)
        async with desk.asker.asked(task) as asked:
            found = [titled(tag) for tag in asked.value]
            items = [following(item, deeper, child) for deeper, child in children(place, found, options)]
            if len(found) < place.left:
                items.append(following(item, True, place.after(found)))

            async def store(connection: Connection) -> None:
                await insert_call(connection, generation.id, asked.call, asked.settlement)
                await desk.jobs.add_items(connection, item.job_id, items)

            await desk.jobs.finish_held(item, store)

    async def write_topic_questions(self, item: Item) -> None:
        """Have questions written about a tag, and an item made for the answer of each."""
        desk = self._desk
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        place, language = Place(**item.payload), topic_language(generation.options)
        count = min(place.left, QUESTIONS_PER_CALL)
        parse = numbered_parser("question", count, place.existing)
        values, schema = place.values(count), questions_schema(count, language)
        task = await self._task(item, generation, provider, "topic_questions", values, schema, parse)
        async with desk.asker.asked(task) as asked:
            await self._store_questions(item, generation, place, asked)

    async def write_topic_answer(self, item: Item) -> None:
        """Have a question answered, and keep or reject the answer."""
        desk = self._desk
        generation, provider, question = await desk.questions.get_open(item.resource_id)
        options = generation.options
        values = {"path": item.payload["path"], "question": question.text}
        schema = answer_schema(options)
        task = await self._task(item, generation, provider, "topic_answer", values, schema, parse_answer)
        async with desk.asker.asked(task) as asked:
            answer = Answer(asked.value, [], asked.reasoning, asked.call)
            rejection = first_on(topic_answer_failures(asked.value, options), options.gates)

            new = NewAnswer(question, answer, rejection, asked.settlement)
            await desk.jobs.finish_held(item, Joint(desk.questions.set_answers, new))

    async def _task(
        self,
        item: Item,
        generation: Generation,
        provider: Provider,
        name: str,
        values: Mapping[str, object],
        schema: Mapping[str, Any],
        parse: Callable[[Any], T],
    ) -> Task[T]:
        language = topic_language(generation.options)
        prompt = await self._desk.prompts.filled(generation, name, language, values)
        return Task(item, generation, provider, None, prompt, schema, parse)

    async def _store_questions(
        self, item: Item, generation: Generation, place: Place, asked: Asked[list[str]]
    ) -> None:
        desk, gates = self._desk, generation.options.gates
        language = topic_language(generation.options)
        questions = [
            NewQuestion(new_id(), text, [], [], None, 0, rejection, list(place.path))
            for text in asked.value
            for rejection in [first_on(topic_question_failures(text, language), gates)]
        ]
        rest = place.after(asked.value)

        new = NewQuestions(generation, asked.call, questions, asked.settlement)

        async def store(connection: Connection) -> None:
            (waiting,) = await desk.questions.insert(connection, new)
            payload = {"path": list(place.path)}
            items = [NewItem("write_topic_answer", one, one, payload, item.turn) for one in waiting]
            if rest.left > 0:
                items.append(following(item, False, rest))
            await desk.jobs.add_items(connection, item.job_id, items)

        await desk.jobs.finish_held(item, store)


def following(item: Item, deeper: bool, place: Place) -> NewItem:
    """The item that goes on with an item, at a place."""
    kind = "write_topics" if deeper else "write_topic_questions"
    return NewItem(kind, derived_id(*place.path, str(place.left)), None, asdict(place), item.turn)
