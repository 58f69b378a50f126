"""Preference pairs of the answered questions of a project."""

from __future__ import annotations

from services.generation.candidates.preference_pairs import assignment, flaw_of
from services.generation.generations.kinds import PreferencePairOptions
from services.generation.questions.questions import Question
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.candidates import write_assignment
from services.generation.writers.desk import Desk
from services.runtime.errors import NotFound
from services.runtime.jobs import Item, NewItem
from sishu.errors import ApiError

PAGE = 500


class PreferencePairWriter:
    """Does the items of a generation of preference pairs.

    `plan_preference_pairs` (one a page of questions) makes the `write_preference_pair` items.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def plan_preference_pairs(self, item: Item) -> None:
        """Make an item for each of a page of answered questions, and one for the next page."""
        desk, after, count = self._desk, item.payload.get("after", ""), item.payload.get("count", 0)
        generation = await desk.store.get_generation(item.job_resource_id)
        own = generation.options.preference_pairs or PreferencePairOptions()
        found = await desk.candidates.answered(generation.project_id, own.generation_id, after, PAGE)
        items = [
            NewItem("write_preference_pair", one, one, {"flaw": flaw_of(generation.options, number)})
            for number, one in enumerate(found, count)
        ]
        if len(found) == PAGE:
            following = {"after": found[-1], "count": count + len(found)}
            items = [NewItem(item.kind, str(int(item.key) + 1), None, following, item.turn), *items]
        async with desk.jobs.finish(item) as connection:
            await desk.jobs.add_items(connection, item.job_id, items)

    async def write_preference_pair(self, item: Item) -> None:
        """Have a bad answer written; a question that is gone meanwhile, or whose chunk is, is skipped."""
        desk = self._desk
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        question, chunks = await pair_sources(desk, item.resource_id)
        if question is None or question.answer is None or not chunks:
            async with desk.jobs.finish(item, skipped=True):
                return
        wanted = assignment(question, question.answer, chunks, item.payload["flaw"], generation.options)
        await write_assignment(desk, item, generation, provider, chunks[0].id, wanted)


async def pair_sources(desk: Desk, question_id: str | None) -> tuple[Question | None, list[SourceChunk]]:
    """A question and its chunks; nothing of what is not there."""
    if not question_id:
        return None, []
    try:
        question = await desk.questions.get(question_id)
        return question, await desk.chunks.several(question.chunk_ids)
    except NotFound:
        return None, []
    except ApiError as error:
        if error.code != "NOT_FOUND":
            raise
        return None, []
