"""Servers of language models in simulated time, with a limit of concurrency before them."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from services.generation.calls.concurrency import Concurrency, Tick, advance

TICK_SECONDS = 0.3
REST_SECONDS = 1.0

Capacity = Callable[[float], int]


@dataclass(eq=False)
class Call:
    """A call, its place in time, and where it stands: `waits`, `in_work`, `over`."""

    began: float
    measured: int
    round: int
    state: str = "waits"


@dataclass
class Simulation:
    """A server under so many callers as want to call, and the limit that lets them.

    Args:
        capacity: calls that the server works on at once, by time; it bears any number where it batches.
        seconds: mean of what it takes for one, by time.
        jitter: share by which that differs from call to call.
        uneven: whether it differs as widely as answers of a few words and of a page, in place of `jitter`.
        refuses: whether it refuses what is beyond its capacity; else it lets it wait.
        refuses_until: when it begins to let it wait nonetheless.
        batches: calls at once at which each takes twice as long, as on a GPU; 0 where it does not batch.
        fixed: a limit that never changes; 0 for one that finds itself.
        start: what is known at first.
        callers: who want to call.
        patience: seconds after which a call without an answer is given up.
    """

    capacity: Capacity
    seconds: Callable[[float], float] = lambda _: 0.5
    jitter: float = 0.1
    uneven: bool = False
    refuses: bool = False
    refuses_until: float = math.inf
    batches: int = 0
    fixed: int = 0
    start: Concurrency = field(default_factory=Concurrency)
    callers: int = 512
    patience: float = math.inf
    seed: int = 1

    now: float = 0.0
    served: int = 0
    refused: int = 0
    timed_out: int = 0
    trace: list[tuple[float, float]] = field(default_factory=list)
    """(time, limit) at each tick."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # the same each time
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._known = replace(self.start, limit=float(self.fixed or self.start.limit))
        self._share = self._known.allowed
        self._in_flight = self._busy = self._resting = 0
        self._queue: deque[Call] = deque()
        self._calls, self._seconds, self._refusals, self._given_up, self._answered = 0, 0.0, 0, 0, 0

    def run(self, until: float) -> Simulation:
        """Run to a time, seconds."""
        self._after(0.0, self._tick)
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
            self._fill()
        return self

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), event))

    def _tick(self) -> None:
        self._work()
        if not self.fixed:
            demand = self.callers
            seen = self._calls, self._seconds, self._refusals
            tick = Tick(self._known.round, *seen, self._in_flight, demand, self._given_up, self._answered)
            self._calls, self._seconds, self._refusals, self._given_up, self._answered = 0, 0.0, 0, 0, 0
            self._known = advance(self._known, tick, self.now)
            self._share = self._known.allowed
        self.trace.append((self.now, self._known.limit))
        self._after(TICK_SECONDS, self._tick)

    def _fill(self) -> None:
        while self._in_flight < self._share and self._in_flight + self._resting < self.callers:
            refuses = self.refuses and self.now < self.refuses_until
            if refuses and self._busy >= self.capacity(self.now):
                self._refuse()
            else:
                self._in_flight += 1
                is_full = self._in_flight >= self._share
                round_ = self._known.round
                call = Call(self.now, round_ if is_full else -1, round_)
                self._queue.append(call)
                if self.patience < math.inf:
                    self._after(self.patience, partial(self._give_up, call))
                self._work()

    def _refuse(self) -> None:
        self.refused += 1
        self._refusals += 1
        self._resting += 1
        self._share -= 0 if self.fixed else 1
        self._after(REST_SECONDS, self._rested)

    def _rested(self) -> None:
        self._resting -= 1

    def _work(self) -> None:
        while self._queue and (self.batches or self._busy < self.capacity(self.now)):
            call = self._queue.popleft()
            self._busy += 1
            call.state = "in_work"
            self._after(self._duration(), partial(self._end, call))

    def _duration(self) -> float:
        slower = 1 + self._busy / self.batches if self.batches else 1.0
        uneven, jitter = self.uneven, self.jitter
        factor = self._random.expovariate(1) if uneven else 1 + self._random.uniform(-jitter, jitter)
        return self.seconds(self.now) * slower * factor

    def _end(self, call: Call) -> None:
        if call.state == "over":
            return
        call.state = "over"
        self._busy -= 1
        self._in_flight -= 1
        self.served += 1
        self._answered += call.round == self._known.round
        if call.measured == self._known.round:
            self._calls += 1
            self._seconds += self.now - call.began
        self._work()

    def _give_up(self, call: Call) -> None:
        if call.state == "over":
            return
        if call.state == "in_work":
            self._busy -= 1
        else:
            self._queue.remove(call)
        call.state = "over"
        self._in_flight -= 1
        self.timed_out += 1
        self._given_up += call.round == self._known.round
        self._work()

    def limits(self, start: float, end: float) -> Iterator[float]:
        """The limits between two times."""
        return (limit for time, limit in self.trace if start <= time < end)
