"""Objects that are stored before a row names them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.runtime.storage import Storage


@dataclass
class Fresh:
    """What no row names yet; to be marked as taken before the transaction commits that names it."""

    taken: bool = False


@asynccontextmanager
async def fresh_object(storage: Storage, key: str) -> AsyncIterator[Fresh]:
    """Delete the object under a key at the end, unless it was taken."""
    fresh = Fresh()
    try:
        yield fresh
    finally:
        if not fresh.taken:
            await storage.delete(key)


@asynccontextmanager
async def fresh_prefix(storage: Storage, prefix: str) -> AsyncIterator[Fresh]:
    """Delete all objects under a prefix at the end, unless they were taken."""
    fresh = Fresh()
    try:
        yield fresh
    finally:
        if not fresh.taken:
            await storage.delete_prefix(prefix)
