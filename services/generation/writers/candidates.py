"""Candidates about chunks: conversations, passages and exam items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from services.generation.asking.asking import Task
from services.generation.candidates import conversations, exam_items, passages
from services.generation.candidates.assignments import Assignment, Payload
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.providers.providers import Provider
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.writers.desk import Desk
from services.runtime.db import Connection
from services.runtime.jobs import Item, NewItem

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """How candidates of a kind are written about chunks.

    Args:
        item: kind of the items that write one each.
        plans: the payloads of a chunk's items; is told how many there are of the chunks before.
        assignment: what a model is asked for an item.
    """

    item: str
    plans: Callable[[SourceChunk, GenerationOptions, int], list[Payload]]
    assignment: Callable[[SourceChunk, Payload, GenerationOptions], Assignment[Any]]


KINDS: Mapping[str, Kind] = {
    "conversations": Kind("write_conversation", conversations.plans, conversations.assignment),
    "passages": Kind("write_passage", passages.plans, passages.assignment),
    "exam_items": Kind("write_exam_item", exam_items.plans, exam_items.assignment),
}
"""By kind of the generation."""


async def write_assignment(
    desk: Desk,
    item: Item,
    generation: Generation,
    provider: Provider,
    chunk_id: str | None,
    assignment: Assignment[T],
    replaces_id: str | None = None,
) -> None:
    """Do an assignment: ask, hold the answer against the gates, and store it as the item's result.

    What is to be judged gets an item for that; `replaces_id` is what it is to take the place of.
    """
    prompt = await desk.prompts.filled(generation, assignment.prompt, assignment.language, assignment.values)
    task = Task(item, generation, provider, chunk_id, prompt, assignment.schema, assignment.parse)
    async with desk.asker.asked(task) as asked:
        new = replace(assignment.made(asked.value), replaces_id=replaces_id)

        async def store(connection: Connection) -> None:
            if await desk.candidates.insert(connection, generation, asked, new):
                following = NewItem("judge_candidate", new.id, new.id, turn=item.turn)
                await desk.jobs.add_items(connection, item.job_id, [following])

        await desk.jobs.finish_held(item, store)


class CandidateWriter:
    """Does the items of generations whose candidates are about one chunk each.

    `plan_candidates` (one a page of chunks) makes an item for each candidate, and a `skip_chunk` item for
    each chunk about which there is nothing to write, so that the job says how many these are.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def plan_candidates(self, item: Item) -> None:
        """Make items for the candidates of a page of chunks, and for the next page."""
        desk, payload = self._desk, item.payload
        generation = await desk.store.get_generation(item.job_resource_id)
        chunks, token = await desk.chunks.page(
            generation.project_id, generation.options.document_ids, payload.get("page_token", "")
        )
        chunks = await desk.changes.wanted(generation, chunks)
        items, count = planned(chunks, generation, payload.get("count", 0))
        if token:
            # The next page comes first, so that the job's total is known soon.
            following = {"page_token": token, "count": count}
            items = [NewItem(item.kind, str(int(item.key) + 1), None, following, item.turn), *items]
        else:
            await desk.changes.mark_after(generation)
        async with desk.jobs.finish(item) as connection:
            await desk.jobs.add_items(connection, item.job_id, items)

    async def skip_chunk(self, item: Item) -> None:
        """Count a chunk about which there is nothing to write."""
        async with self._desk.jobs.finish(item, skipped=True):
            pass

    async def write_candidate(self, item: Item) -> None:
        """Have a candidate written about a chunk, and keep or reject it."""
        generation, provider = await self._desk.store.get_origin(item.job_resource_id)
        chunk = await self._desk.chunks.get(item.resource_id)
        kind = KINDS[generation.options.kind]
        assignment = kind.assignment(chunk, item.payload, generation.options)
        await write_assignment(self._desk, item, generation, provider, chunk.id, assignment)


def planned(chunks: Sequence[SourceChunk], generation: Generation, count: int) -> tuple[list[NewItem], int]:
    """The items of a page of chunks, and how many candidates there are with those of the pages before."""
    kind, items = KINDS[generation.options.kind], list[NewItem]()
    for chunk in chunks:
        payloads = kind.plans(chunk, generation.options, count)
        count += len(payloads)
        items += [
            NewItem(kind.item, f"{chunk.id}:{number}", chunk.id, payload)
            for number, payload in enumerate(payloads)
        ] or [NewItem("skip_chunk", chunk.id, chunk.id)]
    return items, count
