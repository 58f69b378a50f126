"""Leave endpoints alone that refuse the key or want money, and let others of their pool be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.generation.providers.providers import Endpoint
from services.runtime.errors import SishuError

FIRST_SECONDS = 60.0
MOST_SECONDS = 600.0
ECHO_SECONDS = 1.0
"""So long after a refusal nothing has been put right, and others may be about to call."""


@dataclass(frozen=True)
class Refusal:
    """How an endpoint refused last.

    Args:
        error: the refusal.
        at: when it came.
        seconds: for how long the endpoint is left out.
        until: when that is over.
    """

    error: SishuError
    at: float
    seconds: float
    until: float


class LeftOut:
    """Endpoints that refused; each process finds out by itself, at the price of a call that nobody pays.

    A key that is mended makes another endpoint. One whose account was filled up again is found by a single
    call each time that its time is over, or at once where there is no other.

    Args:
        clock: tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._known: dict[str, Refusal] = {}

    def refused(self, endpoint: Endpoint, error: SishuError) -> None:
        """Note a refusal; of calls that were in flight together the first decides for how long."""
        now, known = self.clock(), self._known.get(endpoint.id)
        seconds, until = (known.seconds, known.until) if known else (FIRST_SECONDS, now + FIRST_SECONDS)
        self._known[endpoint.id] = Refusal(copy_of(error), now, seconds, until)

    def answered(self, endpoint: Endpoint, began: float) -> None:
        """Note an answer: a refusal from before its call began is forgotten; a later one still holds."""
        known = self._known.get(endpoint.id)
        if known and known.at <= began:
            del self._known[endpoint.id]

    def rest_of(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """Those that are not left out; all where none would remain."""
        return [one for one in endpoints if not self._is_out(one)] or list(endpoints)

    def check(self, endpoint: Endpoint, among: Sequence[Endpoint], since: float) -> None:
        """Refuse a call of which it is known what it would come to.

        Args:
            endpoint: where it is to be made; one whose time is over takes a single call.
            among: where it may be made.
            since: when it began to wait for room.

        Raises:
            SishuError: it refused others meanwhile or just before, or is left out and another is not.
        """
        known = self._known.get(endpoint.id)
        if known is None:
            return
        if known.at + ECHO_SECONDS > since or (self._is_out(endpoint) and not all(map(self._is_out, among))):
            raise copy_of(known.error)
        if not self._is_out(endpoint):
            seconds = min(2 * known.seconds, MOST_SECONDS)
            self._known[endpoint.id] = replace(known, seconds=seconds, until=self.clock() + seconds)

    def _is_out(self, endpoint: Endpoint) -> bool:
        return endpoint.id in self._known and self._known[endpoint.id].until > self.clock()


def copy_of(error: SishuError) -> SishuError:
    """An error of its own for each call: to its metadata is added what that one used."""
    return type(error)(error.reason, error.message, error.field, **error.metadata)
