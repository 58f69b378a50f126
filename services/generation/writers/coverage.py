"""Questions about sections until these are covered, in rounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from typing import Any

from services.generation.coverage.coverage import (
    Choice,
    ChunkFacts,
    Round,
    Share,
    Tally,
    facts_of,
    lacking,
    share_of,
    tally,
)
from services.generation.generations.generations import Generation
from services.generation.generations.kinds import CoverageOptions
from services.generation.question_templates.question_templates import template_items
from services.generation.questions.links import linker, unlinked
from services.generation.questions.question_types import MULTI_HOP
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.section_reader import Place, Section
from services.generation.writers.desk import Desk
from services.generation.writers.questions import planned
from services.runtime.errors import Unavailable
from services.runtime.in_work import item_waiting, waiting_for
from services.runtime.jobs import Item, NewItem

PAGE_CHUNKS = 400
"""Chunks after which another item plans on, at the end of a section or a part of it."""
LOOK_SECONDS = 0.5
LOOKS = 6
"""How often it is looked whether a round has ended before the item is put off."""
RUNNING = "ROUND_RUNNING"


@dataclass(frozen=True)
class PageOfSections:
    """About what one item plans.

    Args:
        seen: how far the look is after it.
        choices: the facts that are asked about.
        chunks: all chunks of the page.
        following: where the next page begins; nothing after the last one.
        share: of the section inside of which it begins; nothing where it begins with one.
    """

    seen: Round
    choices: Sequence[Choice]
    chunks: Sequence[SourceChunk]
    following: Place | None = None
    share: Share | None = None

    @property
    def after(self) -> dict[str, Any] | None:
        """What the next item is told: of the next page, or of the next round; nothing where there is none."""
        if self.following:
            share = {"share": asdict(self.share)} if self.share else {}
            return payload(replace(self.seen, page=self.seen.page + 1), place=asdict(self.following), **share)
        if self.seen.facts:
            return payload(Round(self.seen.number + 1), before=asdict(self.seen))
        return None


class CoverageWriter:
    """Plans the items of a generation that goes on until sections are covered.

    `plan_coverage` (one a page of sections) makes `write_questions` items about facts of sections that lack
    something, and the next page, on which a large section goes on, counted as a whole before. The last page
    of a round makes the first one of the next round, which waits until all other items of the job have ended.
    What a round asks about, whatever comes of it, no later one asks about again. After the last round, or one
    that found nothing to ask about, all are looked at once more, so that the generation says how many lack
    something.
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
        share = item.payload.get("share")
        place = Place(**item.payload.get("place", {}))
        page = await self._look(generation, seen, place, Share(**share) if share else None)
        items = await self._items(generation, page)
        seen, after = page.seen, page.after
        if not page.following and seen.number == 1:
            await self._desk.changes.mark_after(generation)
        async with self._desk.jobs.finish(item) as connection:
            await self._desk.coverage.add_planned(connection, generation.id, page.choices)
            if not page.following:
                await self._desk.coverage.set_sections(connection, generation.id, seen)
            # The next page comes first, so that the job's total is known soon.
            more = [NewItem(item.kind, key_in(after), payload=after, turn=item.turn)] if after else []
            await self._desk.jobs.add_items(connection, item.job_id, [*more, *items])

    async def _look(
        self, generation: Generation, seen: Round, place: Place, share: Share | None
    ) -> PageOfSections:
        """A page of sections; it begins inside of one that has a share."""
        options, chunks = options_of(generation), list[SourceChunk]()
        choices = list[Choice]()

        async def look(page: Sequence[SourceChunk]) -> dict[str, ChunkFacts]:
            ids = [chunk.id for chunk in page]
            asked = await self._desk.coverage.asked(generation.project_id, ids)
            own = await self._desk.coverage.planned(generation.id, ids)
            return await asyncio.to_thread(sorted_facts, page, asked, own)

        walk = self._desk.sections.sections(
            generation.project_id, generation.options.document_ids, place, look
        )
        async with aclosing(walk) as sections:
            async for part in sections:
                if share is None or not share.is_of(part):
                    whole = tally(part.found)
                    whole += Tally() if part.ends else await rest_of(sections)
                    wanted = lacking(whole, options)
                    share = share_of(part, whole, wanted if seen.number <= options.max_rounds else 0)
                    seen = replace(seen, sections=seen.sections + 1, lacking=seen.lacking + (wanted > 0))
                taken, share = share.of_part(part.found)
                choices += taken
                chunks += (one.chunk for one in part.found)
                seen = replace(seen, facts=seen.facts + sum(len(one.facts) for one in taken))
                if part.following and (len(chunks) >= PAGE_CHUNKS or not part.ends):
                    return PageOfSections(seen, choices, chunks, part.following, None if part.ends else share)
                share = None if part.ends else share
        return PageOfSections(seen, choices, chunks)

    async def _items(self, generation: Generation, page: PageOfSections) -> list[NewItem]:
        documents = list({one.chunk.document_id for one in page.choices})
        hops = MULTI_HOP in generation.options.question_types
        find = await asyncio.to_thread(linker, page.chunks) if hops else unlinked
        pairs = (
            await self._desk.pairs.of_documents(generation.project_id, documents, enabled=True)
            if generation.options.genre_audiences
            else {}
        )
        items = [
            new
            for one in page.choices
            for new in planned(
                one.chunk, generation, pairs.get(one.chunk.document_id, ()), find, one.facts, one.before
            )
        ]
        if page.seen.number == 1:
            items += (new for chunk in page.chunks for new in template_items(chunk, generation.options))
        return items

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


async def rest_of(parts: AsyncIterator[Section[ChunkFacts]]) -> Tally:
    """The facts of a section in the parts after the first, counted."""
    whole = Tally()
    async for part in parts:
        whole += tally(part.found)
        if part.ends:
            break
    return whole


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
