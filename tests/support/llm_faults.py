"""How the mock LLM misbehaves: settings, the draw of a fault for a call, the slots that limit service."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from tests.support.llm_broken import BROKEN

FAULTS = ("429", "500", "503", "hang", "drop", "garbage", "truncated", "think", "broken")


class SettingError(ValueError):
    """A setting is unknown, of the wrong type or out of range."""


@dataclass(frozen=True)
class Settings:
    """Everything about the mock that a flag sets and `POST /control` changes."""

    latency_ms: float = 0.0
    """Time from the start of service to the last byte of the answer."""
    jitter_ms: float = 0.0
    """Each latency is moved by up to this much, either way."""
    capacity: int = 0
    """Calls served at once; later ones wait their turn. 0 means no limit."""
    capacity_schedule: list[list[float]] = field(default_factory=list)
    """[seconds, capacity] pairs: from so many seconds after it was set, the capacity is this."""
    queue_limit: int = -1
    """Calls that may wait for a slot before the next gets a 429; -1 means any number."""
    overload_penalty: float = 0.0
    """Latency grows by this share for each time the calls at hand exceed the capacity once more."""
    rate_429: float = 0.0
    """Share of calls refused at once with `Retry-After`."""
    rate_500: float = 0.0
    """Share of calls that fail after their latency."""
    rate_503: float = 0.0
    """Share of calls refused at once."""
    rate_hang: float = 0.0
    """Share of calls that get no answer for `hang_s`, then a dropped connection."""
    rate_drop: float = 0.0
    """Share of calls whose connection is reset after their latency, in the middle of a stream."""
    rate_garbage: float = 0.0
    """Share of calls answered with text that is not JSON."""
    rate_truncated: float = 0.0
    """Share of calls whose text stops half-way, with finish_reason `length`."""
    rate_think: float = 0.0
    """Share of calls whose text begins with a `<think>` block."""
    rate_broken: float = 0.0
    """Share of calls whose JSON is broken, each in one of the ways of `llm_broken.BROKEN`."""
    next_faults: list[str] = field(default_factory=list)
    """Faults of the coming calls, in order ("ok" for none, "broken:<kind>"), before the rates apply again."""
    retry_after_s: float = 1.0
    """Value of `Retry-After` on a 429."""
    hang_s: float = 3600.0
    """Longest time that a hung call is held."""
    api_key: str = ""
    """If set, another key gets a 401."""
    models: list[str] = field(default_factory=list)
    """If set, another model gets a 404."""
    refused: str = ""
    """If set, calls whose messages hold this text are refused for good, with a 400."""
    fixed: dict[str, Any] = field(default_factory=dict)
    """Property name to the value that every answer has there."""
    batches: str = "ok"
    """What becomes of batches: ok, failed, expired (half of their calls are made), unknown (there are none), held (none ends
    until this changes), slow_upload, slow_create, slow_read (it is done, and not told for `hang_s`), slow_cancel (done only then)."""
    batch_most: int = 0
    """Calls that it takes, in the way of `batch_limit`; 0 means no limit."""
    batch_limit: str = "tokens"
    """What is limited, and when it refuses: file (at upload), calls (when the batch is made), tokens (a batch has
    failed that has too many calls together with those in work), nothing (any file is too large)."""
    batch_ms: float = 0.0
    """Time that a batch takes."""
    batch_line_faults: list[str] = field(default_factory=list)
    """Faults of the coming calls of batches, in order: ok, error, lost, double, garbage."""
    seed: int = 0
    """Seed of the draws of faults and jitter; setting it starts them anew."""

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """Return a copy with `changes`.

        Raises:
            SettingError: if a name is unknown or a value does not fit; nothing is changed then.
        """
        for name, value in changes.items():
            _check(name, value)
        settings = dataclasses.replace(self, **changes)
        if sum(settings.rates()) > 1:
            raise SettingError("the rates add up to more than 1")
        return settings

    def rates(self) -> list[float]:
        """Return the rate of each of FAULTS."""
        return [float(getattr(self, f"rate_{fault}")) for fault in FAULTS]


HINTS = get_type_hints(Settings)


def _check(name: str, value: Any) -> None:
    if name not in HINTS:
        raise SettingError(f"unknown setting {name!r}; known: {', '.join(HINTS)}")
    kind = getattr(HINTS[name], "__origin__", HINTS[name])
    allowed = (int, float) if kind is float else (kind,)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise SettingError(f"{name} must be {kind.__name__}, not {value!r}")
    if kind in {int, float} and value < (-1 if name == "queue_limit" else 0):
        raise SettingError(f"{name} is {value}, which is too small")
    if not _items_fit(name, value):
        known = f"{', '.join(FAULTS)}, broken:<kind> or ok" if name == "next_faults" else HINTS[name]
        raise SettingError(f"{name} must hold {known}, not {value!r}")


def _items_fit(name: str, value: Any) -> bool:
    match name:
        case "next_faults":
            return set(value) <= {*FAULTS, "ok", *(f"broken:{kind}" for kind in BROKEN)}
        case "capacity_schedule":
            return all(map(_is_step, value))
        case "models":
            return all(isinstance(model, str) for model in value)
        case _:
            return True


def _is_step(item: Any) -> bool:
    match item:
        case [int() | float() as seconds, int() as capacity]:
            return seconds >= 0 and capacity >= 0
        case _:
            return False


class Draw:
    """The faults and latencies of the coming calls, in an order that the seed decides."""

    def __init__(self, settings: Settings) -> None:
        """Start the sequence of `settings.seed`."""
        self._dice = random.Random(settings.seed)  # noqa: S311 - faults must repeat, not be secret
        self._scripted = deque(settings.next_faults)
        self.use(settings, ())

    def use(self, settings: Settings, changed: Collection[str]) -> None:
        """Apply the settings; only a seed or a script of faults among the `changed` names starts over."""
        self._settings = settings
        if "seed" in changed:
            self._dice.seed(settings.seed)
        if "next_faults" in changed:
            self._scripted = deque(settings.next_faults)
        self._rates = [(fault, rate) for fault, rate in zip(FAULTS, settings.rates(), strict=True) if rate]

    def fault(self) -> str:
        """Return the next call's fault, or "ok"."""
        fault = self._drawn()
        return f"broken:{self._dice.choice(list(BROKEN))}" if fault == "broken" else fault

    def _drawn(self) -> str:
        if self._scripted:
            return self._scripted.popleft()
        if not self._rates:
            return "ok"
        left = self._dice.random()
        for fault, rate in self._rates:
            left -= rate
            if left < 0:
                return fault
        return "ok"

    def latency_s(self) -> float:
        """Return the next call's latency in seconds."""
        jitter = self._settings.jitter_ms
        drift = self._dice.uniform(-jitter, jitter) if jitter else 0.0
        return max(0.0, self._settings.latency_ms + drift) / 1000


