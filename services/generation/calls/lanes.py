"""One endpoint as this process uses it: how many calls may begin, and what those that ended showed."""

from __future__ import annotations

import asyncio
import bisect
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

from services.generation.calls.modes import Habits
from services.generation.calls.pacing import Pace
from services.generation.calls.rate_headers import Left
from services.generation.calls.replies import Usage
from services.generation.calls.sharing import Report, Share
from services.generation.providers.providers import Endpoint, Limits

LEAST_RATE = 1e-3
USUAL_TOKENS = 1000.0
"""What a call is thought to use before any has ended."""
MOST_PAUSE_SECONDS = 600.0
"""Longest pause that a server is given: more is a header in a wrong unit."""
WORKS = 2.0
"""A server works as long as a call has ended well within so many times the seconds that one takes."""


@dataclass(eq=False)
class Waiter:
    """A call that waits for room in one of some lanes."""

    lanes: Sequence[Lane]
    granted: asyncio.Future[Permit]
    urgent: bool = False
    """Somebody waits for the call: it goes before those of items."""
    turn: int = 0
    """Of its item: what was begun first is ended first, not behind all that has yet to begin."""

    @property
    def order(self) -> tuple[bool, int]:
        """The lower, the sooner its call begins."""
        return (not self.urgent, self.turn)


