"""Have candidates judged that passed the gates of the program."""

from __future__ import annotations

from services.generation.asking.asking import Task
from services.generation.candidates.candidate_judging import check_verdict, judging_of, said_of
from services.generation.gates.judgement_store import set_candidate_judgement
from services.generation.generations.kinds import Judge
from services.generation.questions.filling import chunk_language
from services.generation.writers.desk import Desk
from services.runtime.db import Connection
from services.runtime.errors import NotFound
from services.runtime.jobs import Item


class CandidateJudge:
    """Does the items `judge_candidate`, one for each candidate that is to be judged."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def judge_candidate(self, item: Item) -> None:
        """Have a candidate judged beside its source, and keep or reject it; one that is gone is skipped."""
        desk = self._desk
        generation, writer = await desk.store.get_origin(item.job_resource_id)
        try:
            candidate = await desk.candidates.get(item.resource_id)
        except NotFound:
            async with desk.jobs.finish(item, skipped=True):
                return
        options, judge = generation.options, generation.options.gates.judge or Judge()
        provider = await self._desk.providers.get(judge.provider_id) if judge.provider_id else writer
        chunks = await desk.chunks.several(candidate.chunk_ids)
        language = chunk_language(chunks[0], options)
        wanted = judging_of(candidate, chunks, language, options)
        prompt = await desk.prompts.filled(generation, wanted.prompt, language, wanted.values)
        task = Task(
            item,
            generation,
            provider,
            chunks[0].id,
            prompt,
            wanted.schema,
            wanted.parse,
            own_sampling=judge.sampling,
        )
        async with desk.asker.asked(task) as asked:
            judgement, rejection = said_of(asked.value, asked.call), check_verdict(asked.value, options.gates)

            async def store(connection: Connection) -> None:
                await set_candidate_judgement(connection, candidate, judgement, rejection, asked.settlement)

            await desk.jobs.finish_held(item, store)
