"""The first rows of an upload, as an import would read them."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import NamedTuple

from services.dataset.imports.disk import disk_errors
from services.dataset.imports.imports import ImportOptions, ImportUpload
from services.dataset.imports.profile import Profile
from services.dataset.imports.readers import ending_of
from services.dataset.imports.readers.streams import unpacked_name
from services.dataset.imports.reading import read_parts
from services.dataset.imports.rows import Fault, Imported
from services.dataset.imports.sources import parts_in
from services.dataset.imports.uploads import check_arrived
from services.runtime.errors import InvalidArgument
from services.runtime.storage import Storage
from services.runtime.work_folders import work_folder

ROWS, MOST_ROWS = 20, 200
HEAD_BYTES = 32 << 20
"""So much of a file is read whose rows stand one after the other."""
WHOLE_BYTES = 256 << 20
"""A file that has to be read whole may be no larger."""
BY_ROWS = {".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".txt"}
PARTS = 8 << 20


class Preview(NamedTuple):
    """What the first rows become, and columns that none of it is made of."""

    rows: list[Imported | Fault]
    unread_columns: list[str]


async def previewed(storage: Storage, upload: ImportUpload, options: ImportOptions, rows: int) -> Preview:
    """What the first rows become.

    Raises:
        FailedPrecondition: nothing arrived.
        InvalidArgument: the file cannot be read, or is too large for it.
    """
    await check_arrived(storage, upload)
    by_rows = ending_of(upload.name) in BY_ROWS and unpacked_name(upload.name) == upload.name
    if not by_rows and upload.size_bytes > WHOLE_BYTES:
        raise InvalidArgument(
            "PREVIEW_TOO_LARGE",
            f"{upload.name}: such a file is read whole, and may be no larger than "
            f"{WHOLE_BYTES >> 20} MiB for a preview; import it, or look at a part of it",
            "upload_id",
            name=upload.name,
        )
    with work_folder("dataset") as folder:
        path = folder / "file"
        await fetch(storage, upload, path, HEAD_BYTES if by_rows else WHOLE_BYTES)
        count = min(rows or ROWS, MOST_ROWS)
        with disk_errors():
            return await asyncio.to_thread(first_rows, path, upload.name, folder, options, count)


async def fetch(storage: Storage, upload: ImportUpload, path: Path, most: int) -> None:
    """Store the beginning of an upload in a file."""
    size = min(upload.size_bytes, most)
    with path.open("wb") as stream:
        for start in range(0, size, PARTS):
            stream.write(await storage.get_range(upload.key, start, min(PARTS, size - start)))


def first_rows(path: Path, name: str, folder: Path, options: ImportOptions, count: int) -> Preview:
    """The first rows of a file, which may be only the beginning of one.

    Raises:
        InvalidArgument: it cannot be read.
    """
    parts = parts_in(path, name, folder, options.choice)
    profile = Profile()
    found = list(itertools.islice(read_parts(parts, folder, options.wanted, profile), count))
    return Preview(found, list(profile.unread_columns))
