"""Documents: uploaded files, by name and version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.runtime.errors import InvalidArgument
from services.runtime.jobs import Failure


@dataclass(frozen=True)
class Document:
    """A file uploaded under a name, in its newest version."""

    id: str
    project_id: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    version: int
    state: str
    failure: Failure | None
    file_key: str
    text_key: str
    text_sha256: str
    text_bytes: int
    char_count: int
    page_count: int
    chunk_count: int
    split_options: Mapping[str, int] | None
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True)
class DocumentVersion:
    """One file and its text; the text's key is empty before it is parsed."""

    document_id: str
    version: int
    size_bytes: int
    sha256: str
    file_key: str
    text_key: str
    text_sha256: str
    text_bytes: int
    char_count: int
    page_count: int


@dataclass(frozen=True)
class Upload:
    """A file that was announced; `document_id` is set once its bytes were checked."""

    id: str
    project_id: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    file_key: str
    document_id: str | None


def check_name(name: str) -> None:
    """Hold a document's name against the rules: a relative path without tricks.

    Raises:
        InvalidArgument: the name breaks a rule.
    """
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or any(part in {"", ".", ".."} for part in parts):
        raise InvalidArgument(
            "DOCUMENT_NAME_INVALID",
            f"{name!r} is no document name: use a relative path with `/`, without `..` or control characters",
            "name",
            name=name,
        )
