"""How many calls an endpoint bears at once, found from how long its calls take and from what it refuses.

By Little's law (J. D. C. Little, 1961) a server that answers in `W` seconds with `L` calls in flight answers
`L / W` calls a second. The limit is raised while that rate grows, and lowered where it does not fall: the
gradient of throughput, as TCP Vegas (Brakmo and Peterson, 1995) and Netflix's concurrency-limits look for it
in latency. A server that refuses calls (HTTP 429 or 503) shows its limit by that: it is kept just below, and
tried again in steps, as TCP does.

All is measured in rounds: a round is the time of one limit. Only calls that began in it, with no room left
beside them, count: they saw the queue that this limit makes.

This is arithmetic alone: `advance` takes what was and what was seen, and says what is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

FIRST_LIMIT = 4.0
MOST_LIMIT = 4096.0
STEEP, GENTLE = 3.0, 1.4
"""By what the limit is multiplied where the rate follows well, and where it follows."""
WELL, LITTLE = 0.6, 0.1
"""Share of the added calls that shows in the rate where it follows well, and where it hardly does."""
SLACK = 1.3
"""Calls held ready beyond what the server works on: it never waits for one, and when it bears more that
shows."""
FASTER, STEADY, SLOWER = 0.88, 1.12, 1.4
"""Seconds against those of this limit before, at which the server bears more, as much, or less."""
RAISE, LOWER = 1.25, 0.85
GAINS, KEEPS, FAR_LESS = 1.04, 0.98, 0.92
"""Rate against that before, at which a higher limit is kept, or a lower one, or a lower one left no queue."""
QUEUED = 1.6
"""Seconds of a call against the fewest seen, at which the server has a queue that is too long."""
FIRST_PROBE, LAST_PROBE = 4.0, 32.0
"""A limit is tried against another after so many times the seconds of a call (at least 0.5), twice as many
after each try that brought nothing."""
CEILING_CALLS = 25
CEILING_SECONDS = (1.0, 10.0)
"""A ceiling is tried again after so many calls, no sooner and no later than this: each try costs a
refusal."""
FEW_TIMED_OUT, MANY_TIMED_OUT = 2, 0.25
"""So many calls of a round, and such a share of them, time out where the server has far more than it can work
on: then half as many are tried. A server that loses a call now and then loses fewer."""
LEAST_SECONDS = 1e-4
"""What a call takes at least, by whatever clock."""
CLEAN_SECONDS = 0.5
"""A server that refuses does so at once: a ceiling without a refusal for so long holds."""
BEYOND = 2.0
"""So many times the highest limit that was refused there is no ceiling any more: the server refused for
another reason, or bears far more by now."""


@dataclass(frozen=True)
class Tick:
    """What was seen since the last one.

    Args:
        round: the round in which the calls were measured.
        calls: calls measured.
        seconds: sum of how long they took.
        refused: calls that the server refused as too many, whenever they began.
        in_flight: calls in flight.
        demand: calls in flight and waiting.
        timed_out: calls of the round of which nothing came in time.
        answered: calls of the round that were answered, measured or not.
    """

    round: int = 0
    calls: int = 0
    seconds: float = 0.0
    refused: int = 0
    in_flight: float = 0.0
    demand: float = 0.0
    timed_out: int = 0
    answered: int = 0


@dataclass(frozen=True)
class Concurrency:
    """What is known of an endpoint.

    Args:
        limit: calls in flight at once, of all workers.
        phase: `ramp`, `hold`, `raise`, `lower`, `ceiling`.
        round: counts the changes of the limit.
        since: when the round began, seconds.
        calls: calls measured in this round.
        seconds: sum of how long they took.
        timed_out: calls of this round of which nothing came in time.
        answered: calls of this round that were answered.
        before: the limit that this one is measured against; under a ceiling, the highest that was refused.
        rate: calls a second at that limit; 0 before any was measured.
        usual: seconds of a call at a held limit, or in the first of two rounds of a raised one; 0 for none.
        least: seconds of a call without a queue, the fewest seen.
        step: by how much a ceiling is tried next.
        probed: when the limit was last tried against another, seconds.
        patience: how long until it is tried again, in seconds of a call.
    """

    limit: float = FIRST_LIMIT
    phase: str = "ramp"
    round: int = 0
    since: float = 0.0
    calls: int = 0
    seconds: float = 0.0
    timed_out: int = 0
    answered: int = 0
    before: float = FIRST_LIMIT
    rate: float = 0.0
    usual: float = 0.0
    least: float = math.inf
    step: float = 1.0
    probed: float = 0.0
    patience: float = FIRST_PROBE

    @property
    def allowed(self) -> int:
        """Whole calls in flight, at least one."""
        return max(1, int(self.limit))

    @property
    def mean(self) -> float:
        """Mean seconds of the calls of this round."""
        return max(self.seconds / self.calls, LEAST_SECONDS)


def advance(known: Concurrency, tick: Tick, now: float) -> Concurrency:
    """What is known after a tick.

    Args:
        known: what was known.
        tick: what was seen since.
        now: seconds on a clock that all workers share.
    """
    if tick.refused:
        return cut(known, tick, now)
    if tick.round == known.round:
        known = replace(
            known,
            calls=known.calls + tick.calls,
            seconds=known.seconds + tick.seconds,
            timed_out=known.timed_out + tick.timed_out,
            answered=known.answered + tick.answered,
        )
    if known.timed_out >= max(FEW_TIMED_OUT, MANY_TIMED_OUT * (known.answered + known.timed_out)):
        return held(known, now, known.limit / 2, known.least, LAST_PROBE)
    if known.answered > 2 * needed(known):
        # Rounds may last for days where nobody wants more, and a call be lost now and then.
        known = replace(known, timed_out=0, answered=0)
    if known.phase == "ceiling":
        return ceiling(known, tick, now)
    if known.calls < needed(known):
        return known
    if tick.demand < known.allowed:
        # Nobody wants more: what was measured says nothing of this limit.
        return new_round(known, now)
    return PHASES[known.phase](known, now)


def needed(known: Concurrency) -> float:
    """Calls that a round must see: few where much is at stake, more to tell small gains.

    Those that end in a round are its shorter ones, the more so the fewer it waits for: only rounds that wait
    for as many can be held against each other.
    """
    return max(8.0, known.limit / 2) if known.phase == "ramp" else max(32.0, known.limit)


def new_round(known: Concurrency, now: float, **changes: float | str) -> Concurrency:
    """The next round, with what changes."""
    limit = min(MOST_LIMIT, max(1.0, float(changes.pop("limit", known.limit))))
    unseen: dict[str, Any] = {"calls": 0, "seconds": 0.0, "timed_out": 0, "answered": 0}
    known = replace(known, limit=limit, round=known.round + 1, since=now, **unseen)
    return replace(known, **changes)  # type: ignore[arg-type]  # every value fits its name


def ramp(known: Concurrency, now: float) -> Concurrency:
    """Multiply the limit while the rate follows: by much where it follows well, else by little."""
    rate, least = known.limit / known.mean, min(known.least, known.mean)
    share = gained(known, rate) if known.rate else 1.0
    limit = min(MOST_LIMIT, known.limit * (STEEP if share > WELL else GENTLE))
    if share < LITTLE or limit <= known.limit:
        knee = max(rate, known.rate) * least * SLACK + 1
        return held(known, now, min(max(knee, known.before), known.limit), least)
    return new_round(known, now, limit=limit, before=known.limit, rate=rate, least=least, phase="ramp")


def gained(known: Concurrency, rate: float) -> float:
    """Which share of the added calls shows in the rate: 1 where all of them do, 0 where they only wait.

    It is 0, too, where none were added, as under a hard limit.
    """
    if known.limit <= known.before:
        return 0.0
    return (rate / known.rate - 1) / (known.limit / known.before - 1)


def held(
    known: Concurrency, now: float, limit: float, least: float, patience: float = FIRST_PROBE
) -> Concurrency:
    """Stay at a limit; what is usual there is measured first."""
    return new_round(
        known, now, limit=limit, phase="hold", usual=0.0, least=least, probed=now, patience=patience
    )


def hold(known: Concurrency, now: float) -> Concurrency:
    """Stay while nothing changes; from time to time, try whether another limit is better."""
    mean = known.mean
    if not known.usual:
        return new_round(known, now, usual=mean, rate=known.limit / mean)
    if mean < FASTER * known.usual:
        return tried(known, now, "ramp", STEEP * known.limit, mean)
    if mean > SLOWER * known.usual:
        # What was measured may be of before and after a change: measure again, then look for the reason.
        return new_round(known, now, usual=mean, rate=known.limit / mean, probed=0.0)
    usual = (3 * known.usual + mean) / 4 if mean < STEADY * known.usual else mean
    known = replace(known, usual=usual, rate=known.limit / usual)
    is_due = now - known.probed > known.patience * max(0.5, mean)
    return probe(known, now) if is_due else new_round(known, now)


def probe(known: Concurrency, now: float) -> Concurrency:
    """Try a lower limit where there is a long queue, else a higher one."""
    knee = known.rate * known.least * SLACK + 1
    if known.usual > QUEUED * known.least and knee < LOWER * known.limit:
        return tried(known, now, "lower", max(knee, known.limit / 4), known.usual)
    return tried(known, now, "raise", RAISE * known.limit + 1, known.usual)


def tried(known: Concurrency, now: float, phase: str, limit: float, mean: float) -> Concurrency:
    """Measure another limit against this one, at which a call takes `mean` seconds.

    Stay where there is none, at the highest or the lowest.
    """
    rate, least = known.limit / mean, min(known.least, known.mean)
    limit = min(MOST_LIMIT, max(1.0, limit))
    if limit == known.limit:
        return held(known, now, limit, least)
    known = replace(known, before=known.limit, rate=rate, usual=0.0, least=least)
    return new_round(known, now, limit=limit, phase=phase, probed=now)


def raised(known: Concurrency, now: float) -> Concurrency:
    """Keep a higher limit that brings more in two rounds, and try the next; else go back."""
    if not known.usual:
        return new_round(known, now, usual=known.mean)
    mean = (known.usual + known.mean) / 2
    rate = known.limit / mean
    if rate < GAINS * known.rate:
        return back(known, now)
    if gained(known, rate) > WELL:
        return tried(known, now, "ramp", STEEP * known.limit, mean)
    return tried(known, now, "raise", RAISE * known.limit + 1, mean)


def lowered(known: Concurrency, now: float) -> Concurrency:
    """Keep a lower limit that brings as much; else find the one that does.

    Where it brings far less the server had no queue: the calls themselves are longer, and the rate before
    says how many of them it bears. Where it brings a little less that may be chance, and a queue would pass
    for what calls take: climb from there, or go back where that is near.
    """
    share = known.limit / known.mean / known.rate
    if share < FAR_LESS:
        knee = known.rate * known.mean * SLACK + 1
        return held(known, now, min(knee, known.before), known.mean, min(2 * known.patience, LAST_PROBE))
    if known.calls < 2 * needed(known):
        return known
    if share >= KEEPS:
        return held(known, now, known.limit, min(known.least, known.mean))
    if (higher := RAISE * known.limit + 1) < known.before:
        return tried(known, now, "raise", higher, known.mean)
    return back(known, now)


def back(known: Concurrency, now: float) -> Concurrency:
    """The limit before, and as long as before until the next try, twice over."""
    patience, usual = min(2 * known.patience, LAST_PROBE), known.before / known.rate
    return replace(held(known, now, known.before, known.least, patience), usual=usual)


def cut(known: Concurrency, tick: Tick, now: float) -> Concurrency:
    """Below what the server refused: each refused call has given its place up already."""
    before = max(known.before, known.limit) if known.phase == "ceiling" else known.limit
    limit = float(known.allowed - tick.refused)
    return new_round(known, now, limit=limit, phase="ceiling", before=before, step=1.0, probed=now)


def ceiling(known: Concurrency, tick: Tick, now: float) -> Concurrency:
    """Stay below a ceiling for a while, then try it in steps that grow while nothing is refused.

    Far above it, go by the rate again: the server may let calls wait now, and refuse none. At the limit that
    was refused, that rate was at most the one without a queue.
    """
    is_full = tick.in_flight >= known.allowed - 0.5
    if known.step == 1.0 and now - known.probed < rest(known):
        return known
    if not is_full or now - known.since < CLEAN_SECONDS:
        return known
    limit = min(known.limit + known.step, 2 * known.limit + 1)
    if limit > BEYOND * known.before:
        limit = max(known.limit, BEYOND * known.before)
        return new_round(known, now, limit=limit, phase="ramp", rate=known.before / known.least)
    return new_round(known, now, limit=limit, step=min(4 * known.step, MOST_LIMIT))


def rest(known: Concurrency) -> float:
    """Seconds between a refusal and the next try."""
    least, most = CEILING_SECONDS
    return min(max(CEILING_CALLS * known.mean / known.limit, least), most) if known.calls else most


PHASES: Mapping[str, Callable[[Concurrency, float], Concurrency]] = {
    "ramp": ramp,
    "hold": hold,
    "raise": raised,
    "lower": lowered,
}
