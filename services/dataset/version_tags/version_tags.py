"""What holds of the tags of dataset versions."""

from __future__ import annotations

from services.dataset.versions.versions import DatasetVersion
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound

LATEST = "latest"
"""Always means the newest version that is ready."""


def check_tag(tag: str) -> None:
    """Demand a tag that may be given.

    Raises:
        InvalidArgument: it has a meaning of its own.
    """
    if tag.lower() == LATEST:
        raise InvalidArgument(
            "VERSION_TAG_RESERVED",
            f"tag: {tag!r} is not given by hand, {LATEST!r} always means the newest version; choose another",
            "tag",
            tag=tag,
        )


def check_untagged(version: DatasetVersion) -> None:
    """Demand that a version bears no tag, so that it may be deleted.

    Raises:
        FailedPrecondition: it bears one.
    """
    if version.tags:
        tags = ", ".join(version.tags)
        raise FailedPrecondition(
            "DATASET_VERSION_TAGGED",
            f"dataset version {version.id} bears the tag {tags}; take it off, or put it on another version, "
            "and then delete this one",
            dataset_version_id=version.id,
            tags=tags,
        )


def tag_not_found(version_id: str, tag: str) -> NotFound:
    """The error for a tag that a version does not bear."""
    message = (
        f"dataset version {version_id} does not bear the tag {tag!r}; `sishu dataset list` shows which does"
    )
    return NotFound("VERSION_TAG_NOT_FOUND", message, dataset_version_id=version_id, tag=tag)
