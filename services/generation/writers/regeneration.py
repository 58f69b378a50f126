"""Questions and answers that are regenerated, in place of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from services.generation.asking.asking import Task
from services.generation.asking.refusing import pausing
from services.generation.generations.generations import GenerationOptions
from services.generation.generations.kinds import RegenerationOptions
from services.generation.genre_audiences.genre_audiences import Voice
from services.generation.questions.filling import chunk_language, place
from services.generation.questions.further_forms import OUTPUT_INCOMPLETE, TYPE_NOT_IN_TEXT
from services.generation.questions.links import Link, LinkedFact
from services.generation.questions.multi_hop import hop_questions_call
from services.generation.questions.question_types import Batch, QuestionsCall, questions_call
from services.generation.questions.questions import NewQuestion, Question
from services.generation.questions.store import NewQuestions
from services.generation.questions.subjects import Subject, new_question
from services.generation.regeneration.original_store import insert_again
from services.generation.regeneration.regeneration import (
    CHUNK_GONE,
    FACT_GONE,
    ORIGINAL_GONE,
    ORIGINAL_REPLACED,
    Gone,
    fact_in,
    grouped,
    is_replaced,
    named_ids,
    nearest_fact,
)
from services.generation.sources.chunk_reader import ChunkReader, SourceChunk
from services.generation.writers.desk import Desk
from services.runtime.at_once import each_of
from services.runtime.db import Connection
from services.runtime.jobs import Item, NewItem
from sishu.errors import ApiError


class QuestionRegenerator:
    """Does the items of generations that regenerate questions.

    `plan_regeneration` makes the `regenerate_questions` items (one for the forms about one fact), or, where
    only answers are wanted, the `regenerate_answer` items. Both make the `write_answer` items of the new
    questions. Of candidates it makes the `regenerate_candidate` items.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def plan_regeneration(self, item: Item) -> None:
        """Make an item for each call that regenerates something."""
        generation = await self._desk.store.get_generation(item.job_resource_id)
        items = await self._planned(generation.options)
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.jobs.add_items(connection, item.job_id, items)

    async def regenerate_questions(self, item: Item) -> None:
        """Have the forms of a question about a fact regenerated, and an item made for the answer of each."""
        desk, ids = self._desk, item.payload["question_ids"]
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        try:
            originals, lost = standing(ids, await desk.originals.questions(ids))
            subject = await subject_of(desk.chunks, originals)
        except Gone as gone:
            async with desk.jobs.finish(item, skipped=gone.failure):
                return
        options, language = generation.options, chunk_language(subject.chunk, generation.options)
        options = replace(options, forms_per_fact=1 + max(one.form for one in originals))
        pair_id = originals[0].genre_audience_id
        voice = await self._desk.pairs.find_voice(pair_id) if pair_id else None
        call = call_of(subject, options, language, voice)
        prompt = await desk.prompts.filled(generation, call.prompt, language, call.values)
        task = Task(item, generation, provider, subject.chunk.id, prompt, call.schema, call.parse)
        async with desk.asker.asked(task) as asked:
            questions = regenerated(originals, asked.value[0] or (), subject, language, options)
            async with pausing(desk.jobs, item):
                meanings = await self._desk.embeddings.of(generation, subject.chunk.id, questions)
            lacking = TYPE_NOT_IN_TEXT if asked.value[0] is None else OUTPUT_INCOMPLETE
            missing = {**lost, lacking: len(originals) - len(questions)}

            new = NewQuestions(generation, asked.call, questions, asked.settlement, missing, meanings)

            async def store(connection: Connection) -> None:
                (waiting,) = await desk.questions.insert(connection, new)
                items = [answer_item(one, subject, item) for one in waiting]
                await desk.jobs.add_items(connection, item.job_id, items)

            await desk.jobs.finish_held(item, store)

    async def regenerate_answer(self, item: Item) -> None:
        """Take the words of a question over, and have an item made for its answer."""
        desk = self._desk
        generation = await desk.store.get_generation(item.job_resource_id)
        ids = [item.resource_id]
        try:
            originals, _ = standing(ids, await desk.originals.questions(ids))
            subject = await subject_of(desk.chunks, originals)
        except Gone as gone:
            async with desk.jobs.finish(item, skipped=gone.failure):
                return
        async with desk.jobs.finish(item) as connection:
            new = await insert_again(connection, generation, originals[0])
            await desk.jobs.add_items(connection, item.job_id, [answer_item(new, subject, item)])

    async def _planned(self, options: GenerationOptions) -> list[NewItem]:
        own, ids = options.regeneration or RegenerationOptions(), named_ids(options)
        if options.kind != "questions" or own.answers_only:
            kind = "regenerate_answer" if own.answers_only else "regenerate_candidate"
            return [NewItem(kind, one, one) for one in ids]
        groups = grouped(ids, await self._desk.originals.places(ids))
        return [NewItem("regenerate_questions", one[0], one[0], {"question_ids": one}) for one in groups]


