"""The memory that all parses of one worker share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

SHARE_BYTES = 256 << 20
"""What a parse gets at first: enough for nearly every document."""
WARM_BYTES = 64 << 20
"""Of a process that parses, what it holds before it is given a document."""
LARGE_ANSWER_BYTES = 8 << 20
"""An answer beyond this takes memory of the worker's own process that counts."""


class Memory:
    """Hands out the memory for parsing, in the order in which it is asked for.

    A parse gets a share. One that needs more is done again by itself, with all there is; so is an answer
    read that is large. Whatever the files are, the worker and its processes hold no more than they may.

    Args:
        all_bytes: what all parses at once may hold.
    """

    def __init__(self, all_bytes: int) -> None:
        self.all_bytes = all_bytes
        self.share_bytes = min(SHARE_BYTES, all_bytes)
        self._free = all_bytes
        self._door = asyncio.Lock()
        self._given_back = asyncio.Event()

    def share(self) -> AbstractAsyncContextManager[None]:
        """What one of several parses takes, with what its process holds anyway."""
        return self._taken(min(self.share_bytes + WARM_BYTES, self.all_bytes))

    def everything(self) -> AbstractAsyncContextManager[None]:
        """What a parse takes that is alone."""
        return self._taken(self.all_bytes)

    @asynccontextmanager
    async def for_answer(self, size_bytes: int) -> AsyncIterator[None]:
        """What the worker takes to read and store an answer of so many bytes."""
        if size_bytes <= LARGE_ANSWER_BYTES:
            yield
            return
        async with self.everything():
            yield

    @asynccontextmanager
    async def _taken(self, size: int) -> AsyncIterator[None]:
        # Who waits at the door keeps it shut: many small parses never keep a large one waiting for ever.
        async with self._door:
            while self._free < size:
                self._given_back.clear()
                await self._given_back.wait()
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._given_back.set()
