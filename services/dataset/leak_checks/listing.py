"""Leaks of a check, read from its file in the bucket: a few row groups for a page."""

from __future__ import annotations

import asyncio

import pyarrow.parquet as pq

from services.dataset.leak_checks.leak_checks import FoundLeak, LeakCheck, LeaksFile
from services.dataset.versions.members import ObjectFile
from services.runtime.pages import Page, PageRequest, fitting, next_token
from services.runtime.storage import Storage


async def list_leaks(storage: Storage, page: PageRequest, check: LeakCheck) -> Page[FoundLeak]:
    """Leaks, source by source.

    Raises:
        FailedPrecondition: the check is not ready.
        Unavailable: the bucket cannot be reached.
    """
    file = check.ready_file
    start = int(page.after[0]) if page.after else 0
    loop = asyncio.get_running_loop()
    found = await asyncio.to_thread(read_leaks, storage, loop, file, start, page.limit)
    shown = found[: fitting(found[: page.size], lambda one: one.size_bytes)]
    if len(shown) == len(found):
        return Page(shown, "")
    return Page(shown, next_token(page, start + len(shown)))


def read_leaks(
    storage: Storage, loop: asyncio.AbstractEventLoop, file: LeaksFile, start: int, count: int
) -> list[FoundLeak]:
    """Some rows of the file."""
    found: list[FoundLeak] = []
    with pq.ParquetFile(ObjectFile(storage, loop, file.key, file.size_bytes)) as opened:
        place = 0
        for group in range(opened.num_row_groups):
            rows = opened.metadata.row_group(group).num_rows
            if place + rows > start and len(found) < count:
                table = opened.read_row_group(group).slice(max(0, start - place))
                found += [FoundLeak(**row) for row in table.slice(0, count - len(found)).to_pylist()]
            place += rows
    return found
