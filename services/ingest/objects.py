"""Objects that are stored before a row names them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.runtime.storage import Storage


@dataclass
class FreshObject:
    """An object that no row names yet; to be marked as taken before the transaction commits that names it."""

    taken: bool = False


@asynccontextmanager
async def fresh_object(storage: Storage, key: str) -> AsyncIterator[FreshObject]:
    """Delete the object under a key at the end, unless it was taken."""
    fresh = FreshObject()
    try:
        yield fresh
    finally:
        if not fresh.taken:
            await storage.delete(key)
