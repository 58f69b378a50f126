"""How calls grow with workers, against a mock model server of two seconds that bears any number of calls.

Prints one JSON object:

- `scaling`: {workers: calls/s in a steady window}, for 1, 2 and 4 workers;
- `first_answer_seconds`: from the start of a generation to its first stored answer, with one worker.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from sishu.generation.v1 import generation_pb2
from tests.bench.generation_lab import Lab, answered, lab, parser_of, tell, until
from tests.integration.generations import view
from tests.integration.stores import Room, started_room

LATENCY_MS = 2000
WORKERS = (1, 2, 4)
SLOTS = 64
"""Items at once of a worker: so few that workers, and not the two cores, are the limit."""
WARM_UP_SECONDS = 15.0


async def main() -> None:
    """Measure and print the figures."""
    parser = parser_of("generation_scaling")
    parser.add_argument("--seconds", type=float, default=20, help="length of a window")
    seconds = parser.parse_args().seconds
    scaling: dict[str, float] = {}
    async with lab({"latency_ms": LATENCY_MS}, SISHU_GENERATION_CONCURRENCY=0) as here:
        calls = round(max(WORKERS) * SLOTS / (LATENCY_MS / 1000) * (seconds + 2 * WARM_UP_SECONDS))
        project = await here.project(calls)
        first = await first_answer(here, project)
        for workers in WORKERS:
            scaling[str(workers)] = round(await rate(here, project, workers, seconds), 1)
            tell(f"{workers} workers: {scaling[str(workers)]} calls/s")
    print(json.dumps({"scaling": scaling, "first_answer_seconds": round(first, 2)}))


async def rate(here: Lab, project: str, workers: int, seconds: float) -> float:
    """Calls a second of so many workers."""
    async with AsyncExitStack() as stack:
        for _ in range(workers):
            await stack.enter_async_context(worker(here))
        generation = await here.start(project, no_cache=True)
        await asyncio.sleep(WARM_UP_SECONDS)
        before, started = await answered(here.mock), time.monotonic()
        await asyncio.sleep(seconds)
        found = (await answered(here.mock) - before) / (time.monotonic() - started)
        await here.cancel(generation)
    return found


async def first_answer(here: Lab, project: str) -> float:
    """Seconds from a start to the first stored answer."""
    async with worker(here):
        generation, started = await here.start(project, no_cache=True), time.monotonic()
        await until(lambda: has_answer(here, generation))
        passed = time.monotonic() - started
        await here.cancel(generation)
    return passed


def worker(here: Lab) -> AbstractAsyncContextManager[Room]:
    """A worker of the room."""
    return started_room(here.rooms.stores, "generation", "worker", "--concurrency", str(SLOTS))


async def has_answer(here: Lab, generation: generation_pb2.Generation) -> bool:
    """Whether one question has been answered."""
    return bool((await view(here.client, generation.id)).stats.answered)


if __name__ == "__main__":
    asyncio.run(main())
