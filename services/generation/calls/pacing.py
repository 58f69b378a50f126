"""Rates: so many calls or tokens a minute, evenly."""

from __future__ import annotations

import math

BURST_SECONDS = 2.0
"""What a rate brings in this time may be spent at once."""


class Pace:
    """A token bucket that may go into debt: what a call costs is known only when it has ended.

    With what may be spent at once, no minute has more than the limit, wherever it begins.

    Args:
        per_minute: the limit; 0 for none.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        self._per_second = per_minute / (60 + BURST_SECONDS)
        self._level = min(1.0, self._per_second)
        self._at = now

    def set_rate(self, per_minute: float, now: float) -> None:
        """From now on another rate."""
        self._fill(now)
        self._per_second = per_minute / (60 + BURST_SECONDS)

    def spend(self, amount: float, now: float) -> None:
        """Take; a negative amount gives back."""
        self._fill(now)
        self._level -= amount

    def wait_seconds(self, now: float) -> float:
        """How long until something may be spent."""
        self._fill(now)
        if not self._per_second or self._level > 0:
            return 0.0
        # A little later than never: at the very time the level would still be 0.
        return -self._level / self._per_second + 1e-3

    def _fill(self, now: float) -> None:
        most = self._per_second * BURST_SECONDS
        self._level = min(most, self._level + (now - self._at) * self._per_second)
        if not self._per_second:
            self._level = math.inf
        self._at = now
