"""Take away what was left behind, again and again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from services.runtime.faults import as_sishu_error

log = structlog.get_logger()


async def sweep_often(
    what: str, sweep: Callable[[], Awaitable[bool]], seconds: float, stop: asyncio.Event
) -> None:
    """Sweep at once and then every so many seconds, until `stop` is set; what fails is tried the next time.

    Args:
        what: what is swept, for the log.
        sweep: takes some away, and says whether there may be more.
        seconds: from one time to the next.
        stop: ends it.
    """
    while not stop.is_set():
        try:
            while not stop.is_set() and await sweep():
                pass
        except Exception as error:
            log.warning("sweep_failed", sweep=what, error=as_sishu_error(error).message)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
