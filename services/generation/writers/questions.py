"""Questions about the chunks of a project, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from services.generation.asking import Asker, Task
from services.generation.chunk_reader import ChunkReader, SourceChunk
from services.generation.embedding import Embeddings
from services.generation.facts import Fact, language_of
from services.generation.forecast_store import ForecastStore
from services.generation.further_forms import after_answer, asks_first, forms_of, next_voice, unprobed
from services.generation.generations import Generation
from services.generation.genre_audience_store import GenreAudienceStore
from services.generation.genre_audiences import GenreAudience
from services.generation.links import Linker, known_links, linked_fact, linker, unlinked
from services.generation.multi_hop import hop_questions_call
from services.generation.prompt_store import PromptStore
from services.generation.question_store import QuestionStore
from services.generation.question_templates import template_items
from services.generation.question_types import FACT, MULTI_HOP, batches, questions_call
from services.generation.refusing import pausing
from services.generation.source_changes import SourceChanges
from services.generation.store import Store
from services.generation.subjects import Subject, answer_call_of, checked, new_question
from services.runtime.db import Connection
from services.runtime.jobs import Item, Jobs, NewItem


class QuestionWriter:
    """Does the items of a generation of questions.

    The kinds follow one another: `plan_questions` (one a page of chunks) makes the `write_questions` items
    (one for each few facts of a chunk), and each of these makes the `write_answer` items (one a question). Of
    a pilot, `plan_pilot` chooses the chunks when all are known. Templates have an item each, for each chunk.
    """

    def __init__(
        self,
        jobs: Jobs,
        store: Store,
        questions: QuestionStore,
        forecasts: ForecastStore,
        prompts: PromptStore,
        chunks: ChunkReader,
        pairs: GenreAudienceStore,
        asker: Asker,
        embeddings: Embeddings,
        changes: SourceChanges,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._questions = questions
        self._forecasts = forecasts
        self._prompts = prompts
        self._chunks = chunks
        self._pairs = pairs
        self._asker = asker
        self._embeddings = embeddings
        self._changes = changes

    async def plan_questions(self, item: Item) -> None:
        """Choose facts in a page of chunks; make items for the calls about them and for the next page."""
        generation = await self._store.get_generation(item.job_resource_id)
        chunks, token = await self._chunks.page(
            generation.project_id, generation.options.document_ids, item.payload.get("page_token", "")
        )
        # The next page comes first, so that the job's total is known soon.
        payload = {"page_token": token}
        following = NewItem("plan_questions", str(int(item.key) + 1), payload=payload, turn=item.turn)
        hops = MULTI_HOP in generation.options.question_types
        # Of long chunks it takes a while, in which others go on.
        find = await asyncio.to_thread(linker, chunks) if hops else unlinked
        plans = await self._plans(generation, await self._changes.wanted(generation, chunks), find)
        pilot = generation.options.pilot_chunks > 0
        rows = [(chunk.id, len(chunk.text) - chunk.overlap, len(plan)) for chunk, plan in plans]
        last = NewItem("plan_pilot", "0", turn=item.turn)
        items = [following] if token else [last] if pilot else []
        items += (new for _, plan in plans for new in plan if not pilot)
        if not token and not pilot:
            await self._changes.mark_after(generation)
        async with self._jobs.finish(item) as connection:
            await self._forecasts.add_chunks(connection, generation.id, rows, asked=not pilot, last=not token)
            if pilot and hops:
                await self._forecasts.set_links(connection, generation.id, links_of(plans))
            await self._jobs.add_items(connection, item.job_id, items)

    async def plan_pilot(self, item: Item) -> None:
        """Make items for the calls about a few of all chunks."""
        generation = await self._store.get_generation(item.job_resource_id)
        chunk_ids = await self._forecasts.choose(generation.id, generation.options.pilot_chunks)
        chunks = [await self._chunks.get(chunk_id) for chunk_id in chunk_ids]
        hops = MULTI_HOP in generation.options.question_types
        find = known_links(await self._forecasts.links(generation.id, chunk_ids)) if hops else unlinked
        items = [new for _, plan in await self._plans(generation, chunks, find) for new in plan]
        async with self._jobs.finish(item) as connection:
            await self._forecasts.ask(connection, generation.id, chunk_ids)
            await self._jobs.add_items(connection, item.job_id, items)

    async def write_questions(self, item: Item) -> None:
        """Have questions written about a few facts, and make an item for each that passes the gates."""
        generation, provider = await self._store.get_origin(item.job_resource_id)
        chunk = await self._chunks.get(item.resource_id)
        facts = [Fact(start, end, chunk.text[start:end]) for start, end in item.payload["facts"]]
        options, language = generation.options, self._language(generation, chunk)
        pair_id = item.payload.get("genre_audience_id")
        voice = await self._pairs.find_voice(pair_id) if pair_id else None
        if pair_id and voice is None:
            # The pair was deleted since: there is nobody to write for.
            async with self._jobs.finish(item, skipped=True) as connection:
                await self._jobs.add_items(connection, item.job_id, next_voice(item))
                return
        kind, linked = item.payload.get("type", FACT), await linked_fact(item.payload, self._chunks)
        forms = forms_of(item.payload, options)
        if linked:
            call = hop_questions_call(chunk, facts[0], linked, forms.wanted(options), language, voice)
        else:
            call = questions_call(kind, chunk, facts, forms.wanted(options), language, voice)
        values = {**call.values, "known": forms.asked}
        prompt = await self._prompts.filled(generation, call.prompt, language, values)
        task = Task(item, generation, provider, chunk.id, prompt, call.schema, call.parse)
        async with self._asker.asked(task) as asked:
            written = [
                (fact, new_question(subject, form, text, language, options, pair_id, forms.known))
                for fact, texts in zip(facts, asked.value, strict=True)
                for subject in [Subject(kind, chunk, fact, linked)]
                for form, text in enumerate(texts or (), forms.first)
            ]
            places = {question.id: [fact.start, fact.end] for fact, question in written}
            questions = [question for _, question in written]
            async with pausing(self._jobs, item):
                meanings = await self._embeddings.of(generation, chunk.id, questions)
            misfits = sum(texts is None for texts in asked.value)
            unfit = misfits * forms.lost(options)
            missing = (len(facts) - misfits) * forms.count + unfit - len(questions)
            told = {name: item.payload[name] for name in ("type", "link") if name in item.payload}
            told |= {"voices": forms.voices} if forms.voices else {}

            async def store(connection: Connection) -> None:
                waiting = await self._questions.insert(
                    connection, generation, asked.call, questions, asked.settlement, missing, meanings, unfit
                )
                # What was begun is ended first, so that answers come early.
                items = [
                    NewItem("write_answer", one, one, {"fact": places[one], **told}, item.turn)
                    for one in waiting
                ]
                if forms.voices:
                    begun = [places[one] for one in waiting]
                    items += unprobed(item, told, options, zip(facts, asked.value, strict=True), begun)
                await self._jobs.add_items(connection, item.job_id, items)

            await self._jobs.finish_held(item, store)

    async def write_answer(self, item: Item) -> None:
        """Have a question answered from its chunk, find the quote, and keep or reject the answer."""
        generation, provider, question = await self._questions.get_open(item.resource_id)
        chunk = await self._chunks.get(question.chunk_id)
        options, language = generation.options, self._language(generation, chunk)
        subject = await subject_of(item, chunk, self._chunks)
        call = answer_call_of(subject, question, options, language)
        prompt = await self._prompts.filled(generation, call.prompt, language, call.values)
        task = Task(item, generation, provider, chunk.id, prompt, call.schema, call.parse)
        async with self._asker.asked(task) as asked:
            answer, rejection = checked(subject, question.text, asked, options, language)
            judged = options.gates.judge is not None and rejection is None

            async def store(connection: Connection) -> None:
                await self._questions.set_answer(
                    connection, question, answer, rejection, asked.settlement, judged=judged
                )
                following = after_answer(item, options, question, kept=rejection is None)
                await self._jobs.add_items(connection, item.job_id, following)

            await self._jobs.finish_held(item, store)

    async def _plans(
        self, generation: Generation, chunks: Sequence[SourceChunk], find: Linker
    ) -> list[tuple[SourceChunk, list[NewItem]]]:
        """Chunks with their items: once for each enabled pair of the document where these are wanted."""
        pairs: Mapping[str, Sequence[GenreAudience]] = {}
        if generation.options.genre_audiences:
            documents = list({chunk.document_id for chunk in chunks})
            pairs = await self._pairs.of_documents(generation.project_id, documents, enabled=True)
        return [
            (chunk, planned(chunk, generation, pairs.get(chunk.document_id, ()), find)) for chunk in chunks
        ]

    def _language(self, generation: Generation, chunk: SourceChunk) -> str:
        return generation.options.language or language_of(chunk.text)


def planned(
    chunk: SourceChunk,
    generation: Generation,
    pairs: Sequence[GenreAudience] = (),
    find: Linker = unlinked,
    facts: Sequence[Fact] | None = None,
) -> list[NewItem]:
    """The items of a chunk: facts, a few at a time, for each of these pairs; then its templates.

    Args:
        chunk: the chunk.
        generation: what is wanted.
        pairs: in whose voices.
        find: finds facts that belong to others.
        facts: what alone is asked about; nothing for as many as the generation wants, and templates.
    """
    templates = template_items(chunk, generation.options) if facts is None else []
    if generation.options.templates_only:
        return templates
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
        for batch in batches(chunk, generation.options, find, facts)
        for voice, payload in (first if asks_first(batch.type, generation.options) else voices) or [("", {})]
    ] + templates


def links_of(plans: Sequence[tuple[SourceChunk, Sequence[NewItem]]]) -> dict[str, list[list[Any]]]:
    """The links of planned items, as `known_links` takes them."""
    return {
        chunk.id: [
            [new.payload["facts"][0][0], *new.payload["link"]] for new in plan if "link" in new.payload
        ]
        for chunk, plan in plans
    }


def fact_of(item: Item, chunk: SourceChunk) -> Fact:
    """The fact of a question with its place in the chunk, whose text never changes, as its place may."""
    start, end = item.payload["fact"]
    return Fact(start, end, chunk.text[start:end])


async def subject_of(item: Item, chunk: SourceChunk, chunks: ChunkReader) -> Subject:
    """What the question of an item is about."""
    linked = await linked_fact(item.payload, chunks)
    return Subject(item.payload.get("type", FACT), chunk, fact_of(item, chunk), linked)
