"""Follow what a room sends, over its restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import TypeVar

from sishu.errors import UNREACHABLE, ApiError

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long a room may be away: it is started again, takes its locks, and answers."""
PAUSE_SECONDS = 1.0


async def watched(watch: Callable[[], AsyncIterable[T]]) -> AsyncIterator[T]:
    """What a watch sends until its end; one that breaks because the room went away is begun again.

    Raises:
        ApiError: the room refused, or stayed away.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = False
        try:
            async for sight in watch():
                seen = True
                yield sight
        except ApiError as error:
            if seen:
                # Counted from the loss: nothing is sent while nothing changes.
                end = time.monotonic() + PATIENCE_SECONDS
            if not (error.reason == UNREACHABLE or (seen and error.code == "DEADLINE_EXCEEDED")):
                raise
            if time.monotonic() > end:
                raise
        else:
            return
        await asyncio.sleep(PAUSE_SECONDS)
