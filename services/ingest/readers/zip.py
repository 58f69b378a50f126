"""ZIP: its files become documents of their own; its text is the list of all that it holds."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from services.ingest.documents import member_name
from services.ingest.formats import format_of
from services.ingest.readers.reading import MEMBERS, Member, Reading, Source, checked
from services.ingest.readers.shared import archives
from services.ingest.readers.shared.free_names import FreeNames
from services.ingest.readers.shared.text_builder import TextBuilder
from services.runtime.archives import encrypted, is_link, is_locked, is_unsafe, names_of, safe_name
from services.runtime.errors import InvalidArgument
from services.runtime.failures import Failure

CLUTTER = {"__macosx", "thumbs.db", "desktop.ini"}
OFFICE_LOCK = "~$"


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
    if is_locked(one.entry):
        return encrypted(member.name, one.packed_as)
    try:
        with path.open("wb") as stream:
            for piece in archives.pieces(archive, one.entry, member):
                stream.write(piece)
    except InvalidArgument as error:
        path.write_bytes(b"")
        return error
    if is_link(one.entry):
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
    return "it is empty" if one.entry.file_size == 0 and not is_link(one.entry) else ""


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
