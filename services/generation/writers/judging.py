"""Have answers and candidates judged that passed the gates of the program."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from services.generation.asking.asking import Task
from services.generation.asking.call_store import Settlement
from services.generation.candidates import candidate_judging
from services.generation.candidates.candidates import Candidate, ExampleAnswer
from services.generation.candidates.examples import language_in
from services.generation.gates.judgement_store import (
    reject_unseen_candidate,
    reject_without_chunk,
    set_candidate_judgement,
    set_judgement,
)
from services.generation.gates.judging import UNSEEN, Judging, judgement_of
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.generations.kinds import Judge
from services.generation.providers.providers import Provider
from services.generation.questions import question_judging
from services.generation.questions.filling import chunk_language
from services.generation.questions.questions import Judgement
from services.generation.regeneration.regeneration import Gone
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.desk import Desk
from services.generation.writers.questions import subject_of
from services.generation.writers.regeneration import chunk_of
from services.runtime.db import Connection
from services.runtime.errors import NotFound
from services.runtime.failures import Failure
from services.runtime.jobs import Item

Store = Callable[[Connection, Judgement, Failure | None, Settlement], Awaitable[None]]
"""Stores what a judge says, and the rejection that follows from it."""
Reject = Callable[[Connection, str], Awaitable[None]]
"""Rejects what no judge can see."""


class JudgeWriter:
    """Does the items `judge_answer` and `judge_candidate`, one for each that is to be judged.

    What was deleted meanwhile is skipped. What has lost its chunk is rejected: nobody can judge it any more.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def judge_answer(self, item: Item) -> None:
        """Have an answer judged beside its source, and keep or reject it by what the judge says."""
        generation, writer = await self._desk.store.get_origin(item.job_resource_id)
        question = await self._desk.questions.find(item.resource_id)
        if question is None:
            return await self._skip(item)
        chunks = await self._seen(item, question.chunk_ids, reject_without_chunk)
        if chunks is None:
            return None
        subject = await subject_of(item, chunks[0], self._desk.chunks)
        judging = question_judging.judging_of(question, subject, generation.options)

        async def store(
            connection: Connection, said: Judgement, rejection: Failure | None, settlement: Settlement
        ) -> None:
            await set_judgement(connection, question, said, rejection, settlement)

        language = chunk_language(chunks[0], generation.options)
        return await self._judged(item, generation, writer, chunks[0].id, language, judging, store)

    async def judge_candidate(self, item: Item) -> None:
        """Have a candidate judged beside its source, and keep or reject it by what the judge says."""
        generation, writer = await self._desk.store.get_origin(item.job_resource_id)
        try:
            candidate = await self._desk.candidates.get(item.resource_id)
        except NotFound:
            return await self._skip(item)
        chunks = await self._seen(item, candidate.chunk_ids, reject_unseen_candidate)
        if chunks is None:
            return None
        language = candidate_language(candidate, chunks, generation.options)
        judging = candidate_judging.judging_of(candidate, chunks, language, generation.options)

        async def store(
            connection: Connection, said: Judgement, rejection: Failure | None, settlement: Settlement
        ) -> None:
            await set_candidate_judgement(connection, candidate, said, rejection, settlement)

        chunk_id = chunks[0].id if chunks else None
        return await self._judged(item, generation, writer, chunk_id, language, judging, store)

    async def _judged(
        self,
        item: Item,
        generation: Generation,
        writer: Provider,
        chunk_id: str | None,
        language: str,
        judging: Judging,
        store: Store,
    ) -> None:
        """Ask the judge, and store what it says as the item's result."""
        desk, judge = self._desk, generation.options.gates.judge or Judge()
        provider = await desk.providers.get(judge.provider_id) if judge.provider_id else writer
        prompt = await desk.prompts.filled(generation, judging.prompt, language, judging.values)
        task = Task(
            item,
            generation,
            provider,
            chunk_id,
            prompt,
            judging.schema,
            judging.parse,
            own_sampling=judge.sampling,
        )
        async with desk.asker.asked(task) as asked:
            judgement, rejection = judgement_of(asked.value, asked.call), judging.check(asked.value)

            async def result(connection: Connection) -> None:
                await store(connection, judgement, rejection, asked.settlement)

            await desk.jobs.finish_held(item, result)

    async def _seen(self, item: Item, chunk_ids: Sequence[str], reject: Reject) -> list[SourceChunk] | None:
        """The chunks of what is judged; nothing where one is gone: then it is rejected, and the item ends."""
        try:
            return [await chunk_of(self._desk.chunks, one) for one in chunk_ids]
        except Gone:
            async with self._desk.jobs.finish(item, skipped=UNSEEN) as connection:
                await reject(connection, item.resource_id)
            return None

    async def _skip(self, item: Item) -> None:
        async with self._desk.jobs.finish(item, skipped=True):
            pass


def candidate_language(
    candidate: Candidate, chunks: Sequence[SourceChunk], options: GenerationOptions
) -> str:
    """In which language a judge is asked: that of an example is its own, any other that of its chunk."""
    if isinstance(candidate.content, ExampleAnswer):
        return language_in(candidate.content.messages, options)
    return chunk_language(chunks[0], options)
