"""Examples of the dataset room, judged again or with their answers written anew."""

from __future__ import annotations

from collections.abc import Sequence

from services.generation.asking.asking import Task
from services.generation.candidates.examples import (
    EXAMPLE_GONE,
    EXAMPLE_WITHOUT_ANSWER,
    SourceExample,
    improvement,
    judged,
    judging_of,
    language_in,
)
from services.generation.gates.judging import judgement_of
from services.generation.regeneration.regeneration import Gone
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.candidates import write_assignment
from services.generation.writers.desk import Desk
from services.generation.writers.regeneration import chunk_of
from services.runtime.db import Connection
from services.runtime.jobs import Item, NewItem

ITEMS = {"judge_examples": "judge_example", "improve_examples": "improve_example"}
"""By kind of the generation, that of the items that do one example each."""


class ExampleWriter:
    """Does the items of generations of `judge_examples` and `improve_examples`.

    `plan_examples` (one a page of examples) makes an item for each. Its example is read when the item is
    done: what becomes of it holds for the revision that was read, which is stored with the result.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def plan_examples(self, item: Item) -> None:
        """Make an item for each of a page of examples, and one for the next page."""
        desk = self._desk
        generation = await desk.store.get_generation(item.job_resource_id)
        options, token = generation.options, item.payload.get("page_token", "")
        found, token = await desk.examples.page(generation.project_id, options.example_filter, token)
        items = [NewItem(ITEMS[options.kind], one, one) for one in found]
        if token:
            # The next page comes first, so that the job's total is known soon.
            following = {"page_token": token}
            items = [NewItem(item.kind, str(int(item.key) + 1), None, following, item.turn), *items]
        async with desk.jobs.finish(item) as connection:
            await desk.jobs.add_items(connection, item.job_id, items)

    async def judge_example(self, item: Item) -> None:
        """Have an example judged, beside its chunks where these are still there."""
        desk = self._desk
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        try:
            example, chunks = await self._sources(item)
        except Gone as gone:
            async with desk.jobs.finish(item, skipped=gone.failure):
                return
        judging = judging_of(example, chunks, generation.options)
        language = language_in(example.turns, generation.options)
        prompt = await desk.prompts.filled(generation, judging.prompt, language, judging.values)
        chunk_id = chunks[0].id if chunks else None
        task = Task(item, generation, provider, chunk_id, prompt, judging.schema, judging.parse)
        async with desk.asker.asked(task) as asked:
            new = judged(example, chunks, judgement_of(asked.value, asked.call))

            async def store(connection: Connection) -> None:
                await desk.candidates.insert(connection, generation, asked, new)

            await desk.jobs.finish_held(item, store)

    async def improve_example(self, item: Item) -> None:
        """Have the answer of an example written anew; one without an answer is skipped."""
        desk = self._desk
        generation, provider = await desk.store.get_origin(item.job_resource_id)
        try:
            example, chunks = await self._sources(item)
            if not example.answer:
                raise Gone(EXAMPLE_WITHOUT_ANSWER)
        except Gone as gone:
            async with desk.jobs.finish(item, skipped=gone.failure):
                return
        wanted = improvement(example, chunks, generation.options)
        chunk_id = chunks[0].id if chunks else None
        await write_assignment(desk, item, generation, provider, chunk_id, wanted)

    async def _sources(self, item: Item) -> tuple[SourceExample, Sequence[SourceChunk]]:
        """The example of an item, and those of its chunks that are still there.

        Raises:
            Gone: the example was deleted.
        """
        example = await self._desk.examples.get(item.resource_id)
        if example is None:
            raise Gone(EXAMPLE_GONE)
        chunks = []
        for chunk_id in example.chunk_ids:
            try:
                chunks.append(await chunk_of(self._desk.chunks, chunk_id))
            except Gone:
                continue
        return example, chunks
