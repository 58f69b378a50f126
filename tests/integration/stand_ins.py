"""Stand-ins for rooms that a room under test reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.runtime.metrics import RuntimeMetrics
from services.runtime.server import Server, Servicer
from tests.integration.stores import HOST, Stores


@asynccontextmanager
async def serving(stores: Stores, room: str, *servicers: Servicer) -> AsyncIterator[None]:
    """Serve stand-ins where the rooms look for `room`."""
    server = Server(servicers, "", RuntimeMetrics(room))
    await server.start(HOST, int(stores.addresses[room].rpartition(":")[2]))
    try:
        yield
    finally:
        await server.drain()
