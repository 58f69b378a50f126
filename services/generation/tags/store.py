"""The tables `tags`, `tag_places` and `question_tags`: the statements of `tags.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import asyncpg

from services.generation.tags.tags import (
    NewTag,
    Tag,
    TagPlace,
    check_parent,
    distinct,
    tag_exists,
    tag_not_found,
)
from services.runtime.db import Connection, Pool, claim_request, first_answer, forget_requests, transaction
from services.runtime.ids import new_id
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "tags.sql")
LINK_SECONDS = 600.0
"""A million questions take some of them."""

Titles = tuple[str, ...]
"""Those of a tag and the ones above it, from the top."""


class TagStore:
    """The domain trees of projects, as people read and change them."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def made_by(self, request_id: str) -> str | None:
        """The id of the tag that an earlier request of this id made."""
        return await first_answer(self.pool, "CreateTag", request_id)

    async def create(self, wanted: NewTag, request_id: str) -> str:
        """Add a tag as the last under its parent, and link the questions about its places; return its id.

        Raises:
            NotFound: there is no such parent.
            InvalidArgument: it is of another project.
            AlreadyExists: the title is taken.
        """
        async with transaction(self.pool) as connection:
            new = new_id()
            tag_id = await claim_request(connection, "CreateTag", request_id, new)
            if tag_id == new:
                await connection.execute(SQL.lock_tags, wanted.project_id)
                await self._check(connection, None, wanted)
                key = (wanted.project_id, wanted.parent_id, wanted.title)
                await connection.execute(SQL.insert_tag, new, *key)
                await set_places(connection, wanted.project_id, new, wanted.places)
        return tag_id

    async def get(self, tag_id: str) -> Tag:
        """One tag.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.view_tags, tag_id, None, None, 1)
        if row is None:
            raise tag_not_found(tag_id)
        return tag_of(row)

    async def list_page(self, page: PageRequest, project_id: str) -> Page[Tag]:
        """The tags of a project, each before those under it."""
        after = [int(part) for part in page.after] or None
        rows = await self.pool.fetch(SQL.view_tags, None, project_id, after, page.limit)
        tags = [tag_of(row) for row in rows]
        return page_of(tags, page, lambda one: tuple(one.path), size_bytes=lambda one: one.size_bytes)

    async def update(self, tag_id: str, change: Callable[[Tag], NewTag], *, places: bool) -> None:
        """Give a tag other values, its places where these are wanted; other places link anew.

        Raises:
            NotFound: there is no such tag or parent.
            InvalidArgument: it cannot be under that parent.
            AlreadyExists: the title is taken.
        """
        async with transaction(self.pool) as connection:
            await self._lock(connection, tag_id)
            row = await connection.fetchrow(SQL.view_tags, tag_id, None, None, 1)
            if row is None:
                raise tag_not_found(tag_id)
            wanted = change(tag_of(row))
            await self._check(connection, tag_id, wanted)
            await connection.execute(SQL.update_tag, tag_id, wanted.title, wanted.parent_id)
            await connection.execute(SQL.close_gaps, wanted.project_id)
            if places:
                await set_places(connection, wanted.project_id, tag_id, wanted.places)

    async def delete(self, tag_id: str) -> int:
        """Delete a tag and those under it; return how many. Questions stay.

        Raises:
            NotFound: there is none.
        """
        async with transaction(self.pool) as connection:
            project_id = await self._lock(connection, tag_id)
            deleted = await connection.fetch(SQL.delete_tag, tag_id)
            await forget_requests(connection, *(row["id"] for row in deleted))
            await connection.execute(SQL.close_gaps, project_id)
            await connection.execute(SQL.link_questions, project_id, timeout=LINK_SECONDS)
        return len(deleted)

    async def list_titles(self, project_id: str) -> list[Titles]:
        """All tags of a project by their titles from the top, each before those under it."""
        return [tuple(row["titles"]) for row in await self.pool.fetch(SQL.list_paths, project_id)]

    async def _lock(self, connection: Connection, tag_id: str) -> str:
        """Let nobody else change the tree of a tag; return its project."""
        known = await connection.fetchrow(SQL.get_tag, tag_id)
        if known is None:
            raise tag_not_found(tag_id)
        await connection.execute(SQL.lock_tags, known["project_id"])
        return str(known["project_id"])

    async def _check(self, connection: Connection, tag_id: str | None, wanted: NewTag) -> None:
        if wanted.parent_id:
            parent = await connection.fetchrow(SQL.get_tag, wanted.parent_id)
            if parent is None:
                raise tag_not_found(wanted.parent_id, "tag.parent_id")
            above = await connection.fetch(SQL.list_above, wanted.parent_id)
            check_parent(tag_id, wanted.project_id, parent["project_id"], [row["id"] for row in above])
        key = (wanted.project_id, wanted.parent_id, wanted.title)
        if await connection.fetchval(SQL.find_tag, *key) not in {None, tag_id}:
            raise tag_exists(wanted.title)


async def link_questions(connection: Connection, project_id: str, question_ids: Sequence[str]) -> None:
    """Link new questions to the tags whose places hold them, inside the transaction that stores them."""
    # Whoever changes the tree waits for this transaction, or this one sees what was changed.
    await connection.execute(SQL.share_tags, project_id)
    await connection.execute(SQL.link_new_questions, project_id, question_ids)


async def delete_tags(connection: Connection, project_id: str) -> int:
    """Delete the tags of a project; return how many."""
    rows = await connection.fetch(SQL.delete_project_tags, project_id)
    await forget_requests(connection, *(row["id"] for row in rows))
    return len(rows)


async def set_places(
    connection: Connection, project_id: str, tag_id: str, places: Sequence[TagPlace]
) -> None:
    """Give a tag other places than it has, and link all questions anew."""
    await connection.execute(SQL.delete_places, tag_id)
    await insert_places(connection, ((tag_id, place) for place in distinct(places)))
    await connection.execute(SQL.link_questions, project_id, timeout=LINK_SECONDS)


async def grow(
    connection: Connection,
    project_id: str,
    tags: Sequence[Titles],
    places: Sequence[tuple[Titles, TagPlace]],
    *,
    rebuild: bool,
    add: bool,
) -> None:
    """Add tags and places to the tree of a project, or put them in its place, and link all questions anew.

    Args:
        connection: the caller's transaction.
        project_id: the project.
        tags: all tags of the new tree, each behind the one above it.
        places: what is to be put under them; what is put under a tag that is not there is left out.
        rebuild: whether the old tree makes way.
        add: whether tags are added that are not there.
    """
    await connection.execute(SQL.lock_tags, project_id)
    if rebuild:
        await delete_tags(connection, project_id)
    known = {tuple(row["titles"]): row["id"] for row in await connection.fetch(SQL.list_paths, project_id)}
    if add:
        await insert_tags(connection, project_id, tags, known)
    await insert_places(connection, ((known[titles], place) for titles, place in places if titles in known))
    await connection.execute(SQL.link_questions, project_id, timeout=LINK_SECONDS)


async def insert_tags(
    connection: Connection, project_id: str, tags: Iterable[Titles], known: dict[Titles, str]
) -> None:
    """Insert those tags that are not known; they are known then."""
    new: list[Mapping[str, object]] = []
    for titles in tags:
        if titles not in known:
            known[titles] = new_id()
            parent_id = known[titles[:-1]] if titles[1:] else None
            row = {"number": len(new), "id": known[titles], "parent_id": parent_id, "title": titles[-1]}
            new.append(row)
    await connection.execute(SQL.insert_tags, project_id, new)


async def insert_places(connection: Connection, places: Iterable[tuple[str, TagPlace]]) -> None:
    """Insert places of tags, by the ids of these."""
    rows = [
        {"tag_id": tag_id, "number": number, **vars(place), "heading_path": list(place.heading_path)}
        for number, (tag_id, place) in enumerate(places)
    ]
    await connection.execute(SQL.insert_places, rows)


def tag_of(row: asyncpg.Record) -> Tag:
    """A row of `view_tags`."""
    places = [TagPlace(**place) for place in row["places"]]
    return Tag(**{**dict(row), "places": places})
