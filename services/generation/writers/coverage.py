"""Questions about sections until these are covered, in rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any

from services.generation.coverage.coverage import Choice, ChunkFacts, Round, chosen, facts_of, lacking
from services.generation.generations.generations import Generation
from services.generation.generations.kinds import CoverageOptions
from services.generation.question_templates.question_templates import template_items
from services.generation.questions.links import linker, unlinked
from services.generation.questions.question_types import MULTI_HOP
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.section_reader import Place
from services.generation.writers.desk import Desk
from services.generation.writers.questions import planned
from services.runtime.errors import Unavailable
from services.runtime.in_work import item_waiting, waiting_for
from services.runtime.jobs import Item, NewItem

PAGE_CHUNKS = 400
"""Chunks about which one item plans; all of a section together."""
LOOK_SECONDS = 0.5
LOOKS = 6
"""How often it is looked whether a round has ended before the item is put off."""
RUNNING = "ROUND_RUNNING"


class CoverageWriter:
    """Plans the items of a generation that goes on until sections are covered.

    `plan_coverage` (one a page of sections) makes `write_questions` items about facts of sections that lack
    something, and the next page; the last page of a round makes the first one of the next round, which waits
    until all other items of the job have ended. What a round asks about, whatever comes of it, no later one
    asks about again. After the last round, or one that found nothing to ask about, all are looked at once
    more, so that the generation says how many lack something.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def plan_coverage(self, item: Item) -> None:
        """Choose facts in a page of sections; make items for the calls about them, and the next page."""
        generation = await self._desk.store.get_generation(item.job_resource_id)
        options = options_of(generation)
        seen = Round(**item.payload.get("round", {}))
        if seen.page == 0 and seen.number > 1:
            await self._round_ended(item, Round(**item.payload["before"]), options.max_rounds)
        seen, facts, chunks, following = await self._look(
            generation, seen, Place(**item.payload.get("place", {}))
        )
        items = await self._items(generation, facts, chunks)
        if seen.number == 1:
            items += (new for chunk in chunks for new in template_items(chunk, generation.options))
        if following:
            after = payload(replace(seen, page=seen.page + 1), place=asdict(following))
        elif seen.facts:
            after = payload(Round(seen.number + 1), before=asdict(seen))
        else:
            after = None
        if not following and seen.number == 1:
            await self._desk.changes.mark_after(generation)
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.coverage.add_planned(connection, generation.id, facts)
            if not following:
                await self._desk.coverage.set_sections(connection, generation.id, seen)
            # The next page comes first, so that the job's total is known soon.
            more = [NewItem(item.kind, key_in(after), payload=after, turn=item.turn)] if after else []
            await self._desk.jobs.add_items(connection, item.job_id, [*more, *items])

    async def _look(
        self, generation: Generation, seen: Round, place: Place
    ) -> tuple[Round, Sequence[Choice], Sequence[SourceChunk], Place | None]:
        """What a page of sections lacks, its chunks, and where the next one begins."""
        options, chunks = options_of(generation), list[SourceChunk]()
        facts = list[Choice]()

        async def look(page: Sequence[SourceChunk]) -> dict[str, ChunkFacts]:
            ids = [chunk.id for chunk in page]
            asked = await self._desk.coverage.asked(generation.project_id, ids)
            own = await self._desk.coverage.planned(generation.id, ids)
            return await asyncio.to_thread(sorted_facts, page, asked, own)

        walk = self._desk.sections.sections(
            generation.project_id, generation.options.document_ids, place, look
        )
        async with aclosing(walk) as sections:
            async for section in sections:
                wanted = lacking(section, options)
                taken = chosen(section, wanted) if seen.number <= options.max_rounds else []
                facts += taken
                seen = replace(
                    seen,
                    sections=seen.sections + 1,
                    lacking=seen.lacking + (wanted > 0),
                    facts=seen.facts + sum(len(one.facts) for one in taken),
                )
                chunks += (one.chunk for one in section.found)
                if section.following and len(chunks) >= PAGE_CHUNKS:
                    return seen, facts, chunks, section.following
        return seen, facts, chunks, None

    async def _items(
        self, generation: Generation, facts: Sequence[Choice], chunks: Sequence[SourceChunk]
    ) -> list[NewItem]:
        documents = list({one.chunk.document_id for one in facts})
        hops = MULTI_HOP in generation.options.question_types
        find = await asyncio.to_thread(linker, chunks) if hops else unlinked
        pairs = (
            await self._desk.pairs.of_documents(generation.project_id, documents, enabled=True)
            if generation.options.genre_audiences
            else {}
        )
        return [
            new
            for one in facts
            for new in planned(
                one.chunk, generation, pairs.get(one.chunk.document_id, ()), find, one.facts, one.before
            )
        ]

    async def _round_ended(self, item: Item, before: Round, rounds: int) -> None:
        """Wait until all other items of the job have ended.

        Raises:
            Unavailable: they have not; the item is handed out again later.
        """
        told = before.told(rounds)
        with waiting_for(lambda: told):
            for _ in range(LOOKS):
                if not await self._desk.coverage.is_working(item):
                    return
                async with item_waiting():
                    await asyncio.sleep(LOOK_SECONDS)
        raise Unavailable(RUNNING, told)


def options_of(generation: Generation) -> CoverageOptions:
    """How far sections are to be covered."""
    return generation.options.coverage or CoverageOptions(1)


def sorted_facts(
    chunks: Sequence[SourceChunk],
    asked: Mapping[str, Mapping[str, bool]],
    planned_at: Mapping[str, Sequence[int]],
) -> dict[str, ChunkFacts]:
    """The facts of chunks by what became of them, by chunk."""
    return {
        chunk.id: facts_of(chunk, asked.get(chunk.id, {}), planned_at.get(chunk.id, ())) for chunk in chunks
    }


def payload(seen: Round, **more: Mapping[str, Any]) -> dict[str, Any]:
    """What an item is told of its work."""
    return {"round": asdict(seen), **more}


def key_in(told: Mapping[str, Any]) -> str:
    """The key of an item that is told this."""
    return Round(**told["round"]).key
