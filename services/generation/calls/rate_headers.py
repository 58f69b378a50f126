"""What a server says in its headers of how much may still be asked.

`x-ratelimit-remaining-requests`, `-tokens` and `x-ratelimit-reset-requests`, `-tokens`, as OpenAI documents
them (https://platform.openai.com/docs/guides/rate-limits) and others copied them; a reset is a duration such
as `6m0s`, or seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
PREFIX = b"x-ratelimit-"
LONGEST = 86400.0
"""A reset further away is none that work could wait for, or a time of the day."""


@dataclass(frozen=True)
class Left:
    """What may still be asked in a time.

    Args:
        amount: calls, or tokens.
        seconds: until there is more.
    """

    amount: float
    seconds: float

    @property
    def per_minute(self) -> float:
        """The rate at which it lasts. A bucket that fills as it is emptied stays half full at that rate."""
        return 60 * self.amount / self.seconds


def rate_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Of the headers of an answer, as they came, those that say it; most answers have none."""
    found = [(name.lower(), value) for name, value in raw if name[: len(PREFIX)].lower() == PREFIX]
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in found}


def calls_left(headers: Mapping[str, str]) -> Left | None:
    """Calls that may still be made; nothing where the server does not say."""
    return left(headers, "requests")


def tokens_left(headers: Mapping[str, str]) -> Left | None:
    """Tokens that may still be used; nothing where the server does not say."""
    return left(headers, "tokens")


def left(headers: Mapping[str, str], what: str) -> Left | None:
    """What the headers of one kind say."""
    amount, reset = headers.get(f"x-ratelimit-remaining-{what}"), headers.get(f"x-ratelimit-reset-{what}")
    if not amount or not reset:
        return None
    with suppress(ValueError):
        found = Left(float(amount), duration(reset))
        if found.amount >= 0 and 0 < found.seconds <= LONGEST:
            return found
    return None


def duration(text: str) -> float:
    """Seconds of `1s`, `6m0s`, `20ms` or `59.7`.

    Raises:
        ValueError: it is no duration.
    """
    parts = DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * SECONDS[unit] for number, unit in parts)
    return float(text)
