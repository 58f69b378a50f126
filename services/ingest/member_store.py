"""What archives and mails hold, in the database: all files of one at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.ingest.documents import Document, NewFile
from services.ingest.store import Store, as_json, document
from services.runtime.db import Connection
from services.runtime.ids import new_id
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "members.sql")


class MemberStore:
    """The documents of what one document holds."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def known(self, files: Sequence[NewFile]) -> list[bool]:
        """Of which files of one holder there is a document already."""
        async with self._store.pool.acquire() as connection:
            return [one is not None for one in await find(connection, files)]

    async def put(self, connection: Connection, files: Sequence[NewFile]) -> list[Document]:
        """Make documents of files of one holder, or next versions, as `Store.put_file` does for one.

        The caller holds the holder's row: nobody else makes documents of what it holds.

        Args:
            connection: in a transaction.
            files: with names that all differ.

        Raises:
            AlreadyExists: for one no name is to be found.
        """
        found = await find(connection, files)
        if None in found:
            missing = [file for file, one in zip(files, found, strict=True) if one is None]
            await insert(connection, without_twins(missing))
            await add_versions(connection, missing)
            found = await find(connection, files)
        # What is left has the name of another document.
        return [
            one or await self._store.put_file(connection, file)
            for file, one in zip(files, found, strict=True)
        ]


async def find(connection: Connection, files: Sequence[NewFile]) -> list[Document | None]:
    """For each file the document that is made of it."""
    found: list[Document | None] = [None] * len(files)
    if files:
        names, hashes = [file.name for file in files], [file.sha256 for file in files]
        columns = (names, [file.media_type for file in files], hashes, refusals(files))
        for row in await connection.fetch(SQL.find_members, *holder(files), *columns):
            place, *values = row.items()
            found[place[1] - 1] = document(dict(values))
    return found


async def insert(connection: Connection, files: Sequence[NewFile]) -> None:
    """Make documents of the files whose names are free."""
    ids = [new_id() for _ in files]
    names = [file.name for file in files]
    types = [file.media_type for file in files]
    await connection.execute(SQL.insert_members, *holder(files), ids, names, types, *stored(files))


async def add_versions(connection: Connection, files: Sequence[NewFile]) -> None:
    """Make the next versions of those that the holder held before, with other bytes."""
    project_id, parent_id = holder(files)
    names = [file.name for file in files]
    await connection.execute(SQL.lock_members, parent_id, names)
    await connection.execute(SQL.add_member_files, project_id, parent_id, names, *stored(files))


def without_twins(files: Sequence[NewFile]) -> list[NewFile]:
    """The first file of those with equal bytes and media type; empty files are no twins."""
    first: dict[object, NewFile] = {}
    for file in files:
        bytes_of = (file.sha256, file.media_type, str(file.refusal))
        first.setdefault(bytes_of if file.size_bytes else file.name, file)
    return list(first.values())


def stored(files: Sequence[NewFile]) -> tuple[list[object], ...]:
    """What versions are made of, column by column."""
    return (
        [file.size_bytes for file in files],
        [file.sha256 for file in files],
        [file.file_key for file in files],
        refusals(files),
    )


def refusals(files: Sequence[NewFile]) -> list[object]:
    """Why files are not to be read."""
    return [as_json(file.refusal) for file in files]


def holder(files: Sequence[NewFile]) -> tuple[str, str | None]:
    """The project and the holder of files, which is the same for all."""
    return files[0].project_id, files[0].parent_id
