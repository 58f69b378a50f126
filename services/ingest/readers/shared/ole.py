"""Compound files (MS-CFB): the container of old and of encrypted Office files, told by its streams' names."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = "EncryptedPackage"
"""Name of the stream that holds an encrypted Office file (MS-OFFCRYPTO 2.3.4.4)."""
ENTRY_BYTES = 128
"""Size of a directory entry, which starts with the name; sectors are multiples of it (MS-CFB 2.6)."""


def stream_in(path: Path, names: Iterable[str]) -> str | None:
    """The first of some names that a stream of a file has; none where the file is no compound file."""
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            return None
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return next((name for name in names if has_entry(data, name)), None)


def has_entry(data: mmap.mmap, name: str) -> bool:
    """Whether an entry of the directory has a name; the directory may lie anywhere in the file."""
    wanted = name.encode("utf-16-le") + b"\x00\x00"
    place = data.find(wanted)
    while place >= 0 and place % ENTRY_BYTES:
        place = data.find(wanted, place + 1)
    return place >= 0