class Lane:
    """The calls of this process to an endpoint; nothing begins before the first share is known."""

    def __init__(self, endpoint: Endpoint, now: float) -> None:
        self.endpoint = endpoint
        self.waiters: deque[Waiter] = deque()
        self.in_flight = 0
        self.urgent = 0
        """Of the calls in flight and waiting, those that are urgent."""
        self.resting = 0
        """Calls that were refused and will be tried again."""
        self.open_at = 0.0
        """When the endpoint may be called again."""
        self.listed = 0
        """Calls that wait, here or in another lane of their pool, and may come here."""
        self.used = now
        self._callers: dict[str, tuple[int, Limits]] = {}
        self._share = Share(-1, 0, 0.0)
        self._calls, self._seconds, self._refused, self._timed_out, self._answered = 0, 0.0, 0, 0, 0
        self._ended, self._ended_at, self._refused_at = 0, -math.inf, -math.inf
        self._paused_until = -math.inf
        self._usual_tokens, self._usual_seconds = USUAL_TOKENS, 0.0
        self._calls_told: tuple[float, Left] | None = None
        self._tokens_told: tuple[float, Left] | None = None
        limits = endpoint.limits
        self._calls_pace = Pace(limits.calls_per_minute, now)
        self._tokens_pace = Pace(limits.tokens_per_minute, now)

    @property
    def demand(self) -> int:
        """Calls in flight and waiting."""
        return self.in_flight + self.resting + sum(not waiter.granted.done() for waiter in self.waiters)

    @property
    def load(self) -> float:
        """Calls for each that it bears: the lower, the sooner one more begins."""
        return (self.in_flight + len(self.waiters) + 1) / max(self._share.calls, 0.1)

    @property
    def limit(self) -> int:
        """Calls in flight that this process may have."""
        return self._share.calls

    @property
    def habits(self) -> Habits | None:
        """How the endpoint is asked, as the workers last told each other."""
        return self._share.habits

    def come(self, endpoint: Endpoint, now: float) -> None:
        """Note through whom a call comes: several providers may have the same address, model and key."""
        count, limits = self._callers.get(endpoint.provider_id, (0, None))
        self._callers[endpoint.provider_id] = count + 1, endpoint.limits
        if limits != endpoint.limits:
            self._set_limits(now)

    def go(self, endpoint: Endpoint, now: float) -> None:
        """Note that a call that came waits no more, and is not in flight; the limits of the last one stay."""
        count, limits = self._callers.pop(endpoint.provider_id)
        if count > 1:
            self._callers[endpoint.provider_id] = count - 1, limits
        elif self._callers:
            self._set_limits(now)

    def _set_limits(self, now: float) -> None:
        """Go by the strictest limits of all whose calls are here."""
        limits = strictest([limits for _, limits in self._callers.values()])
        if limits != self.endpoint.limits:
            self.endpoint = replace(self.endpoint, limits=limits)
            self._set_rates(now)

    def wait_seconds(self, now: float) -> float | None:
        """How long until a call may begin: 0 for now, nothing where another must end first."""
        if self.in_flight >= self._share.calls:
            return None
        paces = self._calls_pace.wait_seconds(now), self._tokens_pace.wait_seconds(now)
        return max(0.0, self.open_at - now, *paces)

    def wait(self, waiter: Waiter) -> None:
        """Let a call wait for room."""
        self.urgent += waiter.urgent
        bisect.insort(self.waiters, waiter, key=lambda one: one.order)

    def begin(self, now: float) -> Permit:
        """Let a call begin."""
        self.in_flight += 1
        self.used = now
        self._calls_pace.spend(1, now)
        self._tokens_pace.spend(self._usual_tokens, now)
        is_full = self.in_flight >= self._share.calls
        began_in = self._share.round
        return Permit(self, now, began_in if is_full else -1, began_in, self._usual_tokens)

    def ended(self, permit: Permit, usage: Usage, now: float) -> None:
        """Note a call that ended well."""
        tokens = usage.prompt_tokens + usage.completion_tokens
        seconds = now - permit.began
        self._ended, self._ended_at = self._ended + 1, now
        if permit.began >= self._refused_at:
            self._paused_until = -math.inf
        self._usual_tokens += (tokens - self._usual_tokens) / min(self._ended, 100)
        self._usual_seconds += (seconds - self._usual_seconds) / min(self._ended, 100)
        self._tokens_pace.spend(tokens - permit.tokens, now)
        self._answered += permit.began_in == self._share.round
        if permit.round == self._share.round:
            self._calls += 1
            self._seconds += seconds

    def refused(self, delay: float, now: float) -> None:
        """Note a call that the server refused as one too many: its place is given up until the next share.

        Args:
            delay: seconds that the server asks for.
            now: by the clock of the process.
        """
        self._refused += 1
        self._refused_at = now
        self._paused_until = max(self._paused_until, now + min(delay, MOST_PAUSE_SECONDS))
        one_less = max(0, self._share.calls - 1)
        self._share = replace(self._share, calls=one_less)

    def timed_out(self, permit: Permit) -> None:
        """Note a call of which nothing came: the server may have too many, and refuse none."""
        self._timed_out += permit.began_in == self._share.round

    def told(self, calls: Left | None, tokens: Left | None, now: float) -> None:
        """Note what the server says may still be asked."""
        if calls:
            self._calls_told = now + calls.seconds, calls
        if tokens:
            self._tokens_told = now + tokens.seconds, tokens
        if calls or tokens:
            self._set_rates(now)

    def _set_rates(self, now: float) -> None:
        limits, part = self.endpoint.limits, self._share.part or 1.0
        self._calls_pace.set_rate(lower(limits.calls_per_minute, self._calls_told, now) * part, now)
        self._tokens_pace.set_rate(lower(limits.tokens_per_minute, self._tokens_told, now) * part, now)

    def report(self, now: float) -> Report:
        """What was seen since the last report."""
        report = Report(
            self._share.round,
            self._calls,
            self._seconds,
            self._refused,
            self.in_flight,
            # One call of those that wait elsewhere: this lane gets a share, and takes more as they come.
            self.demand or min(1, self.listed),
            self._pause(now),
            min(self.urgent, self.demand),
            self._timed_out,
            self._answered,
        )
        self._calls, self._seconds, self._refused, self._timed_out, self._answered = 0, 0.0, 0, 0, 0
        return report

    def _pause(self, now: float) -> float:
        """For how long nobody is to call, told once.

        While other calls end well, those refused are too many. Else the server wants none at all.
        """
        if now - self._ended_at < WORKS * self._usual_seconds:
            return 0.0
        seconds, self._paused_until = max(0.0, self._paused_until - now), -math.inf
        return seconds

    def take(self, share: Share, now: float) -> None:
        """Go by another share."""
        self._share = share
        # What the server said last holds, be it less than what it said before.
        self.open_at = now + share.paused_seconds
        self._set_rates(now)


@dataclass(eq=False)
class Permit:
    """A call that may be made.

    Args:
        lane: where.
        began: when, by the clock of the process.
        round: the round that it measures; -1 for none.
        began_in: the round in which it began.
        tokens: what it is thought to use.
    """

    lane: Lane
    began: float
    round: int
    began_in: int
    tokens: float


def strictest(limits: Sequence[Limits]) -> Limits:
    """The lowest of each limit; 0 is none."""
    if len(limits) == 1:
        return limits[0]
    fields = zip(*(astuple(one) for one in limits), strict=True)
    return Limits(*(min((value for value in values if value), default=0) for values in fields))


def lower(limit: float, told: tuple[float, Left] | None, now: float) -> float:
    """The lower of a limit a minute and of what the server says, while that holds; 0 is no limit."""
    if told is None or now >= told[0]:
        return limit
    # Nothing left is not without limit: the little that it is here is over before anything begins.
    rate = max(told[1].per_minute, LEAST_RATE)
    return min(limit, rate) if limit else rate
