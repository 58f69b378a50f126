"""What is wrong when projects, uploads and documents are not as a request wants them."""

from __future__ import annotations

from collections.abc import Sequence

from services.runtime.errors import AlreadyExists, NotFound

MOST_NAMES = 100
"""So many names are tried for what an archive holds, where other documents have them."""


def check_all_found(wanted: Sequence[str], found: Sequence[str]) -> None:
    """Demand that all documents that were asked for are there.

    Raises:
        NotFound: some are not.
    """
    missing = sorted({one.lower() for one in wanted} - set(found))
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise NotFound(
            "DOCUMENT_NOT_FOUND",
            f"the project has no document {', '.join(missing[:5])}{more}; nothing was parsed",
            "document_ids",
            document_ids=",".join(missing[:5]),
        )


def document_not_found(document_id: str) -> NotFound:
    """The error for a document that is not there."""
    return NotFound("DOCUMENT_NOT_FOUND", f"there is no document {document_id}", document_id=document_id)


def upload_not_found(upload_id: str) -> NotFound:
    """The error for an upload that is not there."""
    return NotFound(
        "UPLOAD_NOT_FOUND", f"there is no upload {upload_id}, or no more; create another", upload_id=upload_id
    )


def held_elsewhere(name: str) -> AlreadyExists:
    """The error for an upload under the name of what an archive or mail holds."""
    return AlreadyExists(
        "DOCUMENT_NAME_TAKEN",
        f"an archive or mail holds a document {name}; use another name",
        "name",
        name=name,
    )


def names_taken(name: str) -> AlreadyExists:
    """The error for what an archive or mail holds, when its name and many beside it are taken."""
    return AlreadyExists(
        "DOCUMENT_NAME_TAKEN",
        f"{name}: this name and {MOST_NAMES - 1} before it are taken by other documents; give the archive or "
        "mail another name",
        name=name,
    )


def project_not_found(project_id: str) -> NotFound:
    """The error for a project that is not there."""
    return NotFound("PROJECT_NOT_FOUND", f"there is no project {project_id}", project_id=project_id)


def name_taken(name: str) -> AlreadyExists:
    """The error for a second project of a name."""
    return AlreadyExists(
        "PROJECT_NAME_TAKEN", f"a project named {name!r} exists; use another name", "project.name", name=name
    )
