"""Read the chunks of documents section by section, and go on later where one begins."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Generic, TypeVar

from services.generation.sources.chunk_reader import ChunkReader, SourceChunk

T = TypeVar("T")

PART_CHUNKS = 400
"""Chunks of a section after which it goes on in another part."""

Look = Callable[[Sequence[SourceChunk]], Awaitable[Mapping[str, T]]]
"""Says of the chunks of a page what is known of each, by its id."""


@dataclass(frozen=True)
class Place:
    """Where to read on: a page of chunks, and the last one of it that was read before.

    Args:
        token: of the page.
        document_id: the document of that chunk; empty to read the page from its beginning.
        start: where the chunk's own text begins.
    """

    token: str = ""
    document_id: str = ""
    start: int = -1

    @property
    def after(self) -> tuple[str, int]:
        """Sort key of the last chunk that was read: chunks come by document and place."""
        return self.document_id, self.start


@dataclass(frozen=True)
class Section(Generic[T]):
    """A section of a document, or a part of a large one, with what was found out about its chunks.

    Args:
        document_id: UUID of the document.
        document_version: its version.
        id: UUID of the section; empty for what stands before the first heading.
        heading_path: titles from the top of the document to the section.
        found: one for each chunk, in their order.
        following: where to read on after it; nothing after the last one.
        ends: whether the section ends with it.
    """

    document_id: str
    document_version: int
    id: str
    heading_path: Sequence[str]
    found: Sequence[T]
    following: Place | None
    ends: bool = True


class SectionReader:
    """Reads sections of a project, by document and place."""

    def __init__(self, chunks: ChunkReader) -> None:
        self._chunks = chunks

    async def sections(
        self, project_id: str, document_ids: Sequence[str], place: Place, look: Look[T]
    ) -> AsyncGenerator[Section[T], None]:
        """The sections from a place on in which chunks begin, large ones in parts: see `PART_CHUNKS`.

        Args:
            project_id: the project.
            document_ids: only these documents; empty means all.
            place: where to begin.
            look: is told a page of chunks at a time.

        Raises:
            ApiError: the ingest room is away.
        """
        documents = sorted({one.lower() for one in document_ids})
        section: Section[T] | None = None
        token: str | None = place.token
        while token is not None:
            page, following = await self._chunks.page(project_id, documents, token)
            chunks = [one for one in page if key_of(one) > place.after]
            found = await look(chunks)
            last = place.after if token == place.token else ("", -1)
            for _, run in groupby(chunks, key=lambda one: (one.document_id, one.section_id)):
                part = list(run)
                values = [found[chunk.id] for chunk in part]
                goes_on = section is not None and is_of(part[0], section)
                if section and goes_on and len(section.found) < PART_CHUNKS:
                    section = replace(section, found=[*section.found, *values])
                else:
                    if section:
                        yield replace(section, following=Place(token, *last), ends=not goes_on)
                    section = section_of(part[0], values)
                last = key_of(part[-1])
            token = following or None
        if section:
            yield section


def key_of(chunk: SourceChunk) -> tuple[str, int]:
    """Sort key of a chunk: its document, and where its own text begins."""
    return chunk.document_id, chunk.char_start + chunk.overlap


def is_of(chunk: SourceChunk, section: Section[T]) -> bool:
    """Whether a chunk belongs to a section."""
    return (chunk.document_id, chunk.section_id) == (section.document_id, section.id)


def section_of(chunk: SourceChunk, found: Sequence[T]) -> Section[T]:
    """The section of a chunk, as far as it was read."""
    return Section(
        chunk.document_id, chunk.document_version, chunk.section_id, chunk.heading_path, found, None
    )
