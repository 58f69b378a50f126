"""Questions and answers that are written anew, in place of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.generation.asking import Task
from services.generation.assignments import chunk_language
from services.generation.chunk_reader import ChunkReader, SourceChunk
from services.generation.embedding import Embeddings
from services.generation.facts import Fact
from services.generation.filling import questions_values
from services.generation.generations import GenerationOptions
from services.generation.genre_audience_store import GenreAudienceStore
from services.generation.kinds import RegenerationOptions
from services.generation.original_store import OriginalStore, insert_again
from services.generation.questions import NewQuestion, Question
from services.generation.refusing import pausing
from services.generation.regeneration import (
    CHUNK_GONE,
    FACT_GONE,
    ORIGINAL_GONE,
    Gone,
    fact_in,
    grouped,
    named_ids,
)
from services.generation.writers.candidates import Desk
from services.generation.writers.questions import new_question
from services.generation.writing import questions_parser, questions_schema
from services.runtime.db import Connection
from services.runtime.jobs import Item, NewItem
from sishu.errors import ApiError


class QuestionRewriter:
    """Does the items of generations that write questions anew.

    `plan_regeneration` makes the `rewrite_questions` items (one for the forms about one fact), or, where only
    answers are wanted, the `rewrite_answer` items. Both make the `write_answer` items of the new questions.
    Of candidates it makes the `rewrite_candidate` items.
    """

    def __init__(
        self, desk: Desk, originals: OriginalStore, pairs: GenreAudienceStore, embeddings: Embeddings
    ) -> None:
        self._desk = desk
        self._originals = originals
        self._pairs = pairs
        self._embeddings = embeddings

    async def plan_regeneration(self, item: Item) -> None:
        """Make an item for each call that writes something anew."""
        generation = await self._desk.store.get_generation(item.job_resource_id)
        items = await self._planned(generation.options)
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.jobs.add_items(connection, item.job_id, items)

    async def rewrite_questions(self, item: Item) -> None:
        """Have the forms of a question about a fact written anew, and an item made for the answer of each."""
        desk, ids = self._desk, item.payload["question_ids"]
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        originals = await self._originals.questions(ids)
        try:
            chunk, fact = await source_of(desk.chunks, originals)
        except Gone as gone:
            async with desk.jobs.finish(item, skipped=gone.failure):
                return
        options, language = generation.options, chunk_language(chunk, generation.options)
        options = replace(options, forms_per_fact=1 + max(one.form for one in originals))
        pair_id = originals[0].genre_audience_id
        voice = await self._pairs.find_voice(pair_id) if pair_id else None
        prompt = await desk.prompts.filled(
            generation, "questions", language, questions_values(chunk, [fact], options, language, voice)
        )
        schema = questions_schema(1, options.forms_per_fact, language)
        parse = questions_parser(1, options.forms_per_fact)
        task = Task(item, generation, provider, chunk.id, prompt, schema, parse)
        async with desk.asker.asked(task) as asked:
            questions = rewritten(originals, asked.value[0], chunk, fact, language, options)
            async with pausing(desk.jobs, item):
                meanings = await self._embeddings.of(generation, chunk.id, questions)

            async def store(connection: Connection) -> None:
                waiting = await desk.questions.insert(
                    connection,
                    generation,
                    asked.call,
                    questions,
                    asked.settlement,
                    len(ids) - len(questions),
                    meanings,
                )
                items = [answer_item(one, fact, item) for one in waiting]
                await desk.jobs.add_items(connection, item.job_id, items)

            await desk.jobs.finish_held(item, store)

    async def rewrite_answer(self, item: Item) -> None:
        """Take the words of a question over, and have an item made for its answer."""
        desk = self._desk
        generation = await desk.store.get_generation(item.job_resource_id)
        originals = await self._originals.questions([item.resource_id])
        try:
            _, fact = await source_of(desk.chunks, originals)
        except Gone as gone:
            async with desk.jobs.finish(item, skipped=gone.failure):
                return
        async with desk.jobs.finish(item) as connection:
            new = await insert_again(connection, generation, originals[0])
            await desk.jobs.add_items(connection, item.job_id, [answer_item(new, fact, item)])

    async def _planned(self, options: GenerationOptions) -> list[NewItem]:
        own, ids = options.regeneration or RegenerationOptions(), named_ids(options)
        if options.kind != "questions" or own.answers_only:
            kind = "rewrite_answer" if own.answers_only else "rewrite_candidate"
            return [NewItem(kind, one, one) for one in ids]
        groups = grouped(ids, await self._originals.places(ids))
        return [NewItem("rewrite_questions", one[0], one[0], {"question_ids": one}) for one in groups]


async def source_of(chunks: ChunkReader, originals: Sequence[Question]) -> tuple[SourceChunk, Fact]:
    """The chunk of questions about one fact, and the fact with its place in it.

    Raises:
        Gone: one of them is not there any more.
    """
    if not originals:
        raise Gone(ORIGINAL_GONE)
    chunk = await chunk_of(chunks, originals[0].chunk_ids[0])
    quote = originals[0].fact
    fact = fact_in(chunk, quote) if quote else None
    if fact is None:
        raise Gone(FACT_GONE)
    return chunk, fact


async def chunk_of(chunks: ChunkReader, chunk_id: str) -> SourceChunk:
    """A chunk.

    Raises:
        Gone: it is not there any more.
    """
    try:
        return await chunks.get(chunk_id)
    except ApiError as error:
        if error.code != "NOT_FOUND":
            raise
        raise Gone(CHUNK_GONE) from error


def rewritten(
    originals: Sequence[Question],
    texts: Sequence[str],
    chunk: SourceChunk,
    fact: Fact,
    language: str,
    options: GenerationOptions,
) -> list[NewQuestion]:
    """What was written in place of some forms of a question: to each the text of its number, if it came."""
    return [
        replace(
            new_question(
                chunk, fact, one.form, texts[one.form], language, options.gates, one.genre_audience_id
            ),
            type=one.type,
            replaces_id=one.id,
        )
        for one in originals
        if one.form < len(texts)
    ]


def answer_item(question_id: str, fact: Fact, item: Item) -> NewItem:
    """The item that answers a question."""
    payload = {"fact": [fact.start, fact.end]}
    return NewItem("write_answer", question_id, question_id, payload, item.turn)
