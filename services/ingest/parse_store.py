"""Every SQL statement about what parsing makes: texts, pictures, changes, chunks, sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.ingest.chunks import Piece, Section
from services.ingest.documents import CleanChange, Document, DocumentImage
from services.ingest.parsing.exchange import Parsed, ParsedText
from services.ingest.parsing.options import ParseOptions
from services.runtime.db import Connection, Pool
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements
from services.runtime.storage import ObjectInfo

SQL = Statements(Path(__file__).parent / "sql" / "parse.sql")


class Outdated(Exception):
    """A parsed version is no more the newest of its document; nothing is to be stored."""


@dataclass(frozen=True)
class StoredText:
    """A text of a document, in the bucket; its pictures are at `images/` under the same prefix."""

    parsed: ParsedText
    prefix: str
    key: str
    info: ObjectInfo


class ParseStore:
    """What parsing makes of documents."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def set_parsed(
        self,
        connection: Connection,
        document: Document,
        parsed: Parsed,
        texts: Sequence[StoredText],
        options: ParseOptions,
    ) -> bool:
        """Replace what was made of a document. `texts` are that as it was read, and what cleaning made of it.

        Returns whether the stored texts were taken: not when the document has these already.

        Raises:
            Outdated: a newer version came meanwhile, or the document went.
        """
        version = await connection.fetchval(SQL.lock_document, document.id)
        if version != document.version:
            raise Outdated
        taken, version = await self._put_texts(connection, document.id, version, texts)
        await self._put_pieces(connection, document, version, parsed)
        await connection.execute(SQL.delete_sections, document.id)
        await connection.executemany(
            SQL.put_section, [section_row(document, version, one) for one in parsed.sections]
        )
        sizes = (len(parsed.pieces), len(parsed.sections))
        await connection.execute(SQL.set_parsed, document.id, version, *sizes, options.as_json())
        return taken

    async def list_document_images(
        self, page: PageRequest, document_id: str, version: int
    ) -> Page[DocumentImage]:
        """Pictures of a version by place."""
        after = int(page.after[1]) if page.after else -1
        rows = await self.pool.fetch(SQL.list_document_images, document_id, version, after, page.limit)
        return page_of([DocumentImage(**row) for row in rows], page, lambda one: (version, one.index))

    async def list_clean_changes(
        self, page: PageRequest, document_id: str, version: int
    ) -> Page[CleanChange]:
        """What cleaning changed to make a version, by place."""
        after = int(page.after[1]) if page.after else -1
        rows = await self.pool.fetch(SQL.list_clean_changes, document_id, version, after, page.limit)
        found = [CleanChange(**row) for row in rows]
        return page_of(found, page, lambda one: (version, one.index), change_bytes)

    async def _put_texts(
        self, connection: Connection, document_id: str, version: int, texts: Sequence[StoredText]
    ) -> tuple[bool, int]:
        """Keep the texts that the newest versions do not hold; return whether any, and the newest version."""
        rows = await connection.fetch(SQL.text_chain, document_id, version)
        held = [row["text_sha256"] for row in rows]
        wanted = [text.info.sha256 for text in texts]
        if held == wanted:
            return False, version
        kept = len(held) if held == wanted[: len(held)] else 0
        for place in range(kept, len(texts)):
            base = version if place else 0
            if held or place:
                version = await connection.fetchval(SQL.add_text_version, document_id, version)
            await self._put_text(connection, document_id, version, base, texts[place])
        return True, version

    async def _put_text(
        self, connection: Connection, document_id: str, version: int, base: int, text: StoredText
    ) -> None:
        parsed, info = text.parsed, text.info
        file = (text.key, info.sha256, info.size)
        sizes = (parsed.char_count, parsed.page_starts, len(parsed.images))
        await connection.execute(SQL.set_text, document_id, version, base, *file, *sizes, parsed.encoding)
        images = [
            (
                document_id,
                version,
                index,
                image.name,
                image.media_type,
                image.size_bytes,
                image.sha256,
                f"{text.prefix}images/{image.name}",
                image.char_start,
                image.char_end,
                parsed.page_at(image.char_start),
            )
            for index, image in enumerate(parsed.images)
        ]
        await connection.executemany(SQL.put_document_image, images)
        changes = [
            (document_id, version, index, change.start, change.end, change.removed, change.added, change.rule)
            for index, change in enumerate(parsed.changes)
        ]
        await connection.executemany(SQL.put_clean_change, changes)

    async def _put_pieces(
        self, connection: Connection, document: Document, version: int, parsed: Parsed
    ) -> None:
        await connection.execute(SQL.retire_chunks, document.id)
        rows = [chunk_row(document, version, piece, parsed.text) for piece in parsed.pieces]
        await connection.executemany(SQL.put_chunk, rows)
        originals = [row["id"] for row in await connection.fetch(SQL.retire_edited, document.id)]
        if originals:
            await connection.execute(SQL.place_edited, originals)


def chunk_row(document: Document, version: int, piece: Piece, text: str) -> tuple[object, ...]:
    """The values of a row of `chunks`."""
    return (
        piece.id,
        document.project_id,
        document.id,
        version,
        piece.index,
        text[piece.char_start : piece.char_end],
        piece.char_start,
        piece.char_end,
        piece.overlap,
        piece.page_start,
        piece.page_end,
        piece.heading_path,
        piece.section_id or None,
        piece.table_header,
        piece.token_count,
        piece.sha256,
    )


def section_row(document: Document, version: int, section: Section) -> tuple[object, ...]:
    """The values of a row of `sections`."""
    return (
        section.id,
        document.project_id,
        document.id,
        version,
        section.index,
        section.parent_id or None,
        section.level,
        section.title,
        section.char_start,
        section.char_end,
        section.page_start,
    )


def change_bytes(change: CleanChange) -> int:
    """About how large a change is in an answer."""
    return len(change.removed.encode()) + len(change.added.encode())
