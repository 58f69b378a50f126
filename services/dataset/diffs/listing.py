"""Changes of a diff, read from its file in the bucket: a few row groups for a page."""

from __future__ import annotations

import asyncio

import pyarrow.parquet as pq

from services.dataset.diffs.comparing import GROUP
from services.dataset.diffs.diffs import ChangesFile, DatasetChange, DatasetDiff
from services.dataset.versions.members import ObjectFile
from services.runtime.pages import Page, PageRequest, next_token
from services.runtime.storage import Storage


async def list_changes(
    storage: Storage, page: PageRequest, diff: DatasetDiff, change: str | None
) -> Page[DatasetChange]:
    """Changes by kind and id.

    Raises:
        FailedPrecondition: the diff is not ready.
        Unavailable: the bucket cannot be reached.
    """
    file = diff.ready_file
    start, end = diff.rows(change)
    start += int(page.after[0]) if page.after else 0
    stop = min(end, start + page.size)
    loop = asyncio.get_running_loop()
    found = await asyncio.to_thread(read_changes, storage, loop, file, start, stop)
    first, _ = diff.rows(change)
    return Page(found, next_token(page, stop - first) if stop < end else "")


def read_changes(
    storage: Storage, loop: asyncio.AbstractEventLoop, file: ChangesFile, start: int, stop: int
) -> list[DatasetChange]:
    """Some rows of the file."""
    if start >= stop:
        return []
    with pq.ParquetFile(ObjectFile(storage, loop, file.key, file.size_bytes)) as opened:
        first = start // GROUP
        groups = range(first, (stop - 1) // GROUP + 1)
        rows = opened.read_row_groups(list(groups)).slice(start - first * GROUP, stop - start)
    return [DatasetChange(**row) for row in rows.to_pylist()]
