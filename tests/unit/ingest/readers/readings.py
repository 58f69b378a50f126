"""Files for the tests of readers, and what is read from them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.ingest.formats import format_of
from services.ingest.readers import Reading, Source, read_document
from services.runtime.errors import InvalidArgument

ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
"""The head of an XML bomb: entities that swell."""


def read(folder: Path, data: bytes | str, name: str) -> Reading:
    path = folder / "file"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    reading = read_document(Source(path, f"handbook/{name}", format_of(name).media_type, folder))
    for image in reading.images:
        assert reading.text[image.char_start : image.char_end].endswith(f"](images/{image.name})")
        assert (folder / "images" / image.name).stat().st_size == image.size_bytes
    for member in reading.members:
        assert (folder / "members" / member.file).is_file()
    return reading


def refusal(folder: Path, data: bytes | str, name: str) -> str:
    """Why a file is refused; the message names it."""
    with pytest.raises(InvalidArgument, match=f"handbook/{name}") as raised:
        read(folder, data, name)
    assert raised.value.metadata["name"] == f"handbook/{name}"
    return raised.value.reason


def png(width: int = 2, color: bytes = b"\xff\x00\x00") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\x00" + color * width) * width)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def swollen(data: bytes, name: str) -> bytes:
    """A zip-based file with a member of 64 MiB of nothing."""
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(64 << 20))
    return buffer.getvalue()


def changed(data: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """A zip-based file with a change in a member."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    assert old in files[name]
    return zipped({**files, name: files[name].replace(old, new)})


def encrypted_office_file() -> bytes:
    """A compound file whose directory names the stream that holds an encrypted Office file."""
    entry = "EncryptedPackage".encode("utf-16-le").ljust(128, b"\x00")
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(1024, b"\x00") + entry
