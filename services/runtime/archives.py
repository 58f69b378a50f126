"""Zip archives from outside: held against bombs before anything is unpacked, and their names made safe."""

from __future__ import annotations

import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from itertools import pairwise

from services.runtime import encodings
from services.runtime.encodings import Candidate
from services.runtime.errors import InvalidArgument

MOST_MEMBERS = 10_000
MOST_RATIO = 200
"""How many times larger a member may be than its packed bytes; real sheets of equal rows reach 100."""
FREE_BYTES = 10 << 20
"""The ratio counts beyond so many unpacked bytes; less can harm nobody."""
HEADER_BYTES = 30
"""Least size of the header before a member's bytes (APPNOTE.TXT 4.3.7)."""
ENCRYPTED_FLAG = 0x1
UTF8_FLAG = 0x800
UNICODE_PATH = 0x7075
"""Extra field with the name in UTF-8 (APPNOTE.TXT 4.6.9)."""
CHARSETS = (
    Candidate("cp437", "western"),
    Candidate("gb18030", "simplified"),
    Candidate("cp950", "traditional", 2),
    Candidate("cp932", "japanese", 2),
    Candidate("cp949", "korean", 2),
    Candidate("cp866", "russian", 3),
)
"""What the zip programs of old systems wrote names in."""
DRIVE = re.compile(r"^[A-Za-z]:")
SPACES = re.compile(r"\s")
NAMELESS = "_"


def check_directory(archive: zipfile.ZipFile, name: str, most_bytes: int) -> None:
    """Refuse what the directory itself shows to be a bomb.

    Args:
        archive: the archive, open.
        name: its name, for messages.
        most_bytes: how large all members may be together, unpacked.

    Raises:
        InvalidArgument: the archive is one.
    """
    entries = archive.infolist()
    if len(entries) > MOST_MEMBERS:
        raise bomb(name, f"it holds {len(entries)} files, at most {MOST_MEMBERS} are taken")
    total = sum(entry.file_size for entry in entries)
    if total > most_bytes:
        raise bomb(name, f"it unpacks to {total} bytes, at most {most_bytes} are taken")
    for entry in entries:
        if entry.file_size > FREE_BYTES + MOST_RATIO * entry.compress_size:
            raise bomb(name, f"it unpacks to more than {MOST_RATIO} times its size", entry.filename)
    by_place = sorted(entries, key=lambda entry: entry.header_offset)
    for entry, following in pairwise(by_place):
        if entry.header_offset + HEADER_BYTES + entry.compress_size > following.header_offset:
            raise bomb(name, "its bytes overlap those of another", following.filename)


def bomb(name: str, why: str, member: str = "") -> InvalidArgument:
    """The error for an archive that is made to swell, or too large."""
    return InvalidArgument(
        "ARCHIVE_BOMB",
        f"{name}: {member or 'the archive'} is not unpacked: {why}; split the file",
        name=name,
        **({"member": member} if member else {}),
    )


def encrypted(name: str, member: str = "") -> InvalidArgument:
    """The error for a file that asks for a password."""
    return InvalidArgument(
        "FILE_ENCRYPTED",
        f"{name}: {member or 'the file'} is encrypted; save it without a password",
        name=name,
        **({"member": member} if member else {}),
    )


def is_locked(entry: zipfile.ZipInfo) -> bool:
    """Whether a member is encrypted."""
    return bool(entry.flag_bits & ENCRYPTED_FLAG)


def is_link(entry: zipfile.ZipInfo) -> bool:
    """Whether a member is a link, or a device."""
    return stat.S_IFMT(entry.external_attr >> 16) not in {0, stat.S_IFREG}


def tidy(name: str) -> str:
    """A name as other systems write it."""
    # Some Windows programs write their own separator, and macOS writes accents apart from letters.
    return SPACES.sub(" ", unicodedata.normalize("NFC", name).replace("\\", "/"))


def is_unsafe(name: str) -> bool:
    """Whether a name leads out of the archive, or holds control characters."""
    path = tidy(name)
    tricks = path.startswith("/") or DRIVE.match(path) or ".." in path.split("/")
    return bool(tricks) or not path.isprintable()


def safe_name(name: str) -> str:
    """A name as a relative path with `/`, without what makes it unsafe; `_` where nothing else is in it."""
    path = "".join(sign if sign.isprintable() else "_" for sign in DRIVE.sub("", tidy(name), count=1))
    return "/".join(part for part in path.split("/") if part not in {"", ".", ".."}) or NAMELESS


def names_of(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The names of files in the encoding that fits all of them; `zipfile` takes them for code page 437."""
    marked = {index: name for index, entry in enumerate(entries) if (name := unicode_name(entry))}
    raw = {
        index: entry.orig_filename.encode("cp437")
        for index, entry in enumerate(entries)
        if index not in marked and not entry.flag_bits & UTF8_FLAG
    }
    together = b"\n".join(name for name in raw.values() if not name.isascii())
    codec = encodings.best("utf-8", CHARSETS, together)
    names = [entry.orig_filename for entry in entries]
    for index, name in marked.items():
        names[index] = name
    for index, name_bytes in raw.items():
        names[index] = name_bytes.decode(codec, "replace")
    return names


def unicode_name(entry: zipfile.ZipInfo) -> str:
    """The name in the extra field for it, if that is of this name and no leftover of another."""
    place = 0
    while place + 4 <= len(entry.extra):
        kind, size = struct.unpack_from("<HH", entry.extra, place)
        field = entry.extra[place + 4 : place + 4 + size]
        place += 4 + size
        if kind == UNICODE_PATH and len(field) > 5 and not entry.flag_bits & UTF8_FLAG:
            crc = struct.unpack_from("<I", field, 1)[0]
            if crc == zlib.crc32(entry.orig_filename.encode("cp437")):
                return field[5:].decode(errors="replace")
    return ""