def standing(ids: Sequence[str], found: Sequence[Question]) -> tuple[list[Question], dict[str, int]]:
    """The originals that can be replaced still, and how many are lost, by the reason.

    Args:
        ids: all that were named.
        found: those of them that are there.

    Raises:
        Gone: all are lost.
    """
    originals = [one for one in found if not is_replaced(one.rejection)]
    if not originals:
        raise Gone(ORIGINAL_REPLACED if found else ORIGINAL_GONE)
    gone, replaced = len(ids) - len(found), len(found) - len(originals)
    return originals, {ORIGINAL_GONE.reason: gone, ORIGINAL_REPLACED.reason: replaced}


async def subject_of(chunks: ChunkReader, originals: Sequence[Question]) -> Subject:
    """What questions are about, forms of one, with its place in the chunks.

    Raises:
        Gone: something of it is not there any more.
    """
    one = originals[0]
    needed = one.chunk_ids[: 2 if one.linked_facts else 1]
    chunk, *others = await each_of(needed, partial(chunk_of, chunks))
    fact = fact_in(chunk, one.fact) if one.fact else nearest_fact(chunk, one.text)
    if fact is None:
        raise Gone(FACT_GONE)
    if not one.linked_facts:
        return Subject(one.type, chunk, fact)
    linked = fact_in(others[0], one.linked_facts[0])
    if linked is None:
        raise Gone(FACT_GONE)
    return Subject(one.type, chunk, fact, LinkedFact(others[0], linked))


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


def call_of(
    subject: Subject, options: GenerationOptions, language: str, voice: Voice | None
) -> QuestionsCall:
    """What is asked for questions about a subject."""
    if subject.linked:
        return hop_questions_call(subject.chunk, subject.fact, subject.linked, options, language, voice)
    return questions_call(subject.type, subject.chunk, [subject.fact], options, language, voice)


def regenerated(
    originals: Sequence[Question],
    texts: Sequence[str],
    subject: Subject,
    language: str,
    options: GenerationOptions,
) -> list[NewQuestion]:
    """What was written in place of some forms of a question: to each the text of its number, if it came."""
    return [
        replace(
            new_question(subject, one.form, texts[one.form], language, options, one.genre_audience_id),
            replaces_id=one.id,
        )
        for one in originals
        if one.form < len(texts)
    ]


def answer_item(question_id: str, subject: Subject, item: Item) -> NewItem:
    """The item that answers a question."""
    batch = Batch(subject.type, [subject.fact], link_of(subject))
    told = {name: value for name, value in batch.payload.items() if name != "facts"}
    payload = {"fact": place(subject.fact), **told}
    return NewItem("write_answer", question_id, question_id, payload, item.turn)


def link_of(subject: Subject) -> Link | None:
    """The link of a subject, as items are told of it."""
    linked = subject.linked
    return Link(linked.chunk.id, *place(linked.fact)) if linked else None
