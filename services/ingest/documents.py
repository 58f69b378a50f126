"""Documents: uploaded files, by name and version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from services.ingest.formats import BY_MEDIA_TYPE, CONTAINER_ENDINGS, HOLDERS
from services.ingest.parsing.options import ParseOptions
from services.runtime.errors import InvalidArgument
from services.runtime.failures import Failure


@dataclass(frozen=True)
class Document:
    """A file under a name, in its newest version.

    `parent_id` is the document that holds it, an archive or a mail; `source_url` says where it was fetched;
    `refusal` is why its file is not to be read, as the holder has it.
    """

    id: str
    project_id: str
    parent_id: str | None
    source_url: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    version: int
    base_version: int
    state: str
    failure: Failure | None
    file_key: str
    text_key: str
    text_sha256: str
    text_bytes: int
    char_count: int
    page_count: int
    image_count: int
    chunk_count: int
    section_count: int
    parse_options: ParseOptions | None
    create_time: datetime
    update_time: datetime
    refusal: Failure | None = None
    encoding: str = ""

    @property
    def is_holder(self) -> bool:
        """Whether files in it are documents of their own."""
        return BY_MEDIA_TYPE[self.media_type].reader in HOLDERS


@dataclass(frozen=True)
class DocumentVersion:
    """One file and its text; the text's key is empty before it is parsed.

    `base_version` is that whose text was cleaned to make this one's; 0 for a text as it was read.
    """

    document_id: str
    version: int
    base_version: int
    size_bytes: int
    sha256: str
    file_key: str
    text_key: str
    text_sha256: str
    text_bytes: int
    char_count: int
    page_starts: Sequence[int]
    image_count: int


@dataclass(frozen=True)
class DocumentImage:
    """A picture at a place in a version's text."""

    index: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    file_key: str
    char_start: int
    char_end: int
    page: int


@dataclass(frozen=True)
class CleanChange:
    """A change that cleaning made in the text of the base version."""

    index: int
    char_start: int
    char_end: int
    removed: str
    added: str
    rule: str


@dataclass(frozen=True)
class NewFile:
    """Bytes in the bucket that become a document, or the next version of the one of their name."""

    project_id: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    file_key: str
    parent_id: str | None = None
    source_url: str = ""
    refusal: Failure | None = None


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


@dataclass(frozen=True)
class Deletion:
    """A document that was deleted, and whose objects may still be there.

    Args:
        document_id: the document.
        project_id: its project.
        document_ids: the document and all that it held; each has a prefix of objects.
        file_keys: the objects that may be elsewhere.
        chunk_count: chunks that went with them.
    """

    document_id: str
    project_id: str
    document_ids: Sequence[str]
    file_keys: Sequence[str]
    chunk_count: int


MOST_NAME_CHARS = 500
DEEPEST = 3
"""So deep archives and mails are opened: what lies deeper is a document, but is not opened."""


def member_name(holder: str, name: str) -> str:
    """Name of a document inside another; a very long one keeps its ending, and a hash of the rest."""
    return short_name(f"{holder}/{name}", PurePosixPath(name).suffix)


def other_name(name: str) -> str:
    """A name beside one that is taken: `a/b (2).md` for `a/b.md`, `(3)` for `(2)`; also not too long."""
    path = PurePosixPath(name)
    stem, number = path.stem, 2
    found = re.fullmatch(r"(.*) \((\d+)\)", stem)
    if found:
        stem, number = found[1], int(found[2]) + 1
    return short_name(str(path.with_name(f"{stem} ({number}){path.suffix}")), path.suffix)


def short_name(name: str, ending: str) -> str:
    """The name, or if it is too long as much of it as goes before a hash of the whole and its ending."""
    if len(name) <= MOST_NAME_CHARS:
        return name
    suffix = f"~{hashlib.sha256(name.encode()).hexdigest()[:16]}{ending}"
    return name[: MOST_NAME_CHARS - len(suffix)].rstrip("/") + suffix


def check_depth(name: str) -> None:
    """Refuse to open what lies too deep inside others.

    Raises:
        InvalidArgument: it does.
    """
    parts = name.lower().split("/")
    if sum(part.endswith(CONTAINER_ENDINGS) for part in parts) > DEEPEST:
        raise InvalidArgument(
            "ARCHIVE_TOO_DEEP",
            f"{name}: archives in archives are opened {DEEPEST} deep; unpack it, and upload what it holds",
            name=name,
        )


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
