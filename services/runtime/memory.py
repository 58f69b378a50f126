"""What becomes of memory that is given back within a process that works on large blocks.

glibc hands freed blocks to the kernel, which clears each page again before it is used for the next: a sixth
of the time that a dataset version took. So freed memory is kept while items are worked on, and given back
when one has ended.
"""

from __future__ import annotations

import asyncio
import ctypes

from services.runtime.jobs import Item
from services.runtime.worker import Handler

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Numbers of the settings in glibc's `malloc.h`."""
KEPT = 1 << 30
"""Most bytes that are kept at the top of the heap."""
LARGEST = 32 << 20
"""Blocks up to so many bytes come from the heap; glibc allows no more."""


def keep_freed() -> None:
    """Keep freed memory for the next block, in one heap for all threads; nothing where there is no glibc."""
    library = glibc()
    if library:
        for name, value in ((TRIM_THRESHOLD, KEPT), (MMAP_THRESHOLD, LARGEST), (ARENA_MAX, 1)):
            library.mallopt(name, value)


def giving_back(handler: Handler) -> Handler:
    """Work on an item, and give the memory that it took back to the kernel when it has ended."""
    library = glibc()

    async def handle(item: Item) -> None:
        try:
            await handler(item)
        finally:
            if library:
                await asyncio.to_thread(library.malloc_trim, 0)

    return handle


def glibc() -> ctypes.CDLL | None:
    """The C library of this process where that is glibc."""
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
