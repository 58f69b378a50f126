"""Attachments of a mail: those that the room can read become members, the others are named."""

from __future__ import annotations

import codecs
import re
from email.message import MIMEPart
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from services.ingest.documents import check_name
from services.ingest.formats import BY_ENDING, BY_MEDIA_TYPE
from services.ingest.readers.eml.charsets import declared
from services.ingest.readers.reading import MEMBERS, Member
from services.ingest.readers.shared.free_names import FreeNames
from services.runtime.encodings import as_utf8
from services.runtime.errors import InvalidArgument

Part: TypeAlias = "MIMEPart[Any, Any]"
LONGEST_NAME = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd\ud800-\udfff]+")
"""What no name needs; marks of direction make `gpj.exe` look like `exe.jpg`."""


class Attachments:
    """Collects the attachments of one mail.

    Args:
        folder: the source's folder; those that can be read go to `members/` in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / MEMBERS
        self._free = FreeNames(any_case=True)
        self.names: list[str] = []
        self.members: list[Member] = []

    def add(self, part: Part, subject: str = "") -> None:
        """Take a part."""
        kind = part.get_content_type()
        if kind == "message/rfc822":
            inner = part.get_payload(0)
            data = inner.as_bytes() if isinstance(inner, MIMEPart) else b""
            subject = str(inner.get("Subject", "")) if isinstance(inner, MIMEPart) else ""
        else:
            payload = part.get_payload(decode=True)
            data = payload if isinstance(payload, bytes) else b""
            data = told(data, part)
        name = self._free.take(name_of(part, kind, subject, len(self.names) + 1))
        self.names.append(name)
        ending = PurePosixPath(name).suffix.lower()
        if ending in BY_ENDING and data:
            self._folder.mkdir(exist_ok=True)
            file = f"{len(self.members) + 1}{ending}"
            (self._folder / file).write_bytes(data)
            self.members.append(Member(name, file))


def told(data: bytes, part: Part) -> bytes:
    """The bytes of a part; of text in a charset that only the mail names, as UTF-8 with its mark."""
    charset = part.get_content_charset()
    if part.get_content_maintype() != "text" or not charset or data.isascii() or as_utf8(data) is not None:
        return data
    text = declared(data, charset)
    return data if text is None else codecs.BOM_UTF8 + text.encode("utf-8", "replace")


def name_of(part: Part, kind: str, subject: str, number: int) -> str:
    """A safe name for a part, with the ending of what it is."""
    said = CONTROL.sub("", part.get_filename() or subject).replace("\\", "/").rpartition("/")[2].strip(" .")
    path = PurePosixPath(said or f"attachment-{number}")
    stem, ending = path.stem[:LONGEST_NAME], path.suffix
    if ending.lower() not in BY_ENDING and kind in BY_MEDIA_TYPE and (not ending or kind == "message/rfc822"):
        stem, ending = (stem + ending)[:LONGEST_NAME], BY_MEDIA_TYPE[kind].endings[0]
    try:
        check_name(stem + ending)
    except InvalidArgument:
        return f"attachment-{number}{ending if ending.isalnum() else ''}"
    return stem + ending
