"""How many calls to a language model one generation process keeps going, and what each costs in CPU.

Runs, in turn, the generation room and a plain loop over the same SDK and transport against a mock model
server of 500 ms latency, with at most 100 and 200 calls in flight, and measures each in a steady window. Prints one JSON
object:

- `ideal_share_100`: share of what 100 slots could do at most, 200 calls/s;
- `bare_share_200`: the room's calls/s at 200 slots as a share of those of a plain loop over the SDK, and
  `lean_share_200`: of those of a loop over the room's own call, which has a third of the SDK's cost;
- `cpu_ms_per_call`, `bare_cpu_ms_per_call`, `lean_cpu_ms_per_call`: CPU time of the process, at 100 slots;
- `rss_growth_mb`: how much the process grew from the first tenth to the end of `--calls` calls.
"""

from __future__ import annotations

import asyncio
import json
import statistics

import psutil

from tests.bench.generation_lab import (
    Figures,
    Lab,
    answered,
    bare_loop,
    is_asked,
    lab,
    parser_of,
    tell,
    until,
    window,
)

LATENCY_MS = 500
WARM_UP_SECONDS = 6.0
MOST_SECONDS = 3600.0
BARE = ("sdk", "lean")


async def main() -> None:
    """Measure and print the figures."""
    parser = parser_of("generation_throughput")
    parser.add_argument("--seconds", type=float, default=12, help="length of a window")
    parser.add_argument("--rounds", type=int, default=3, help="windows of each side")
    parser.add_argument("--calls", type=int, default=50_000, help="calls over which memory is watched")
    flags = parser.parse_args()
    at_100 = await sides(100, flags.seconds, flags.rounds)
    at_200 = await sides(200, flags.seconds, flags.rounds)
    figures = {
        "ideal_share_100": round(at_100["ours"].calls_per_s / (100 / (LATENCY_MS / 1000)), 3),
        "bare_share_200": round(at_200["ours"].calls_per_s / at_200["sdk"].calls_per_s, 3),
        "lean_share_200": round(at_200["ours"].calls_per_s / at_200["lean"].calls_per_s, 3),
        "cpu_ms_per_call": round(at_100["ours"].cpu_ms_per_call, 2),
        "bare_cpu_ms_per_call": round(at_100["sdk"].cpu_ms_per_call, 2),
        "lean_cpu_ms_per_call": round(at_100["lean"].cpu_ms_per_call, 2),
        "calls_per_s_200": round(at_200["ours"].calls_per_s, 1),
    }
    if flags.calls:
        figures["rss_growth_mb"] = round(await growth(flags.calls), 1)
    print(json.dumps(figures))


async def sides(slots: int, seconds: float, rounds: int) -> dict[str, Figures]:
    """All sides in turn; the median of each."""
    found: dict[str, list[Figures]] = {side: [] for side in ("ours", *BARE)}
    async with lab({"latency_ms": LATENCY_MS}) as here:
        project = await here.project(round(slots / (LATENCY_MS / 1000) * (seconds + 2 * WARM_UP_SECONDS)))
        for _ in range(rounds):
            found["ours"].append(await ours(here, project, slots, seconds))
            for kind in BARE:
                async with bare_loop(here.mock, slots, kind) as pid:
                    await asyncio.sleep(WARM_UP_SECONDS)
                    found[kind].append(await window(here.mock, pid, seconds))
            tell(f"{slots} slots: " + ", ".join(f"{side} {figures[-1]}" for side, figures in found.items()))
    return {side: median(figures) for side, figures in found.items()}


async def ours(here: Lab, project: str, slots: int, seconds: float) -> Figures:
    """A generation, measured while it is in full swing, then cancelled."""
    generation = await here.start(project, slots, no_cache=True)
    await until(lambda: is_asked(here.mock))
    await asyncio.sleep(WARM_UP_SECONDS)
    figures = await window(here.mock, here.generation_pid, seconds)
    await here.cancel(generation)
    return figures


def median(figures: list[Figures]) -> Figures:
    """The median of each figure."""
    return Figures(
        statistics.median(one.calls_per_s for one in figures),
        statistics.median(one.cpu_ms_per_call for one in figures),
    )


async def growth(calls: int) -> float:
    """MB by which the process grows over so many calls, the first tenth aside."""
    async with lab({"latency_ms": 50}) as here:
        generation = await here.start(await here.project(calls), no_cache=True)
        process = psutil.Process(here.generation_pid)
        await until(lambda: reached(here, calls / 10), MOST_SECONDS)
        before = process.memory_info().rss
        await until(lambda: reached(here, 0.98 * calls), MOST_SECONDS)
        after = process.memory_info().rss
        await here.cancel(generation)
    tell(f"memory: {before / 2**20:.0f} MB after a tenth, {after / 2**20:.0f} MB after all")
    return (after - before) / 2**20


async def reached(here: Lab, calls: float) -> bool:
    """Whether so many calls have been answered."""
    await asyncio.sleep(0.5)
    return await answered(here.mock) >= calls


if __name__ == "__main__":
    asyncio.run(main())
