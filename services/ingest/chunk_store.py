"""Every SQL statement about chunks and sections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from services.ingest.chunk_changes import check_current, edited, merged, parts
from services.ingest.chunks import Chunk
from services.ingest.sections import StoredSection
from services.ingest.token_counters import Count, TokenCounters
from services.runtime.db import Connection, Pool, transaction
from services.runtime.errors import InvalidArgument, NotFound
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "chunks.sql")


class ChunkStore:
    """Chunks and sections, as the last parse made them and as they were changed since.

    Args:
        pool: the database.
        counters: count the tokens of chunks that are changed.
    """

    def __init__(self, pool: Pool, counters: TokenCounters) -> None:
        self.pool = pool
        self._counters = counters

    async def get_chunk(self, chunk_id: str) -> Chunk:
        """One chunk.

        Raises:
            NotFound: there is none.
        """
        async with self.pool.acquire() as connection:
            return await self._get_chunk(connection, chunk_id)

    async def list_chunks(
        self, page: PageRequest, project_id: str, document_id: str | None, show_excluded: bool
    ) -> Page[Chunk]:
        """Chunks in reading order, document by document."""
        after = (page.after[0], int(page.after[1])) if page.after else (None, None)
        rows = await self.pool.fetch(
            SQL.list_chunks, project_id, document_id, show_excluded, *after, page.limit
        )
        found = [Chunk(**row) for row in rows]
        return page_of(found, page, lambda chunk: (chunk.document_id, chunk.index), chunk_bytes)

    async def list_sections(
        self, page: PageRequest, project_id: str, document_id: str | None
    ) -> Page[StoredSection]:
        """Sections in reading order, document by document."""
        after = (page.after[0], int(page.after[1])) if page.after else (None, None)
        rows = await self.pool.fetch(SQL.list_sections, project_id, document_id, *after, page.limit)
        found = [StoredSection(**row) for row in rows]
        return page_of(found, page, lambda one: (one.document_id, one.index), section_bytes)

    async def set_excluded(self, chunk_id: str, excluded: bool) -> Chunk:
        """Leave a chunk out, or take it in again.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it is not current.
        """
        async with self._locked([chunk_id]) as (connection, [chunk]):
            check_current([chunk])
            await connection.execute(SQL.set_excluded, chunk_id, excluded)
            return await self._get_chunk(connection, chunk_id)

    async def edit_chunk(self, chunk_id: str, text: str) -> Chunk:
        """Put a chunk with another text in the place of one; the original where it has that text.

        Raises:
            NotFound: there is no such chunk.
            FailedPrecondition: it is not current.
        """
        count = await self._counter([chunk_id])
        async with self._locked([chunk_id]) as (connection, [chunk]):
            original = await self._get_chunk(connection, chunk.edit_of or chunk.id)
            new = await asyncio.to_thread(edited, original, chunk, text, count)
            stands = await connection.fetchrow(SQL.get_chunk, new.id)
            if stands and stands["current"]:
                return Chunk(**stands)
            check_current([chunk])
            await connection.execute(SQL.retire, [chunk.id])
            if new.id == original.id:
                await connection.execute(SQL.restore, original.id, new.index, chunk.excluded)
                return await self._get_chunk(connection, original.id)
            await connection.execute(SQL.set_edited_by, original.id, new.id)
            return await self._put_chunk(connection, new)

    async def merge_chunks(self, chunk_ids: Sequence[str]) -> Chunk:
        """Put one chunk in the place of neighbours.

        Raises:
            NotFound: one of them is not there.
            InvalidArgument: they are no neighbours, or edited.
            FailedPrecondition: one is not current.
        """
        count = await self._counter(chunk_ids)
        async with self._locked(chunk_ids) as (connection, chunks):
            try:
                new = await asyncio.to_thread(merged, chunks, count)
            except InvalidArgument:
                # Chunks that stand there no more need not be neighbours.
                check_current(chunks)
                raise
            [chunk] = await self._replace(connection, chunks, [new])
            return chunk

    async def split_chunk(self, chunk_id: str, cut_points: Sequence[int]) -> list[Chunk]:
        """Put several chunks in the place of one.

        Raises:
            NotFound: there is no such chunk.
            InvalidArgument: a place is not inside it, or it is edited.
            FailedPrecondition: it is not current.
        """
        count = await self._counter([chunk_id])
        async with self._locked([chunk_id]) as (connection, [chunk]):
            place = (chunk.document_id, chunk.document_version)
            page_starts = await connection.fetchval(SQL.page_starts, *place)
            paths = [
                [(row["id"], row["title"]) for row in await connection.fetch(SQL.sections_over, *place, at)]
                for at in cut_points
            ]
            made = await asyncio.to_thread(parts, chunk, cut_points, page_starts, paths, count)
            return await self._replace(connection, [chunk], made)

    async def _replace(
        self, connection: Connection, old: Sequence[Chunk], new: Sequence[Chunk]
    ) -> list[Chunk]:
        """Put chunks in the place of neighbours; when it was done already, what stands there."""
        rows = await connection.fetch(SQL.get_chunks, [chunk.id for chunk in new])
        if len(rows) == len(new) and all(row["current"] for row in rows):
            return [Chunk(**row) for row in rows]
        check_current(old)
        document_id = old[0].document_id
        await connection.execute(SQL.retire, [chunk.id for chunk in old])
        await connection.execute(SQL.lift, document_id, old[-1].index, len(new) - len(old))
        made = [await self._put_chunk(connection, chunk) for chunk in new]
        await connection.execute(SQL.lower, document_id)
        await connection.execute(SQL.count_chunks, document_id)
        return made

    async def _put_chunk(self, connection: Connection, chunk: Chunk) -> Chunk:
        await connection.execute(
            SQL.put_chunk,
            chunk.id,
            chunk.project_id,
            chunk.document_id,
            chunk.document_version,
            chunk.excluded,
            chunk.edit_of,
            chunk.made_from,
            chunk.index,
            chunk.text,
            chunk.char_start,
            chunk.char_end,
            chunk.overlap,
            chunk.page_start,
            chunk.page_end,
            chunk.heading_path,
            chunk.section_id or None,
            chunk.table_header,
            chunk.token_count,
            chunk.sha256,
        )
        return await self._get_chunk(connection, chunk.id)

    async def _get_chunk(self, connection: Connection, chunk_id: str) -> Chunk:
        row = await connection.fetchrow(SQL.get_chunk, chunk_id)
        if row is None:
            raise chunk_not_found(chunk_id)
        return Chunk(**row)

    async def _counter(self, chunk_ids: Sequence[str]) -> Count:
        """What counted the tokens of the last parse; before the transaction, as it may have to be loaded."""
        return await self._counters.counter(await self.pool.fetchval(SQL.tokenizer_of, chunk_ids) or "")

    @asynccontextmanager
    async def _locked(self, chunk_ids: Sequence[str]) -> AsyncIterator[tuple[Connection, list[Chunk]]]:
        """Chunks by place, whose documents stay as they are until the transaction ends."""
        async with transaction(self.pool) as connection:
            documents = {row["document_id"] for row in await connection.fetch(SQL.get_chunks, chunk_ids)}
            for document_id in sorted(documents):
                await connection.execute(SQL.lock_document, document_id)
            rows = await connection.fetch(SQL.get_chunks, chunk_ids)
            missing = {one.lower() for one in chunk_ids} - {row["id"] for row in rows}
            if missing:
                raise chunk_not_found(min(missing))
            yield connection, [Chunk(**row) for row in rows]


def chunk_bytes(chunk: Chunk) -> int:
    """About how large a chunk is in an answer."""
    texts = (chunk.text, chunk.table_header, *chunk.heading_path)
    return sum(len(text.encode()) for text in texts)


def section_bytes(section: StoredSection) -> int:
    """About how large a section is in an answer."""
    return len(section.title.encode())


def chunk_not_found(chunk_id: str) -> NotFound:
    """The error for a chunk that is not there."""
    return NotFound("CHUNK_NOT_FOUND", f"there is no chunk {chunk_id}", chunk_id=chunk_id)