class QueueFullError(Exception):
    """No slot is free and no more calls may wait."""


class Slots:
    """A semaphore whose size follows the settings while calls wait at it, first come first served."""

    def __init__(self, settings: Settings) -> None:
        """Start the schedule of capacity; needs a running loop."""
        self.busy = 0
        self._capacity = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self.use(settings, {"capacity"})

    @property
    def queued(self) -> int:
        """Calls that wait for a slot."""
        return len(self._waiting)

    def use(self, settings: Settings, changed: Collection[str]) -> None:
        """Apply the settings; the schedule starts over if the `changed` names touch the capacity."""
        self._settings = settings
        if not {"capacity", "capacity_schedule"}.intersection(changed):
            return
        for timer in self._timers:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(seconds, self._resize, int(capacity))
            for seconds, capacity in settings.capacity_schedule
        ]
        self._resize(settings.capacity)

    def slowdown(self) -> float:
        """Return the factor by which the calls at hand lengthen a latency."""
        over = (self.busy + self.queued) / self._capacity - 1 if self._capacity else 0.0
        return 1 + self._settings.overload_penalty * max(0.0, over)

    async def enter(self) -> None:
        """Take a slot, waiting for one if need be.

        Raises:
            QueueFullError: if `queue_limit` calls wait already.
        """
        if self._free() and not self._waiting:
            self.busy += 1
            return
        if 0 <= self._settings.queue_limit <= len(self._waiting):
            raise QueueFullError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The slot may have been given in the same tick in which the caller left.
            if not turn.cancelled():
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give a slot back, to the longest waiting call if there is one."""
        self.busy -= 1
        self._wake()

    def _free(self) -> bool:
        return self._capacity == 0 or self.busy < self._capacity

    def _resize(self, capacity: int) -> None:
        self._capacity = capacity
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._free():
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self.busy += 1
