"""Between the contracts of tags and their domain."""

from __future__ import annotations

from services.generation.tags.tags import NewTag, Tag, TagPlace
from services.runtime.convert import timestamp
from sishu.generation.v1 import tag_pb2

TAG_FIELDS = ("title", "parent_id", "places")
"""Fields of a tag that people may change."""


def tag_from_pb(message: tag_pb2.Tag) -> NewTag:
    """A tag to store."""
    places = [
        TagPlace(one.document_id, list(one.heading_path), one.chunk_id or None) for one in message.places
    ]
    return NewTag(message.project_id, message.parent_id or None, message.title, places)


def tag_to_pb(tag: Tag) -> tag_pb2.Tag:
    """A tag."""
    return tag_pb2.Tag(
        id=tag.id,
        project_id=tag.project_id,
        parent_id=tag.parent_id or "",
        title=tag.title,
        index=tag.index,
        places=map(place_to_pb, tag.places),
        question_count=tag.question_count,
        create_time=timestamp(tag.create_time),
        update_time=timestamp(tag.update_time),
    )


def place_to_pb(place: TagPlace) -> tag_pb2.TagPlace:
    """A part of a document."""
    return tag_pb2.TagPlace(
        document_id=place.document_id, heading_path=place.heading_path, chunk_id=place.chunk_id or ""
    )


def merged_tag(tag: Tag, wanted: tag_pb2.Tag, paths: frozenset[str]) -> tag_pb2.Tag:
    """A tag with the named fields of another."""
    message = tag_to_pb(tag)
    for name in paths:
        message.ClearField(name)  # type: ignore[arg-type]  # one of `TAG_FIELDS`
    message.MergeFrom(
        tag_pb2.Tag(
            title=wanted.title if "title" in paths else "",
            parent_id=wanted.parent_id if "parent_id" in paths else "",
            places=wanted.places if "places" in paths else (),
        )
    )
    return message
