"""How well the number of calls at once finds itself, on servers whose capacity is hidden and moves.

The capacity goes 8 -> 64 -> 16 slots. One server lets calls wait, which shows only in their latency; the
other answers 429. The generation room starts from nothing and is told nothing; beside it, in the same run,
plain loops with fixed numbers of calls at once. Prints one JSON object:

- `adaptive_share`: calls answered, as a share of those of the best fixed number (the lower of both servers);
- `adaptive_share_queueing`, `adaptive_share_refusing`: of each server;
- `adaptive_429_share`: share of the calls that were refused;
- `found_seconds`: longest time after a change until 90 % of the new capacity is in use, without more than as
  many calls again waiting at the server, and is so in nine of ten later samples;
- `best_fixed`: the best fixed number, by server.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from tests.bench.generation_lab import Lab, answered, bare_loop, is_asked, lab, parser_of, tell, until
from tests.support.mock_llm import MockServer

LATENCY_MS, JITTER_MS = 500, 50
CAPACITIES = (8, 64, 16)
FIXED = (32, 64, 96)
SERVERS: dict[str, dict[str, Any]] = {
    "queueing": {"queue_limit": -1},
    "refusing": {"queue_limit": 0, "retry_after_s": 1.0},
}
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Sample:
    """What a server has to do at a time: slots that are busy, calls that wait for one."""

    at: float
    busy: int
    queued: int

    def is_right(self, slots: int) -> bool:
        """Whether it is asked for what so many slots bear, and not for far more."""
        return self.busy >= 0.9 * slots and self.queued <= slots


async def main() -> None:
    """Measure and print the figures."""
    parser = parser_of("generation_adaptive")
    parser.add_argument("--seconds", type=float, default=60, help="how long each capacity lasts")
    seconds = parser.parse_args().seconds
    figures: dict[str, Any] = {"best_fixed": {}, "found_seconds": 0.0}
    for name, settings in SERVERS.items():
        async with lab({"latency_ms": LATENCY_MS, "jitter_ms": JITTER_MS}) as here:
            await here.mock.control(**settings)
            await measure(here, name, seconds, figures)
    figures["adaptive_share"] = min(figures[f"adaptive_share_{name}"] for name in SERVERS)
    print(json.dumps(figures))


async def measure(here: Lab, name: str, seconds: float, figures: dict[str, Any]) -> None:
    """One server: fixed numbers, then the room."""
    best, fixed = 0, 0
    for slots in FIXED:
        await here.mock.control(capacity=CAPACITIES[0], capacity_schedule=[])
        async with bare_loop(here.mock, slots, "lean"):
            calls, _ = await served(here.mock, seconds)
        tell(f"{name}: {slots} at once: {calls} calls")
        best, fixed = max((best, fixed), (calls, slots))
    await here.mock.control(capacity=CAPACITIES[0], capacity_schedule=[])
    calls, samples = await ours(here, seconds)
    refused = await answered(here.mock, "429")
    tell(f"{name}: found by itself: {calls} calls, {refused} refused; best fixed {fixed}: {best}")
    figures[f"adaptive_share_{name}"] = round(calls / best, 3)
    figures["best_fixed"][name] = fixed
    figures["found_seconds"] = max(figures["found_seconds"], found_seconds(samples, seconds))
    if name == "refusing":
        figures["adaptive_429_share"] = round(refused / (refused + calls), 4)


async def ours(here: Lab, seconds: float) -> tuple[int, list[Sample]]:
    """The room on a project of enough calls; the clock starts with its first call."""
    project = await here.project(round(1.2 * sum(CAPACITIES) * seconds / (LATENCY_MS / 1000)))
    await here.mock.reset()
    generation = await here.start(project, no_cache=True)
    await until(lambda: is_asked(here.mock))
    found = await served(here.mock, seconds)
    await here.cancel(generation)
    return found


async def served(mock: MockServer, seconds: float) -> tuple[int, list[Sample]]:
    """Calls answered over all capacities, and what the server had to do when."""
    before, samples = await answered(mock), []
    schedule = [[number * seconds, slots] for number, slots in enumerate(CAPACITIES)]
    await mock.control(capacity_schedule=schedule)
    started = time.monotonic()
    while (passed := time.monotonic() - started) < seconds * len(CAPACITIES):
        told = await mock.stats()
        samples.append(Sample(passed, int(told["busy"]), int(told["queued"])))
        await asyncio.sleep(SAMPLE_SECONDS)
    return await answered(mock) - before, samples


def found_seconds(samples: list[Sample], seconds: float) -> float:
    """Longest time after a change until the new capacity is in use as it should, in nine of ten later samples."""
    longest = 0.0
    for number, slots in enumerate(CAPACITIES):
        start, end = number * seconds, (number + 1) * seconds
        used = [(one.at - start, one.is_right(slots)) for one in samples if start <= one.at < end]
        stays = (at for index, (at, is_used) in enumerate(used) if is_used and mostly(used[index:]))
        longest = max(longest, round(next(stays, seconds), 1))
    return longest


def mostly(samples: list[tuple[float, bool]]) -> bool:
    """Whether nine of ten are used."""
    return sum(is_used for _, is_used in samples) >= 0.9 * len(samples)


if __name__ == "__main__":
    asyncio.run(main())
