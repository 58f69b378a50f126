"""Questions about the chunks of a project, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from services.generation.asking.asking import Task
from services.generation.asking.refusing import pausing
from services.generation.forecasts.store import ForecastStore
from services.generation.gates.copies import marks_of
from services.generation.generations.generations import Generation
from services.generation.genre_audiences.genre_audiences import GenreAudience
from services.generation.question_templates.question_templates import template_items
from services.generation.questions.facts import Fact
from services.generation.questions.filling import chunk_language, fact_at
from services.generation.questions.further_forms import (
    after_answer,
    after_questions,
    asks_first,
    forms_of,
    lacking,
    next_voice,
)
from services.generation.questions.links import Linker, known_links, linked_fact, linker, unlinked
from services.generation.questions.question_types import FACT, MULTI_HOP, batches
from services.generation.questions.store import NewAnswer, NewQuestions
from services.generation.questions.subjects import (
    Subject,
    answer_call_of,
    checked,
    questions_call_of,
    written_questions,
)
from services.generation.sources.chunk_reader import ChunkReader, SourceChunk
from services.generation.writers.desk import Desk
from services.runtime.db import Connection
from services.runtime.endings import Joint
from services.runtime.jobs import Item, NewItem

CHOICES = 5
"""Times that chunks are chosen for a pilot while some of them turn out to be gone."""


class QuestionWriter:
    """Does the items of a generation of questions.

    The kinds follow one another: `plan_questions` (one a page of chunks) makes the `write_questions` items
    (one for each few facts of a chunk), and each of these makes the `write_answer` items (one a question). Of
    a pilot, `plan_pilot` chooses the chunks when all are known. Templates have an item each, for each chunk.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def plan_questions(self, item: Item) -> None:
        """Choose facts in a page of chunks; make items for the calls about them and for the next page."""
        generation = await self._desk.store.get_generation(item.job_resource_id)
        chunks, token = await self._desk.chunks.page(
            generation.project_id, generation.options.document_ids, item.payload.get("page_token", "")
        )
        # The next page comes first, so that the job's total is known soon.
        payload = {"page_token": token}
        following = NewItem("plan_questions", str(int(item.key) + 1), payload=payload, turn=item.turn)
        hops = MULTI_HOP in generation.options.question_types
        # Of long chunks it takes a while, in which others go on.
        find = await asyncio.to_thread(linker, chunks) if hops else unlinked
        plans = await self._plans(generation, chunks, find)
        pilot = generation.options.pilot_chunks > 0
        rows = [(chunk.id, len(chunk.text) - chunk.overlap, len(plan)) for chunk, plan in plans]
        last = NewItem("plan_pilot", "0", turn=item.turn)
        items = [following] if token else [last] if pilot else []
        items += (new for _, plan in plans for new in plan if not pilot)
        if not token and not pilot:
            await self._desk.changes.mark_after(generation)
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.forecasts.add_chunks(
                connection, generation.id, rows, asked=not pilot, last=not token
            )
            if pilot and hops:
                await self._desk.forecasts.set_links(connection, generation.id, links_of(plans))
            await self._desk.jobs.add_items(connection, item.job_id, items)

    async def plan_pilot(self, item: Item) -> None:
        """Make items for the calls about a few of all chunks."""
        generation = await self._desk.store.get_generation(item.job_resource_id)
        count, desk = generation.options.pilot_chunks, self._desk
        chunks = await pilot_chunks(desk.forecasts, desk.chunks, generation.id, count)
        chunk_ids = [chunk.id for chunk in chunks]
        hops = MULTI_HOP in generation.options.question_types
        find = known_links(await self._desk.forecasts.links(generation.id, chunk_ids)) if hops else unlinked
        items = [new for _, plan in await self._plans(generation, chunks, find) for new in plan]
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.forecasts.ask(connection, generation.id, chunk_ids)
            await self._desk.jobs.add_items(connection, item.job_id, items)

    async def write_questions(self, item: Item) -> None:
        """Have questions written about a few facts, and make an item for each that passes the gates."""
        desk = self._desk
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        chunk, pair_id = await desk.chunks.get(item.resource_id), item.payload.get("genre_audience_id")
        options, language = generation.options, chunk_language(chunk, generation.options)
        voice = await desk.pairs.find_voice(pair_id) if pair_id else None
        if pair_id and voice is None:
            # The pair was deleted since: there is nobody to write for.
            async with desk.jobs.finish(item, skipped=True) as connection:
                await desk.jobs.add_items(connection, item.job_id, next_voice(item))
                return
        linked, forms = await linked_fact(item.payload, desk.chunks), forms_of(item.payload, options)
        facts = [fact_at(chunk, found) for found in item.payload["facts"]]
        subjects = [Subject(item.payload.get("type", FACT), chunk, fact, linked) for fact in facts]
        call = questions_call_of(subjects, forms.wanted(options), language, voice)
        values = {**call.values, "existing": forms.asked}
        prompt = await desk.prompts.filled(generation, call.prompt, language, values)
        task = Task(item, generation, provider, chunk.id, prompt, call.schema, call.parse)
        async with desk.asker.asked(task) as asked:
            written = list(zip(subjects, asked.value, strict=True))
            questions, places = written_questions(written, forms, options, language, pair_id)
            for each in questions:
                # Here, as of all that are stored together it would take long enough to hold up other calls.
                marks_of(generation.project_id, each.text)
            async with pausing(desk.jobs, item):
                meanings = await desk.embeddings.of(generation, chunk.id, questions)
            missing = lacking(asked.value, forms, options, len(questions))
            new = NewQuestions(generation, asked.call, questions, asked.settlement, missing, meanings)

            def following(waiting: Sequence[str]) -> list[NewItem]:
                begun = {one: places[one] for one in waiting}
                return after_questions(item, options, zip(facts, asked.value, strict=True), begun)

            result = (new, item.job_id, following)
            await desk.jobs.finish_held(item, Joint(self._store_questions, result))

    async def _store_questions(
        self,
        connection: Connection,
        results: Sequence[tuple[NewQuestions, str, Callable[[Sequence[str]], list[NewItem]]]],
    ) -> None:
        """Store questions, and to the job of each call the items that follow those that wait."""
        stored = await self._desk.questions.insert(connection, *(new for new, _, _ in results))
        items = [
            (job_id, following(waiting))
            for (_, job_id, following), waiting in zip(results, stored, strict=True)
        ]
        await self._add_items(connection, items)

    async def _add_items(
        self, connection: Connection, items: Iterable[tuple[str, Sequence[NewItem]]]
    ) -> None:
        """Add items to jobs, to each at once."""
        together: dict[str, list[NewItem]] = {}
        for job_id, new in items:
            together.setdefault(job_id, []).extend(new)
        for job_id, new in together.items():
            await self._desk.jobs.add_items(connection, job_id, new)

    async def write_answer(self, item: Item) -> None:
        """Have a question answered from its chunk, find the quote, and keep or reject the answer."""
        generation, provider, question = await self._desk.questions.get_open(item.resource_id)
        chunk = await self._desk.chunks.get(question.chunk_id)
        options, language = generation.options, chunk_language(chunk, generation.options)
        subject = await subject_of(item, chunk, self._desk.chunks)
        call = answer_call_of(subject, question, options, language)
        prompt = await self._desk.prompts.filled(generation, call.prompt, language, call.values)
        task = Task(item, generation, provider, chunk.id, prompt, call.schema, call.parse)
        async with self._desk.asker.asked(task) as asked:
            answer, rejection = checked(subject, question.text, asked, options, language)
            judged = options.gates.judge is not None and rejection is None

            given = NewAnswer(question, answer, rejection, asked.settlement, judged)
            following = after_answer(item, options, question, kept=rejection is None)
            result = (given, item.job_id, following)
            await self._desk.jobs.finish_held(item, Joint(self._store_answers, result))

    async def _store_answers(
        self, connection: Connection, results: Sequence[tuple[NewAnswer, str, Sequence[NewItem]]]
    ) -> None:
        """Store answers, and to the job of each the items that follow."""
        await self._desk.questions.set_answers(connection, [given for given, _, _ in results])
        await self._add_items(connection, ((job_id, following) for _, job_id, following in results))

    async def _plans(
        self, generation: Generation, chunks: Sequence[SourceChunk], find: Linker
    ) -> list[tuple[SourceChunk, list[NewItem]]]:
        """Those of some chunks that are wanted, with their items.

        Facts are asked about once for each enabled pair of the document where these are wanted. Which chunks
        are new is known of questions about facts and of templates by themselves.
        """
        options, changes = generation.options, self._desk.changes
        of_facts = [] if options.templates_only else await changes.wanted(generation, chunks, "questions")
        templates = bool(options.question_template_ids)
        of_templates = await changes.wanted(generation, chunks, "templates") if templates else []
        pairs: Mapping[str, Sequence[GenreAudience]] = {}
        if options.genre_audiences:
            documents = list({chunk.document_id for chunk in of_facts})
            pairs = await self._desk.pairs.of_documents(generation.project_id, documents, enabled=True)
        plans: dict[str, list[NewItem]] = {
            chunk.id: planned(chunk, generation, pairs.get(chunk.document_id, ()), find) for chunk in of_facts
        }
        for chunk in of_templates:
            plans.setdefault(chunk.id, []).extend(template_items(chunk, options))
        return [(chunk, plans[chunk.id]) for chunk in chunks if chunk.id in plans]


