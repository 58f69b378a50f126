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
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from services.ingest.documents import member_name
from services.ingest.formats import format_of
from services.ingest.readers.reading import MEMBERS, Member, Reading, Source, checked
from services.ingest.readers.shared import archives, encodings
from services.ingest.readers.shared.encodings import Candidate
from services.ingest.readers.shared.free_names import FreeNames
from services.ingest.readers.shared.text_builder import TextBuilder
from services.runtime.errors import InvalidArgument
from services.runtime.failures import Failure

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
DRIVE = re.compile(r"^[A-Za-z]:")
SPACES = re.compile(r"\s")
NAMELESS = "_"


@dataclass(frozen=True)
class Packed:
    """A file of an archive.

    Args:
        entry: its row in the directory.
        packed_as: its name there.
        name: a relative path with `/`, which no other file of the archive has.
        document: name of the document that it becomes.
    """

    entry: zipfile.ZipInfo
    packed_as: str
    name: str
    document: str

    @property
    def is_link(self) -> bool:
        """Whether it is a link, or a device."""
        return stat.S_IFMT(self.entry.external_attr >> 16) not in {0, stat.S_IFREG}


def read(source: Source) -> Reading:
    """Unpack the files that the room reads; all others are in the list, with the reason.

    A file that is locked, damaged or a link, or whose name leads out of the archive, is a refused member.

    Raises:
        InvalidArgument: the archive is damaged, encrypted, or made to swell.
    """
    folder = source.folder / MEMBERS
    try:
        with archives.opened(source, partly_locked=True) as archive:
            return unpacked(archive, source, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def unpacked(archive: zipfile.ZipFile, source: Source, folder: Path) -> Reading:
    """The files of an archive, in its order."""
    builder, members = TextBuilder(source), list[Member]()
    for one in packed_in(archive, source):
        said = why_left_out(one)
        if said:
            builder.add(f"- {one.name}: left out, {said}\n")
            continue
        file = f"{len(members):04}"
        refusal = written(archive, one, source, folder / file)
        members.append(Member(one.name, file, Failure.of(refusal) if refusal else None))
        builder.add(f"- {one.name}: not read, see its document\n" if refusal else f"- {one.name}\n")
    return checked(Reading(builder.text(), members=members), source.name)


def packed_in(archive: zipfile.ZipFile, source: Source) -> list[Packed]:
    """The files of an archive under names of their own; one that is named as it should be keeps its name."""
    entries = archive.infolist()
    named = [
        (entry, packed_as, safe_name(packed_as))
        for entry, packed_as in zip(entries, names_of(entries), strict=True)
        if not entry.filename.endswith("/")
    ]
    found, names = dict[int, Packed](), FreeNames()
    for at, (entry, packed_as, wanted) in sorted(enumerate(named), key=lambda one: is_unsafe(one[1][1])):
        name = names.take(wanted)
        found[at] = Packed(entry, packed_as, name, member_name(source.name, name))
    return [found[at] for at in range(len(named))]


def written(archive: zipfile.ZipFile, one: Packed, source: Source, path: Path) -> InvalidArgument | None:
    """Write a file of an archive, empty where it cannot be had; return why it is not to be read."""
    path.parent.mkdir(exist_ok=True)
    path.touch()
    member = replace(source, name=one.document)
    if archives.is_locked(one.entry):
        return archives.encrypted(member, one.packed_as)
    try:
        with path.open("wb") as stream:
            for piece in archives.pieces(archive, one.entry, member):
                stream.write(piece)
    except InvalidArgument as error:
        path.write_bytes(b"")
        return error
    if one.is_link:
        return link(one)
    return unsafe(one) if is_unsafe(one.packed_as) else None


def why_left_out(one: Packed) -> str:
    """Why a file is no document; empty if it is one."""
    parts = one.name.split("/")
    hidden = any(part.startswith((".", OFFICE_LOCK)) or part.lower() in CLUTTER for part in parts)
    if hidden:
        return "it is hidden"
    try:
        format_of(one.name)
    except InvalidArgument:
        return f"files of kind {PurePosixPath(one.name).suffix or '(no ending)'} are not read"
    return "it is empty" if one.entry.file_size == 0 and not one.is_link else ""


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


def unsafe(one: Packed) -> InvalidArgument:
    """The error for a file that wants to be written elsewhere."""
    return InvalidArgument(
        "ARCHIVE_PATH_UNSAFE",
        f"{one.document}: its name in the archive, {one.packed_as!r}, leads out of it or holds control "
        "characters; pack the file anew, with a relative name",
        name=one.document,
        member=one.packed_as,
    )


def link(one: Packed) -> InvalidArgument:
    """The error for a file that only says where another one is."""
    return InvalidArgument(
        "ARCHIVE_LINK",
        f"{one.document}: {one.packed_as!r} in the archive is a link or device, which is not followed; pack "
        "the file itself",
        name=one.document,
        member=one.packed_as,
    )
