"""Zip-based files and the XML in them, held against bombs before anything is unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from lxml import etree

from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.readers.reading import Source
from services.ingest.readers.shared import ole
from services.ingest.readers.shared.strict import loosened
from services.runtime.archives import check_directory, encrypted, is_locked
from services.runtime.errors import InvalidArgument

MOST_BYTES = 1 << 30
"""All members together, unpacked."""
PIECE_BYTES = 1 << 20
DOCTYPE = [b"<!DOCTYPE", "<!DOCTYPE".encode("utf-16-le"), "<!DOCTYPE".encode("utf-16-be")]
ERR_RESOURCE_LIMIT = 114
"""libxml2's code for too much depth, text or expansion; lxml has no name for it."""


@contextmanager
def opened(source: Source, *, partly_locked: bool = False) -> Iterator[zipfile.ZipFile]:
    """A zip-based file, open, after a look at its directory; take members out of it by `read`.

    Args:
        source: the file.
        partly_locked: whether some of its members, but not all, may be encrypted.

    Raises:
        InvalidArgument: it is damaged, encrypted, or made to swell.
    """
    if ole.stream_in(source.path, [ole.ENCRYPTED]):
        raise encrypted(source.name)
    try:
        archive = zipfile.ZipFile(source.path)
    except MemoryError:
        raise
    except Exception as error:
        # A damaged directory ends in any of a dozen errors.
        raise unreadable(source, str(error)) from error
    with archive:
        check_directory(archive, source.name, MOST_BYTES)
        check_locks(archive, source, partly_locked)
        yield archive


def check_locks(archive: zipfile.ZipFile, source: Source, partly_locked: bool) -> None:
    """Refuse encrypted members.

    Raises:
        InvalidArgument: there are some, or all are where some may be.
    """
    files = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    locked = [entry.filename for entry in files if is_locked(entry)]
    if locked and not (partly_locked and len(locked) < len(files)):
        raise encrypted(source.name, locked[0])


def read(archive: zipfile.ZipFile, name: str, source: Source) -> bytes:
    """The bytes of a member.

    Raises:
        InvalidArgument: there is no such member, or it is damaged.
    """
    return b"".join(pieces(archive, name, source))


def pieces(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, source: Source) -> Generator[bytes]:
    """The bytes of a member, piece by piece; `zipfile` never gives more than the directory says.

    Raises:
        InvalidArgument: there is no such member, or it is damaged.
    """
    member = name if isinstance(name, str) else name.filename
    try:
        with archive.open(name) as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece
    except MemoryError:
        raise
    except KeyError:
        raise unreadable(source, f"its part {member} is missing", member) from None
    except Exception as error:
        # Each method of packing has errors of its own, and all mean the same here.
        raise unreadable(source, f"its part {member} is damaged: {error}", member) from error


def check_markup(archive: zipfile.ZipFile, source: Source) -> None:
    """Hold the parts that declare a document type against bombs; for libraries that parse the XML themselves.

    Raises:
        InvalidArgument: a part declares entities, or is damaged.
    """
    for entry in archive.infolist():
        if entry.filename.endswith((".xml", ".rels")):
            parts = pieces(archive, entry, source)
            start = next(parts, b"")
            parts.close()
            if any(mark in start for mark in DOCTYPE):
                xml(read(archive, entry.filename, source), source)


def xml(data: bytes, source: Source) -> etree._Element:
    """Parse XML: no entities, no network; comments and processing instructions are left out.

    Parts of strict Office files get the namespaces of all others.

    Raises:
        InvalidArgument: it is no XML, or made to swell.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(loosened(data), parser)
    except etree.XMLSyntaxError as error:
        if error.code in {etree.ErrorTypes.ERR_ENTITY_LOOP, ERR_RESOURCE_LIMIT}:
            raise xml_bomb(source, str(error)) from error
        raise unreadable(source, f"its XML is damaged: {error}") from error
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise xml_bomb(source, "it declares entities")
    return root


def unreadable(source: Source, why: str, member: str = "") -> InvalidArgument:
    """The error for a file that is damaged."""
    kind = BY_MEDIA_TYPE[source.media_type].reader.upper()
    return InvalidArgument(
        f"{kind}_UNREADABLE",
        f"{source.name}: the {kind} file cannot be read ({why}); is it damaged or cut off? Save it anew",
        name=source.name,
        **({"member": member} if member else {}),
    )


def xml_bomb(source: Source, why: str) -> InvalidArgument:
    """The error for XML that is made to swell, or too deep."""
    return InvalidArgument(
        "XML_BOMB",
        f"{source.name}: XML in the file is not read: {why}; save it anew without entities",
        name=source.name,
    )
