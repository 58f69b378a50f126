"""Objects that are stored before a row names them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.ingest.object_notes import ObjectNotes
from services.runtime.db import Connection
from services.runtime.errors import Unavailable
from services.runtime.storage import Storage
from services.runtime.sweeping import sweep_often

SWEEP_SECONDS = 600.0
LEFT_AFTER_SECONDS = 6 * 3600.0
"""What no row names by then was left by a process that died."""
SWEPT_AT_ONCE = 100

log = structlog.get_logger()


class Fresh:
    """What no row names yet, under a prefix."""

    def __init__(self, notes: ObjectNotes, prefix: str) -> None:
        self._notes = notes
        self._prefix = prefix
        self.taken = False

    async def take(self, connection: Connection) -> None:
        """Say that the transaction names the objects.

        Raises:
            Unavailable: they were swept, as they were left for hours.
        """
        if not await self._notes.take(connection, self._prefix):
            raise Unavailable(
                "OBJECTS_SWEPT", "storing took so long that what was stored was swept; try again"
            )
        self.taken = True


class FreshObjects:
    """Stores objects that rows name later; whatever dies in between, none of them stays for ever."""

    def __init__(self, notes: ObjectNotes, storage: Storage) -> None:
        self._notes = notes
        self._storage = storage

    @asynccontextmanager
    async def under(self, prefix: str) -> AsyncIterator[Fresh]:
        """Note that objects will be stored under a prefix; delete them at the end, unless they were taken."""
        await self._notes.add(prefix)
        fresh = Fresh(self._notes, prefix)
        try:
            yield fresh
        finally:
            if not fresh.taken:
                await self._delete(prefix)

    async def sweep(self, stop: asyncio.Event) -> None:
        """Delete often what was left, until `stop` is set."""
        await sweep_often("objects", self._sweep_some, SWEEP_SECONDS, stop)

    async def _sweep_some(self) -> bool:
        """Sweep the first of what was left; whether there may be more."""
        prefixes = await self._notes.sweep(LEFT_AFTER_SECONDS, SWEPT_AT_ONCE)
        for prefix in prefixes:
            await self._delete(prefix)
        if prefixes:
            log.info("objects_swept", count=len(prefixes))
        return len(prefixes) == SWEPT_AT_ONCE

    async def _delete(self, prefix: str) -> None:
        await self._storage.delete_prefix(prefix)
        await self._notes.forget(prefix)
