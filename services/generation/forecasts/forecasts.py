"""Forecasts: what a generation takes as a whole, told from the chunks whose calls have been seen.

What a chunk takes grows with its length, so the ratio of what was taken to the characters seen, times all
characters, estimates the whole: the ratio estimate, with its variance by linearisation and the correction
for a finite population (W. G. Cochran, Sampling Techniques, 3rd edition, 1977, sections 2.6 and 6.4). The
interval is that of Student's t: in 90 of 100 cases the truth is inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WINDOW_SECONDS = 86_400.0
"""In what time servers promise to answer a batch."""
LEAST_CHUNKS = 5
"""Seen before anything is told, where there are so many."""
Z = 1.6448536269514722
"""The normal distribution is below this in 95 of 100 cases."""


@dataclass(frozen=True)
class Estimate:
    """A number and how far off it may be: 5 of 100 are below `low`, 5 above `high`."""

    low: float
    expected: float
    high: float

    def times(self, factor: float) -> Estimate:
        """The same of something proportional."""
        return Estimate(self.low * factor, self.expected * factor, self.high * factor)

    def less(self, part: float) -> Estimate:
        """What is left of it after a part, at least nothing."""
        return Estimate(*(max(0.0, one - part) for one in (self.low, self.expected, self.high)))

    def at_least(self, least: float) -> Estimate:
        """The same of something that is not below a number."""
        return Estimate(*(max(one, least) for one in (self.low, self.expected, self.high)))


@dataclass(frozen=True)
class SeenChunk:
    """A chunk whose calls have ended, and what they took.

    Args:
        chains: chains of calls, of which the first can be in a batch.
    """

    characters: int
    calls: float
    prompt_tokens: int
    completion_tokens: int
    cost: float
    seconds: float
    chains: int = 0


@dataclass(frozen=True)
class Extent:
    """What a generation covers.

    Args:
        planned: whether all chunks are known.
        chunks: chunks known so far.
        characters: their length.
        calls_at_once: calls that the endpoints were found to bear; nothing where that is not known.
        asks_questions: whether questions are still to be written, which calls for answers follow.
        templates_only: whether all questions are those of templates, which nobody writes.
        in_batches: whether calls are handed in as batches.
        ended: whether no more of its chunks will be seen.
        asks_knowledge: whether a model is asked what it knows before further questions are written.
    """

    planned: bool
    chunks: int
    characters: int
    calls_at_once: float | None
    asks_questions: bool = True
    templates_only: bool = False
    in_batches: bool = False
    ended: bool = False
    asks_knowledge: bool = False


@dataclass(frozen=True)
class Forecast:
    """What a generation takes from its beginning to its end; `seconds` are those from now.

    Args:
        cost: money; nothing where there is no price.
        seconds: nothing where no rate is known, or calls are in batches.
        promised_seconds: until servers promise to have answered all batches; 0 for single calls.
    """

    chunks: int
    chunks_seen: int
    calls: Estimate
    prompt_tokens: Estimate
    completion_tokens: Estimate
    cost: Estimate | None
    seconds: Estimate | None
    promised_seconds: float = 0.0


@dataclass(frozen=True)
class Paid:
    """What a running generation paid so far, and how fast it goes on."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    calls_per_second: float = 0.0


def forecast(extent: Extent, seen: Sequence[SeenChunk], currency: str, paid: Paid | None) -> Forecast | None:
    """What a generation takes.

    Args:
        extent: what it covers.
        seen: some of its chunks that are done.
        currency: of the money; empty where there is no price.
        paid: what a running generation paid so far; nothing for a pilot, which tells of a run from a start.

    Returns nothing before enough is known.
    """
    # Of what has ended, as of a pilot some of whose chunks failed, there is no more to wait for.
    least = 1 if extent.ended else min(LEAST_CHUNKS, extent.chunks)
    if not extent.planned or not seen or len(seen) < least:
        return None

    def whole(value: Callable[[SeenChunk], float], least: float) -> Estimate:
        return ratio_estimate([(one.characters, value(one)) for one in seen], extent).at_least(least)

    so_far = paid or Paid()
    calls = whole(lambda one: one.calls, so_far.calls)
    return Forecast(
        extent.chunks,
        len(seen),
        calls,
        whole(lambda one: one.prompt_tokens, so_far.prompt_tokens),
        whole(lambda one: one.completion_tokens, so_far.completion_tokens),
        whole(lambda one: one.cost, so_far.cost) if currency else None,
        seconds_told(calls, seen, extent, paid),
        seconds_promised(extent, paid),
    )


def seconds_promised(extent: Extent, paid: Paid | None) -> float:
    """Seconds in which servers promise to answer what is in batches: first questions, then answers.

    Where a model is asked what it knows, that comes then, and after it further questions and their answers.
    """
    whole = 5 if extent.asks_knowledge else 2
    rounds = whole if (paid is None or extent.asks_questions) and not extent.templates_only else 1
    return rounds * WINDOW_SECONDS if extent.in_batches else 0.0


def seconds_told(
    calls: Estimate, seen: Sequence[SeenChunk], extent: Extent, paid: Paid | None
) -> Estimate | None:
    """Seconds that single calls take; nobody can tell how long batches do."""
    if extent.in_batches:
        return None
    return seconds_left(calls, paid) if paid else seconds_from_start(calls, seen, extent)


def seconds_left(calls: Estimate, paid: Paid) -> Estimate | None:
    """Seconds until the rest of the calls is made at the rate of now."""
    return calls.less(paid.calls).times(1 / paid.calls_per_second) if paid.calls_per_second else None


def seconds_from_start(calls: Estimate, seen: Sequence[SeenChunk], extent: Extent) -> Estimate | None:
    """Seconds that calls take, by Little's law: those at once over the seconds of one are made a second."""
    ended = sum(one.calls for one in seen)
    if not ended or not extent.calls_at_once:
        return None
    return calls.times(sum(one.seconds for one in seen) / ended / extent.calls_at_once)


def ratio_estimate(seen: Sequence[tuple[float, float]], extent: Extent) -> Estimate:
    """The sum over all chunks.

    Args:
        seen: length of each seen chunk, and what it took.
        extent: of all chunks.
    """
    count = len(seen)
    characters = sum(length for length, _ in seen)
    ratio = sum(taken for _, taken in seen) / characters if characters else 0.0
    expected = ratio * extent.characters
    if count < 2:  # one shows no spread
        spread = 0.0 if count == extent.chunks else expected
        return Estimate(max(0.0, expected - spread), expected, expected + spread)
    squares = sum((taken - ratio * length) ** 2 for length, taken in seen) / (count - 1)
    unseen = max(0.0, 1 - count / extent.chunks)
    error = extent.chunks * math.sqrt(unseen * squares / count) * student_t(count - 1)
    return Estimate(max(0.0, expected - error), expected, expected + error)


def student_t(freedom: int) -> float:
    """The 95 % quantile of Student's t (Abramowitz and Stegun, 1964, 26.7.5; exact for 1 and 2)."""
    if freedom == 1:
        return math.tan(0.45 * math.pi)
    if freedom == 2:  # its quantile has a closed form
        return 0.9 * math.sqrt(2 / (1 - 0.9**2))
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))
