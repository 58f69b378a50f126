"""Pictures as pages give them: `data:` URIs and bytes, told by how they begin."""

from __future__ import annotations

import base64
import binascii
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from services.ingest.readers.reading import Source
from services.ingest.readers.shared import archives


@dataclass(frozen=True)
class Fetched:
    """A picture's bytes, and what its container says they are."""

    data: bytes
    media_type: str = ""


def fetch_from(archive: zipfile.ZipFile, source: Source) -> Callable[[str], Fetched | None]:
    """Gives pictures of an archive by their paths; nothing for a path that it does not have."""
    names = set(archive.namelist())

    def fetch(path: str) -> Fetched | None:
        return Fetched(archives.read(archive, path, source)) if path in names else None

    return fetch


BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\xd7\xcd\xc6\x9a", "image/x-wmf"),
    (b"\x01\x00\x09\x00", "image/x-wmf"),
)


def media_type_of(data: bytes) -> str:
    """The media type of a picture by its bytes; empty if they are none that we know."""
    for beginning, media_type in BEGINNINGS:
        if data.startswith(beginning):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:4] == b"\x01\x00\x00\x00" and data[40:44] == b" EMF":
        return "image/x-emf"
    if b"<svg" in data[:2000]:
        return "image/svg+xml"
    return ""


def decoded(uri: str) -> Fetched | None:
    """The picture in a `data:` URI; none if it holds none (RFC 2397)."""
    head, comma, body = uri[5:].partition(",")
    media_type, *parameters = head.split(";")
    if not comma:
        return None
    data = unquote_to_bytes(body)
    if "base64" in (parameter.strip().lower() for parameter in parameters):
        try:
            data = base64.b64decode(b"".join(data.split()) + b"==")
        except binascii.Error:
            return None
    return Fetched(data, media_type.strip().lower())
