"""The table `genre_audiences`: the statements of `genre_audiences.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg

from services.generation.genre_audiences.genre_audiences import (
    GenreAudience,
    NewGenreAudience,
    Voice,
    genre_audience_exists,
    genre_audience_not_found,
)
from services.runtime.db import Connection, Pool, claim_request, first_answer, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "genre_audiences.sql")


class GenreAudienceStore:
    """The genre-audience pairs of projects."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def made_by(self, request_id: str) -> GenreAudience | None:
        """What an earlier request of this id made, as it stands now."""
        made = await first_answer(self.pool, "CreateGenreAudience", request_id)
        return await self.get(made) if made else None

    async def create(self, wanted: NewGenreAudience, request_id: str) -> GenreAudience:
        """Add a pair.

        Raises:
            AlreadyExists: the document has it.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            made = await claim_request(connection, "CreateGenreAudience", request_id, new)
            if made == new and not await insert(connection, wanted.project_id, [(new, wanted)]):
                raise genre_audience_exists(wanted.voice)
        return await self.get(made)

    async def get(self, genre_audience_id: str) -> GenreAudience:
        """One pair.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_genre_audience, genre_audience_id)
        if row is None:
            raise genre_audience_not_found(genre_audience_id)
        return genre_audience_of(row)

    async def find_voice(self, genre_audience_id: str) -> Voice | None:
        """The voice of a pair; nothing where it is gone."""
        row = await self.pool.fetchrow(SQL.get_genre_audience, genre_audience_id)
        return genre_audience_of(row).voice if row else None

    async def list_page(
        self, page: PageRequest, project_id: str, document_id: str | None
    ) -> Page[GenreAudience]:
        """Pairs, oldest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_genre_audiences, project_id, document_id, after, page.limit)
        found = [genre_audience_of(row) for row in rows]
        return page_of(found, page, lambda one: (one.id,), size_bytes=lambda one: one.size_bytes)

    async def of_documents(
        self, project_id: str, document_ids: Sequence[str], *, enabled: bool
    ) -> dict[str, list[GenreAudience]]:
        """The pairs of some documents by these, those alone that are enabled where that is wanted."""
        rows = await self.pool.fetch(SQL.list_of_documents, project_id, document_ids, enabled)
        found: dict[str, list[GenreAudience]] = {}
        for row in rows:
            found.setdefault(row["document_id"], []).append(genre_audience_of(row))
        return found

    async def update(
        self, genre_audience_id: str, change: Callable[[GenreAudience], NewGenreAudience]
    ) -> GenreAudience:
        """Give a pair other values.

        Raises:
            NotFound: there is none.
            AlreadyExists: the document has such a pair.
        """
        async with transaction(self.pool) as connection:
            row = await connection.fetchrow(SQL.lock_genre_audience, genre_audience_id)
            if row is None:
                raise genre_audience_not_found(genre_audience_id)
            wanted = change(genre_audience_of(row))
            voice = wanted.voice
            try:
                await connection.execute(
                    SQL.update_genre_audience,
                    genre_audience_id,
                    voice.genre,
                    voice.genre_description,
                    voice.audience,
                    voice.audience_description,
                    wanted.enabled,
                )
            except asyncpg.UniqueViolationError:
                raise genre_audience_exists(voice) from None
        return await self.get(genre_audience_id)

    async def delete(self, genre_audience_id: str) -> None:
        """Delete a pair; what was written for it stays.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self.pool) as connection:
            if await connection.fetchval(SQL.delete_genre_audience, genre_audience_id) is None:
                raise genre_audience_not_found(genre_audience_id)
            await forget_requests(connection, genre_audience_id)

    async def add_written(
        self,
        connection: Connection,
        project_id: str,
        document_id: str,
        voices: Sequence[Voice],
        *,
        replace: bool,
    ) -> None:
        """Add what a model wrote to the pairs of a document, or put it in their place."""
        if replace:
            rows = await connection.fetch(SQL.delete_of_document, project_id, document_id)
            await forget_requests(connection, *(row["id"] for row in rows))
        new = [(new_id(), NewGenreAudience(project_id, document_id, voice)) for voice in voices]
        await insert(connection, project_id, new)


async def insert(
    connection: Connection, project_id: str, pairs: Sequence[tuple[str, NewGenreAudience]]
) -> int:
    """Insert pairs with their ids, but for those that a document has; return how many."""
    rows = [
        {
            "id": new,
            "document_id": pair.document_id,
            "enabled": pair.enabled,
            **pair.voice.model_dump(),
        }
        for new, pair in pairs
    ]
    return len(await connection.fetch(SQL.insert_genre_audiences, project_id, rows))


async def delete_genre_audiences(connection: Connection, project_id: str) -> int:
    """Delete the pairs of a project; return how many."""
    rows = await connection.fetch(SQL.delete_project_genre_audiences, project_id)
    await forget_requests(connection, *(row["id"] for row in rows))
    return len(rows)


def genre_audience_of(row: asyncpg.Record) -> GenreAudience:
    """A row of `genre_audiences`."""
    values = dict(row)
    voice = Voice(**{name: values.pop(name) for name in Voice.model_fields})
    return GenreAudience(voice=voice, **values)
