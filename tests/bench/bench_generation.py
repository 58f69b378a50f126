"""How many calls to a language model one generation process keeps going, and what each costs in CPU.

`python -m tests.bench.bench_generation` runs, in turn, the generation room and a plain loop over the same
SDK and transport against a mock model server of 500 ms latency, and measures each in a steady window. The
last line of output is one JSON object:

- `calls_per_s`, `cpu_ms_per_call`: of the room, median of the rounds;
- `ideal_share_100`: share of what 100 slots could do at most, 200 calls/s;
- `bare_calls_per_s`: of the plain loop, median of the rounds;
- `bare_share_100`: the room's calls/s as a share of the plain loop's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from sishu.client import Client
from sishu.common.v1 import job_service_pb2
from sishu.generation.v1 import generation_pb2
from tests.integration.documents import parsed_project
from tests.integration.generations import ONLY_THE_FACT, handbook, new_provider, start_generation
from tests.integration.stores import ROOT, Rooms, started_rooms, started_servers
from tests.support.mock_llm import MockServer, mock_llm

LATENCY_MS = 500
FORMS = 4
CALLS_PER_FACT = 1 + FORMS
WARM_UP_SECONDS = 4.0


@dataclass(frozen=True)
class Figures:
    """What one side did in its window."""

    calls_per_s: float
    cpu_ms_per_call: float


async def main() -> None:
    """Measure both sides in turn and print the figures."""
    flags = parse_flags()
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        async with AsyncExitStack() as stack:
            mock = await stack.enter_async_context(mock_llm(latency_ms=LATENCY_MS))
            servers = await stack.enter_async_context(started_servers(Path(folder), fast=False))
            env = {
                "SISHU_INGEST_CONCURRENCY": 1,
                "SISHU_GENERATION_CONCURRENCY": flags.slots,
                "SISHU_LOG_LEVEL": "warning",
                "SISHU_HEARTBEAT_SECONDS": 10,
            }
            rooms = await stack.enter_async_context(started_rooms(servers, "ingest", "generation", env=env))
            facts = round(
                flags.slots / (LATENCY_MS / 1000) * (flags.seconds + 2 * WARM_UP_SECONDS) / CALLS_PER_FACT
            )
            project = await parsed_project(rooms.client, {"a.md": handbook(facts)}, min_size=1, max_size=100)
            ours: list[Figures] = []
            bare: list[Figures] = []
            for number in range(flags.rounds):
                ours.append(await room_round(rooms, mock, project, flags.seconds))
                bare.append(await bare_round(mock, flags.slots, flags.seconds))
                tell(f"round {number + 1}: room {ours[-1]}, bare {bare[-1]}")
    print(json.dumps(summary(ours, bare, flags.slots)))


def parse_flags() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_generation")
    parser.add_argument("--slots", type=int, default=100, help="calls at once")
    parser.add_argument("--seconds", type=float, default=12, help="length of a window")
    parser.add_argument("--rounds", type=int, default=2, help="windows of each side")
    return parser.parse_args()


def tell(line: str) -> None:
    """Progress, for people."""
    sys.stderr.write(line + "\n")


def summary(ours: list[Figures], bare: list[Figures], slots: int) -> dict[str, float]:
    """The figures by name; medians of the rounds."""
    room_calls = statistics.median(one.calls_per_s for one in ours)
    bare_calls = statistics.median(one.calls_per_s for one in bare)
    return {
        "calls_per_s": round(room_calls, 1),
        "ideal_share_100": round(room_calls / (slots / (LATENCY_MS / 1000)), 3),
        "cpu_ms_per_call": round(statistics.median(one.cpu_ms_per_call for one in ours), 2),
        "bare_calls_per_s": round(bare_calls, 1),
        "bare_share_100": round(room_calls / bare_calls, 3),
    }


async def room_round(rooms: Rooms, mock: MockServer, project: str, seconds: float) -> Figures:
    """A generation, measured while it is in full swing, then cancelled."""
    await mock.reset()
    provider = await new_provider(rooms.client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(
        chars_per_fact=1, forms_per_fact=FORMS, facts_per_call=1, context_chars=ONLY_THE_FACT
    )
    generation = await start_generation(rooms.client, project, provider, options)
    await until(lambda: is_asked(mock))
    await asyncio.sleep(WARM_UP_SECONDS)
    figures = await window(mock, rooms.processes["generation"].pid, seconds)
    await cancel(rooms.client, generation.job.id)
    await until(lambda: is_idle(mock))
    return figures


async def bare_round(mock: MockServer, slots: int, seconds: float) -> Figures:
    """The plain loop in a process of its own, measured in the same way."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bare_loop", mock.base_url, str(slots)), cwd=ROOT
    )
    try:
        await until(lambda: is_asked(mock))
        await asyncio.sleep(WARM_UP_SECONDS)
        return await window(mock, process.pid, seconds)
    finally:
        process.kill()
        await process.wait()
        await until(lambda: is_idle(mock))


async def window(mock: MockServer, pid: int, seconds: float) -> Figures:
    """Count answered calls and CPU time of a process for a while."""
    process = psutil.Process(pid)
    calls, cpu, started = await answered(mock), cpu_seconds(process), time.monotonic()
    await asyncio.sleep(seconds)
    calls, cpu = await answered(mock) - calls, cpu_seconds(process) - cpu
    return Figures(calls / (time.monotonic() - started), 1000 * cpu / max(calls, 1))


async def answered(mock: MockServer) -> int:
    """Calls answered so far."""
    return int((await mock.stats())["statuses"].get("200", 0))


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of a process so far."""
    times = process.cpu_times()
    return times.user + times.system


async def is_asked(mock: MockServer) -> bool:
    """Whether calls are under way."""
    return bool((await mock.stats())["in_flight"])


async def is_idle(mock: MockServer) -> bool:
    """Whether no call is under way."""
    return not await is_asked(mock)


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 120.0) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come.
    """
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.05)


async def cancel(client: Client, job_id: str) -> None:
    """Stop a job."""
    await client.jobs("generation").CancelJob(job_service_pb2.CancelJobRequest(id=job_id))


if __name__ == "__main__":
    asyncio.run(main())
