"""Calls to servers of models, tried again while what went wrong may pass."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from services.runtime.retry_after import retry_after

CONNECT_SECONDS = 10.0
RETRIES = 3
FIRST_PAUSE_SECONDS = 1.0
"""Wait before the second try, where the server asks for no other; each further wait is twice as long."""
LONGEST_OWN_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 60.0
"""So long at most a server can make us wait before the next try."""

T = TypeVar("T")


class PassingError(Exception):
    """A call failed and may succeed later.

    Args:
        error: what the caller gets if no try succeeds.
        seconds: after how long the server wants the next try; None if it does not say.
    """

    def __init__(self, error: Exception, seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.seconds = seconds


async def tried(
    call: Callable[[], Awaitable[T]], first_pause: float | None = None, retries: int = RETRIES
) -> T:
    """A call, tried again while it ends in a `PassingError`.

    Args:
        call: does it once.
        first_pause: seconds before the second try, else `FIRST_PAUSE_SECONDS`; each further pause is twice as
            long. A server that asks for a longer one gets it.
        retries: tries after the first.

    Raises:
        Exception: it failed for good, or at every try.
    """
    for number in range(retries + 1):
        try:
            return await call()
        except PassingError as failure:
            if number == retries:
                raise failure.error from failure
            own = min(
                (FIRST_PAUSE_SECONDS if first_pause is None else first_pause) * 2.0**number,
                LONGEST_OWN_PAUSE_SECONDS,
            )
            pause = min(max(own, failure.seconds or 0.0), LONGEST_PAUSE_SECONDS)
            # Not all callers at the same moment again.
            await asyncio.sleep(pause * random.uniform(1, 1.25))  # noqa: S311  # no secret
    raise AssertionError("unreachable")


def is_passing(status: int) -> bool:
    """Whether a call with this HTTP status may succeed later."""
    return status >= 500 or status in {408, 409, 425, 429}


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds for which a server asks to be left alone; None where it gives none."""
    found = retry_after(headers.get("retry-after", ""))
    return float(found["retry_after_seconds"]) if found else None


def address(url: str) -> str:
    """A URL as messages show it: without user, password and query, which may be secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
