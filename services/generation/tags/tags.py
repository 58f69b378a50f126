"""Tags: the topics of a project, in a tree, and the parts of documents that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.runtime.errors import AlreadyExists, InvalidArgument, NotFound


@dataclass(frozen=True)
class TagPlace:
    """A part of a document.

    Args:
        document_id: UUID of the document.
        heading_path: titles from its top to a section; empty for all of it.
        chunk_id: UUID of a chunk, where only this one is meant.
    """

    document_id: str
    heading_path: Sequence[str] = ()
    chunk_id: str | None = None


@dataclass(frozen=True)
class NewTag:
    """A tag to store; the last one under its parent."""

    project_id: str
    parent_id: str | None
    title: str
    places: Sequence[TagPlace]


@dataclass(frozen=True)
class Tag:
    """A topic.

    Args:
        index: place among those under the same parent, from 0.
        path: these places from the top to the tag; tags are listed in their order.
        question_count: questions that are linked to it, or to one under it.
    """

    id: str
    project_id: str
    parent_id: str | None
    title: str
    index: int
    path: Sequence[int]
    places: Sequence[TagPlace]
    question_count: int
    create_time: datetime
    update_time: datetime

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        titles = [title for place in self.places for title in place.heading_path]
        return len(self.title.encode()) + 80 * len(self.places) + sum(len(one.encode()) for one in titles)


def distinct(places: Sequence[TagPlace]) -> list[TagPlace]:
    """Places, each once, in their order."""
    found = {(one.document_id, tuple(one.heading_path), one.chunk_id): one for one in places}
    return list(found.values())


def check_parent(tag_id: str | None, project_id: str, parent_project_id: str, above: Sequence[str]) -> None:
    """Refuse a parent under which a tag cannot be.

    Args:
        tag_id: the tag; nothing for a new one.
        project_id: its project.
        parent_project_id: that of the parent.
        above: the parent and the tags above it.

    Raises:
        InvalidArgument: so it is.
    """
    if parent_project_id != project_id:
        raise InvalidArgument(
            "TAG_OF_OTHER_PROJECT",
            f"tag {above[0]} belongs to another project; name one of this project",
            "tag.parent_id",
            tag_id=above[0],
        )
    if tag_id in above:
        raise InvalidArgument(
            "TAG_UNDER_ITSELF",
            f"tag {above[0]} is the tag itself, or under it; move it elsewhere",
            "tag.parent_id",
            tag_id=above[0],
        )


def tag_not_found(tag_id: str, field: str = "") -> NotFound:
    """The error for a tag that is not there."""
    return NotFound("TAG_NOT_FOUND", f"there is no tag {tag_id}", field, tag_id=tag_id)


def tag_exists(title: str) -> AlreadyExists:
    """The error for a title that another tag has."""
    return AlreadyExists(
        "TAG_EXISTS",
        f"there is a tag {title!r} under the same parent already; take another title",
        "tag.title",
        title=title,
    )
