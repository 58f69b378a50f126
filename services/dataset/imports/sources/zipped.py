"""Zip archives of data files, unpacked into a folder."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from services.dataset.imports.disk import is_full
from services.dataset.imports.readers.streams import damaged
from services.runtime.archives import (
    check_directory,
    encrypted,
    is_link,
    is_locked,
    is_unsafe,
    names_of,
    safe_name,
)
from services.runtime.errors import InvalidArgument

MOST_BYTES = 32 << 30
"""All members together, unpacked."""
SPARE_BYTES = 1 << 30
"""So much of the disk stays free."""
PIECE_BYTES = 1 << 20


def is_zip(path: Path) -> bool:
    """Whether a file is an archive of files, by its name."""
    return path.suffix.lower() == ".zip"


def unpacked(path: Path, name: str, folder: Path) -> Path:
    """The folder that an archive is unpacked to; a single folder in it is gone into.

    Raises:
        InvalidArgument: the archive is damaged, encrypted, made to swell, or holds links or names that
            lead out of it.
        OSError: the disk has no room for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="unpacked-", dir=folder))
    try:
        with zipfile.ZipFile(path) as archive:
            check_directory(archive, name, MOST_BYTES)
            check_room(archive, folder)
            members = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
            for entry, packed_as in zip(members, names_of(members), strict=True):
                check_member(entry, packed_as, name)
                write(archive, entry, root / safe_name(packed_as))
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and is_full(error):
            raise
        raise damaged(name, str(error)) from error
    return only_folder(root)


def check_room(archive: zipfile.ZipFile, folder: Path) -> None:
    """Look whether the disk has room for all members, before the first is written.

    Raises:
        OSError: it has not.
    """
    wanted = sum(entry.file_size for entry in archive.infolist())
    if wanted > shutil.disk_usage(folder).free - SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def check_member(entry: zipfile.ZipInfo, packed_as: str, name: str) -> None:
    """Refuse a member that is encrypted, a link, or wants to be written elsewhere.

    Raises:
        InvalidArgument: it is one.
    """
    if is_locked(entry):
        raise encrypted(name, packed_as)
    if is_unsafe(packed_as) or is_link(entry):
        raise InvalidArgument(
            "ARCHIVE_PATH_UNSAFE",
            f"{name}: {packed_as!r} is a link, or its name leads out of the archive; pack the file itself, "
            "with a relative name",
            name=name,
            member=packed_as,
        )


def write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    """Unpack a member."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as stream, path.open("xb") as target:
        shutil.copyfileobj(stream, target, PIECE_BYTES)


def only_folder(root: Path) -> Path:
    """The folder that holds everything: some programs pack a folder and not what is in it."""
    inner = [path for path in root.iterdir() if path.name != "__MACOSX" and not path.name.startswith(".")]
    return only_folder(inner[0]) if len(inner) == 1 and inner[0].is_dir() else root
