"""Candidates that are regenerated, in place of others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.generation.candidates.assignments import Assignment
from services.generation.candidates.candidates import Candidate, Passage, PreferencePair
from services.generation.candidates.preference_pairs import assignment
from services.generation.generations.generations import GenerationOptions
from services.generation.regeneration.regeneration import (
    ORIGINAL_GONE,
    ORIGINAL_REPLACED,
    QUESTION_GONE,
    Gone,
    candidate_payload,
    is_replaced,
)
from services.generation.writers.candidates import KINDS, write_assignment
from services.generation.writers.desk import Desk
from services.generation.writers.preference_pairs import pair_sources
from services.generation.writers.regeneration import chunk_of
from services.runtime.errors import NotFound
from services.runtime.jobs import Item


class CandidateRegenerator:
    """Does the items `regenerate_candidate`, one for each candidate that is to be regenerated."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def regenerate_candidate(self, item: Item) -> None:
        """Have a candidate written about the same as another one; where something of it is gone, skip it."""
        desk = self._desk
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        try:
            original = await self._original(item.resource_id)
            wanted = await self._wanted(original, generation.options)
        except Gone as gone:
            async with desk.jobs.finish(item, skipped=gone.failure):
                return
        await write_assignment(desk, item, generation, provider, original.chunk_ids[0], wanted, original.id)

    async def _original(self, candidate_id: str) -> Candidate:
        try:
            original = await self._desk.candidates.get(candidate_id)
        except NotFound as error:
            raise Gone(ORIGINAL_GONE) from error
        if is_replaced(original.rejection):
            raise Gone(ORIGINAL_REPLACED)
        return original

    async def _wanted(self, original: Candidate, options: GenerationOptions) -> Assignment[Any]:
        """What a model is asked.

        Raises:
            Gone: the chunk, the question or the facts are not there any more.
        """
        chunk = await chunk_of(self._desk.chunks, original.chunk_ids[0])
        if not isinstance(original.content, PreferencePair):
            payload = candidate_payload(original, chunk)
            wanted = KINDS[options.kind].assignment(chunk, payload, options)
            return about(original, wanted) if isinstance(original.content, Passage) else wanted
        question, chunks = await pair_sources(self._desk, original.question_id)
        if question is None or question.answer is None or not chunks:
            raise Gone(QUESTION_GONE)
        return assignment(question, question.answer, chunks, original.content.flaw, options)


def about(original: Candidate, wanted: Assignment[Any]) -> Assignment[Any]:
    """An assignment about a whole chunk whose result counts for the facts for which the original does."""
    return replace(wanted, made=lambda written: replace(wanted.made(written), fact_ids=original.fact_ids))
