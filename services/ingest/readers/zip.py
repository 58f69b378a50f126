"""ZIP: its files become documents of their own; its text is the list of all that it holds."""

from __future__ import annotations

import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from services.ingest.documents import check_name
from services.ingest.formats import format_of
from services.ingest.readers.reading import Member, Reading, Source, checked
from services.ingest.readers.shared import archives, encodings
from services.ingest.readers.shared.draft import Draft
from services.ingest.readers.shared.encodings import Candidate
from services.runtime.errors import InvalidArgument

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
CLUTTER = {"__macosx", "thumbs.db", "desktop.ini"}
OFFICE_LOCK = "~$"
DRIVE = re.compile(r"[A-Za-z]:")
SPACES = re.compile(r"\s")


def read(source: Source) -> Reading:
    """Unpack the files that the room reads; all others are in the list, with the reason.

    Raises:
        InvalidArgument: the archive is damaged, encrypted, made to swell, or wants to be unpacked elsewhere.
    """
    folder = source.folder / "members"
    try:
        with archives.opened(source) as archive:
            return unpacked(archive, source, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def unpacked(archive: zipfile.ZipFile, source: Source, folder: Path) -> Reading:
    """The files of an archive, in its order."""
    entries = archive.infolist()
    draft, members, taken = Draft(source), list[Member](), set[str]()
    for entry, raw_name in zip(entries, names_of(entries), strict=True):
        name = checked_name(raw_name, source)
        if entry.is_dir() or not name:
            continue
        reason = why_left_out(entry, name)
        if not reason:
            name = unused(name, taken)
            taken.add(name)
            members.append(Member(name, f"{len(members):04}"))
            write(archive, entry, source, folder / members[-1].file)
        draft.add(f"- {name}: left out, {reason}\n" if reason else f"- {name}\n")
    return checked(Reading(draft.text(), members=members), source.name)


def write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, source: Source, path: Path) -> None:
    """Write a file of an archive.

    Raises:
        InvalidArgument: it is damaged.
    """
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as stream:
        for piece in archives.pieces(archive, entry, source):
            stream.write(piece)


def why_left_out(entry: zipfile.ZipInfo, name: str) -> str:
    """Why a file is no document; empty if it is one."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        return "it is a link or device"
    parts = name.split("/")
    hidden = any(part.startswith((".", OFFICE_LOCK)) or part.lower() in CLUTTER for part in parts)
    if hidden:
        return "it is hidden"
    if entry.file_size == 0:
        return "it is empty"
    try:
        format_of(name)
    except InvalidArgument:
        return f"files of kind {PurePosixPath(name).suffix or '(no ending)'} are not read"
    return ""


def checked_name(name: str, source: Source) -> str:
    """A name as a relative path with `/`.

    Raises:
        InvalidArgument: it leads out of the archive, or holds control characters.
    """
    # Some Windows programs write their own separator, and macOS writes accents apart from letters.
    tidy = SPACES.sub(" ", unicodedata.normalize("NFC", name).replace("\\", "/"))
    parts = [part for part in tidy.split("/") if part not in {"", "."}]
    path = "/".join(parts)
    if tidy.startswith("/") or DRIVE.match(tidy) or ".." in parts:
        raise unsafe(source, name)
    try:
        if path:
            check_name(path)
    except InvalidArgument:
        raise unsafe(source, name) from None
    return path


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


def unused(name: str, taken: set[str]) -> str:
    """The name, or with a number before its ending if another file has it."""
    path, number = PurePosixPath(name), 2
    while name in taken:
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        number += 1
    return name


def unsafe(source: Source, member: str) -> InvalidArgument:
    """The error for an archive that wants to write elsewhere."""
    return InvalidArgument(
        "ARCHIVE_PATH_UNSAFE",
        f"{source.name}: the name {member!r} in the archive leads out of it or holds control characters; "
        "pack the files anew, with relative names",
        name=source.name,
        member=member,
    )
