"""The table `tag_entries`: what a generation of tags puts under tags, while it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg

from services.generation.generations.generations import Generation
from services.generation.tags.store import SQL as TAGS
from services.generation.tags.store import grow
from services.generation.tags.tag_outlines import Entry, Titles
from services.generation.tags.tag_trees import Held
from services.generation.tags.tags import TagPlace
from services.runtime.db import Connection, Pool
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "tag_entries.sql")


class TagEntryStore:
    """The entries of generations of tags."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def add(
        self, connection: Connection, generation: Generation, entries: Sequence[Entry], *, all_of_them: bool
    ) -> None:
        """Add entries behind those that are there; those whose place a tag has already only where wanted."""
        rows = [
            {
                "number": entry.number,
                "document_id": entry.document_id,
                "document_name": entry.document_name,
                "heading_path": list(entry.heading_path),
                "chunk_id": entry.chunk_id,
                "title": entry.title,
            }
            for entry in entries
        ]
        project_id = None if all_of_them else generation.project_id
        await connection.execute(SQL.insert_entries, generation.id, rows, project_id)

    async def list(self, generation_id: str) -> list[Entry]:
        """All entries in reading order."""
        return [entry_of(row) for row in await self.pool.fetch(SQL.list_entries, generation_id)]

    async def update(
        self,
        connection: Connection,
        generation_id: str,
        tags: Mapping[int, Titles | None],
        *,
        written: bool,
    ) -> None:
        """Note the tags of entries by number, and whether tags were asked for or their places."""
        rows = [{"number": number, "tag": tag and list(tag)} for number, tag in tags.items()]
        await connection.execute(SQL.update_entries, generation_id, rows, written)

    async def held(self, project_id: str, document_ids: Sequence[str]) -> Held:
        """The places in some documents that the tags of a project have."""
        paths = {
            row["id"]: tuple(row["titles"]) for row in await self.pool.fetch(TAGS.list_paths, project_id)
        }
        found: dict[str, dict[Titles, Titles]] = {}
        for row in await self.pool.fetch(SQL.list_held, project_id, document_ids):
            if row["tag_id"] in paths:
                places = found.setdefault(row["document_id"], {})
                places[tuple(row["heading_path"])] = paths[row["tag_id"]]
        return found

    async def settle(
        self,
        connection: Connection,
        generation: Generation,
        tags: Sequence[Titles],
        places: Sequence[tuple[Titles, TagPlace]],
        mode: str,
    ) -> None:
        """Put the tree in its place; the entries are of no use any more."""
        rebuild, add = mode == "rebuild", mode != "keep"
        await grow(connection, generation.project_id, tags, places, rebuild=rebuild, add=add)
        await connection.execute(SQL.delete_entries, generation.id)


def entry_of(row: asyncpg.Record) -> Entry:
    """A row of `tag_entries`."""
    return Entry(
        number=row["number"],
        document_id=row["document_id"],
        document_name=row["document_name"],
        heading_path=tuple(row["heading_path"]),
        chunk_id=row["chunk_id"],
        title=row["title"],
        tag=tuple(row["tag"]) if row["tag"] else None,
        written=row["written"],
        placed=row["placed"],
    )
