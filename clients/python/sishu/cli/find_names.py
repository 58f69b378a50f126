"""Find documents and tags by what people call them; what could be several is refused, with all of these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sishu.cli.find_projects import is_id
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1.tag_pb2 import Tag
from sishu.generation.v1.tag_service_pb2 import ListTagsRequest
from sishu.ingest.v1.document_pb2 import Document
from sishu.ingest.v1.document_service_pb2 import ListDocumentsRequest

SEPARATOR = " > "
"""Between the titles of a tag and those above it."""
MOST_CANDIDATES = 10
"""What an error names of what could be meant."""


@dataclass(frozen=True)
class Named:
    """What people call by names.

    Args:
        noun: what it is.
        how: what tells one from others of its name.
        not_found: reason of the error where there is none.
        not_unique: the same where there are several.
    """

    noun: str
    how: str
    not_found: str
    not_unique: str


DOCUMENT = Named("document", "the whole name", "DOCUMENT_NOT_FOUND", "DOCUMENT_NOT_UNIQUE")
TAG = Named("tag", "the titles above it too", "TAG_NOT_FOUND", "TAG_NOT_UNIQUE")


async def document_ids(client: Client, project_id: str, names: Sequence[str] | None) -> list[str]:
    """The ids of documents, each given by id, by name, or by the last part of it, such as `returns.md`.

    Raises:
        ApiError: there is none, or there are several.
    """
    return await ids_of(names, project_id, lambda name: document_id(client, project_id, name))


async def tag_ids(client: Client, project_id: str, names: Sequence[str] | None) -> list[str]:
    """The ids of tags, each given by id, or by its title, alone or with those above it.

    Raises:
        ApiError: there is none, or there are several.
    """
    return await ids_of(names, project_id, lambda name: tag_id(client, project_id, name))


async def ids_of(
    names: Sequence[str] | None, project_id: str, find: Callable[[str], Awaitable[str]]
) -> list[str]:
    """Ids as they are, and those of names.

    Raises:
        ApiError: a name is given, and no project in which it would mean something.
    """
    found = []
    for name in names or ():
        if not is_id(name) and not project_id:
            raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", f"{name!r} is no id; give --project, too")
        found.append(name if is_id(name) else await find(name))
    return found


async def document_id(client: Client, project_id: str, name: str) -> str:
    """The id of the document of a name.

    Raises:
        ApiError: there is none, or there are several.
    """
    request = ListDocumentsRequest(project_id=project_id, name=name)
    found: list[Document] = []
    while True:
        page = await client.documents.ListDocuments(request)
        found += page.documents
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    exact = [one for one in found if one.name == name]
    called = {one.id: one.name for one in exact or found}
    return the_only(name, called, DOCUMENT)


async def tag_id(client: Client, project_id: str, name: str) -> str:
    """The id of the tag of a title.

    Raises:
        ApiError: there is none, or there are several.
    """
    tags = await tags_of(client, project_id)
    paths = {one.id: path for one, path in zip(tags, paths_of(tags), strict=True)}
    wanted = tuple(name.split(SEPARATOR))
    exact = {one: path for one, path in paths.items() if path == wanted}
    found = exact or {one: path for one, path in paths.items() if path[-len(wanted) :] == wanted}
    called = {one: SEPARATOR.join(path) for one, path in found.items()}
    return the_only(name, called, TAG)


def the_only(name: str, called: Mapping[str, str], named: Named) -> str:
    """The one id that a name can mean.

    Args:
        name: as it was given.
        called: whole names of what it can mean, by id.
        named: what is looked for.

    Raises:
        ApiError: there is none, or there are several.
    """
    if len(called) == 1:
        return next(iter(called))
    if not called:
        message = f"there is no {named.noun} {name!r}; see `sishu {named.noun} list`"
        raise ApiError("NOT_FOUND", named.not_found, message, metadata={"name": name})
    told = [f"{whole} ({one})" for one, whole in called.items()][:MOST_CANDIDATES]
    candidates = ", ".join(told) + (", …" if len(called) > len(told) else "")
    raise ApiError(
        "INVALID_ARGUMENT",
        named.not_unique,
        f"several {named.noun}s are called {name!r}: {candidates}; give {named.how}, or the id",
        metadata={"name": name, "candidates": candidates},
    )


async def tags_of(client: Client, project_id: str) -> list[Tag]:
    """All tags of a project, each before those under it."""
    request = ListTagsRequest(project_id=project_id)
    found: list[Tag] = []
    while True:
        page = await client.tags.ListTags(request)
        found += page.tags
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def paths_of(tags: Sequence[Tag]) -> list[tuple[str, ...]]:
    """The titles from the top to each tag, of tags that are listed each before those under it."""
    paths: dict[str, tuple[str, ...]] = {"": ()}
    for tag in tags:
        paths[tag.id] = (*paths[tag.parent_id], tag.title)
    return [paths[tag.id] for tag in tags]
