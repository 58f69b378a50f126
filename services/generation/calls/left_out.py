"""Leave endpoints alone that refuse or give no answers, and let others of their pool be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from services.generation.providers.providers import Endpoint
from services.runtime.errors import SishuError

FIRST_SECONDS = 60.0
MOST_SECONDS = 600.0
FAILING_SECONDS = 15.0
"""For how long an endpoint is left out at first that gives no answers."""
MOST_FAILURES = 3
"""After so many calls without an answer between them it is."""
FAILURES = frozenset({"PROVIDER_TIMED_OUT", "PROVIDER_BROKE_OFF", "PROVIDER_UNREACHABLE", "PROVIDER_FAILED"})
"""Reasons for which another member of a pool is better asked, if they come again and again."""
ECHO_SECONDS = 1.0
"""So long after a refusal nothing has been put right, and others may be about to call."""


@dataclass(frozen=True)
class Refusal:
    """How an endpoint refused or failed last.

    Args:
        error: the refusal, or failure.
        at: when it came.
        seconds: for how long the endpoint is left out.
        until: when that is over.
    """

    error: SishuError
    at: float
    seconds: float
    until: float

    @property
    def fails(self) -> bool:
        """Whether it only gave no answers: it is asked wherever no other can be."""
        return self.error.reason in FAILURES


class NotNow(Exception):
    """An endpoint that gives no answers is not to be asked while another of its pool can be."""


class LeftOut:
    """Endpoints that refused or failed; each process finds out by itself.

    A key that is mended makes another endpoint. One whose account was filled up again, or which answers
    again, is found by a single call each time that its time is over, or at once where there is no other.

    Args:
        clock: tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._known: dict[str, Refusal] = {}
        self._failures: dict[str, int] = {}

    def refused(self, endpoint: Endpoint, error: SishuError) -> None:
        """Note a refusal; of calls that were in flight together the first decides for how long."""
        now, known = self.clock(), self._known.get(endpoint.id)
        seconds, until = (known.seconds, known.until) if known else (FIRST_SECONDS, now + FIRST_SECONDS)
        self._known[endpoint.id] = Refusal(copy_of(error), now, seconds, until)

    def failed(self, endpoint: Endpoint, error: SishuError) -> None:
        """Note a call without an answer; after some in a row the endpoint is left out, too."""
        now, known = self.clock(), self._known.get(endpoint.id)
        if known:
            if known.fails:
                self._known[endpoint.id] = replace(known, error=copy_of(error), at=now)
            return
        self._failures[endpoint.id] = count = self._failures.get(endpoint.id, 0) + 1
        if count >= MOST_FAILURES:
            until = now + FAILING_SECONDS
            self._known[endpoint.id] = Refusal(copy_of(error), now, FAILING_SECONDS, until)

    def answered(self, endpoint: Endpoint, began: float) -> None:
        """Note an answer: failures are forgotten, and a refusal from before its call, not a later one."""
        self._failures.pop(endpoint.id, None)
        known = self._known.get(endpoint.id)
        if known and (known.fails or known.at <= began):
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
            NotNow: it gives no answers, and another may.
        """
        known = self._known.get(endpoint.id)
        if known is None:
            return
        if known.fails:
            if self._is_out(endpoint) and not all(map(self._is_out, among)):
                raise NotNow
        elif known.at + ECHO_SECONDS > since or (
            self._is_out(endpoint) and not all(map(self._is_out, among))
        ):
            raise copy_of(known.error)
        if not self._is_out(endpoint):
            seconds = min(2 * known.seconds, MOST_SECONDS)
            self._known[endpoint.id] = replace(known, seconds=seconds, until=self.clock() + seconds)

    def _is_out(self, endpoint: Endpoint) -> bool:
        return endpoint.id in self._known and self._known[endpoint.id].until > self.clock()


def copy_of(error: SishuError) -> SishuError:
    """An error of its own for each call: to its metadata is added what that one used."""
    return type(error)(error.reason, error.message, error.field, **error.metadata)