async def pilot_chunks(
    forecasts: ForecastStore, reader: ChunkReader, generation_id: str, count: int
) -> list[SourceChunk]:
    """So many of all chunks of a generation, without those that were deleted since they were planned.

    Those are covered no more, and others are chosen in their place.
    """
    chunks = list[SourceChunk]()
    for _ in range(CHOICES):
        chunk_ids = await forecasts.choose(generation_id, count)
        chunks = await reader.those_there(chunk_ids)
        gone = set(chunk_ids) - {chunk.id for chunk in chunks}
        if not gone:
            break
        await forecasts.forget(generation_id, sorted(gone))
    return chunks


def planned(
    chunk: SourceChunk,
    generation: Generation,
    pairs: Sequence[GenreAudience] = (),
    find: Linker = unlinked,
    facts: Sequence[Fact] | None = None,
    before: int = 0,
) -> list[NewItem]:
    """The items of a chunk: facts, a few at a time, for each of these pairs.

    Args:
        chunk: the chunk.
        generation: what is wanted.
        pairs: in whose voices.
        find: finds facts that belong to others.
        facts: what alone is asked about; nothing for as many as the generation wants.
        before: how many facts of the chunk were asked about before these.
    """
    voices: list[tuple[str, dict[str, Any]]] = [
        (f":{pair.id}", {"genre_audience_id": pair.id}) for pair in pairs
    ]
    # What is known is asked in the first one, and the others follow.
    first = [(key, {**own, "voices": [pair.id for pair in pairs]}) for key, own in voices[:1]]
    return [
        NewItem(
            "write_questions",
            f"{chunk.id}:{batch.facts[0].start}{voice}",
            chunk.id,
            {**batch.payload, **payload},
        )
        for batch in batches(chunk, generation.options, find, facts, before)
        for voice, payload in (first if asks_first(batch.type, generation.options) else voices) or [("", {})]
    ]


def links_of(plans: Sequence[tuple[SourceChunk, Sequence[NewItem]]]) -> dict[str, list[list[Any]]]:
    """The links of planned items, as `known_links` takes them."""
    return {
        chunk.id: [
            [new.payload["facts"][0][0], *new.payload["link"]] for new in plan if "link" in new.payload
        ]
        for chunk, plan in plans
    }


async def subject_of(item: Item, chunk: SourceChunk, chunks: ChunkReader) -> Subject:
    """What the question of an item is about."""
    linked = await linked_fact(item.payload, chunks)
    return Subject(item.payload.get("type", FACT), chunk, fact_at(chunk, item.payload["fact"]), linked)
