"""The ledger of coverage: what of a project's documents questions are about, section by section."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from services.generation.coverage.coverage import (
    ChunkCoverage,
    Coverage,
    CoverageFilter,
    askable,
    coverage_of,
)
from services.generation.coverage.store import CoverageStore
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.section_reader import Place, SectionReader
from services.runtime.pages import LARGEST_BYTES, Page, PageRequest, next_token

PAGE_CHUNKS = 1000
"""Chunks after which a page ends, whatever it shows."""


class CoverageLedger:
    """Reads the coverage of sections, as it is now."""

    def __init__(self, sections: SectionReader, store: CoverageStore) -> None:
        self._sections = sections
        self._store = store

    async def list_page(self, page: PageRequest, wanted: CoverageFilter) -> Page[Coverage]:
        """The coverage of sections, by document and place.

        A page ends where it is full, or large, or about 1,000 chunks were looked at.

        Raises:
            ApiError: the ingest room is away.
        """

        async def look(chunks: Sequence[SourceChunk]) -> dict[str, ChunkCoverage]:
            ids = [chunk.id for chunk in chunks]
            counts = await self._store.counts(wanted.project_id, wanted.generation_id, ids)
            sizes = await asyncio.to_thread(sentences_of, chunks)
            return {
                chunk.id: ChunkCoverage(
                    len(chunk.text) - chunk.overlap, sizes[chunk.id], **counts.get(chunk.id, {})
                )
                for chunk in chunks
            }

        documents = [wanted.document_id] if wanted.document_id else []
        found, seen, size = list[Coverage](), 0, 0
        begun: Coverage | None = None
        walk = self._sections.sections(wanted.project_id, documents, place_of(page), look)
        async with aclosing(walk) as sections:
            async for section in sections:
                part, place = coverage_of(section), section.following
                seen += part.chunks
                one = begun.with_part(part) if begun else part
                begun = None if section.ends else one
                if begun:
                    continue
                if wanted.shows(one):
                    found.append(one)
                    size += one.size_bytes
                full = len(found) == page.size or seen >= PAGE_CHUNKS or size >= LARGEST_BYTES
                if place and full:
                    return Page(found, next_token(page, place.token, place.document_id, place.start))
        return Page(found, "")


def sentences_of(chunks: Sequence[SourceChunk]) -> dict[str, int]:
    """By chunk how many of its sentences can be asked about."""
    return {chunk.id: len(askable(chunk)) for chunk in chunks}


def place_of(page: PageRequest) -> Place:
    """Where a page begins."""
    if not page.after:
        return Place()
    token, document_id, start = page.after
    return Place(token, document_id, int(start))
