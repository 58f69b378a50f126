"""How long an HTTP server asks to be left alone."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MOST_SECONDS = 366 * 86400.0
"""A pause that is longer has no end that is worth telling."""


def retry_after(header: str, milliseconds: str = "") -> dict[str, str]:
    """The header `Retry-After` as metadata of an error: `retry_after_seconds`, or nothing.

    It holds seconds or a date (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after).

    Args:
        header: what it holds.
        milliseconds: what `retry-after-ms` holds, which OpenAI and Azure send beside it; it is more exact.
    """
    for said, read in ((milliseconds, from_milliseconds), (header, float), (header, seconds_until)):
        with suppress(ValueError):
            seconds = read(said)
            if math.isfinite(seconds):
                return {"retry_after_seconds": str(max(0.0, seconds))}
    return {}


def time_in(seconds: float) -> str:
    """The time that it will be after some seconds, for people, to the minute."""
    then = datetime.now(UTC) + timedelta(seconds=min(seconds, MOST_SECONDS))
    return f"{then:%Y-%m-%d %H:%M} UTC"


def from_milliseconds(said: str) -> float:
    """Seconds of a number of milliseconds.

    Raises:
        ValueError: it is no number.
    """
    return float(said) / 1000


def seconds_until(date: str) -> float:
    """Seconds from now to an HTTP date.

    Raises:
        ValueError: it is no date.
    """
    return parsedate_to_datetime(date).timestamp() - time.time()
