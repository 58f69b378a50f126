"""How many calls a second the generation room makes beside its peers, on the same mock server and chunks.

Each side asks the server (500 ms latency, no limit of capacity) about chunks of a thousand characters, and is
measured in steady windows, in turn: the room with no setting at all, each peer with the best of the settings
that its documentation names. A peer asks once a chunk, and gets three questions with answers, 100 tokens; the
two that can do it ask for them by JSON schema and validate them, as the room does. The room asks for the
questions about a chunk, and then for the answer to each. Prints one JSON object:

- `peers`: calls/s of each; `peers_ours_calls_per_s`: those of the room;
- `peers_cpu_ms_per_call`: CPU time of each side's process (`ours`: that of the room);
- `peers_versions`, `peers_settings`;
- `peers_failed`: those that could not be installed or run, and why.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sishu.generation.v1 import generation_pb2
from tests.bench.generation_lab import (
    Figures,
    Lab,
    answered,
    is_asked,
    is_idle,
    lab,
    parser_of,
    tell,
    until,
    window,
)
from tests.bench.generation_throughput import median
from tests.bench.peers_environments import PEERS, QUIET, Peer, PeerError, installed, last_line
from tests.integration.documents import parsed_project
from tests.integration.generations import new_provider, start_generation

OURS = "ours"
WARM_UP_SECONDS = 15.0
"""Each side has this long to find its pace after its first answers."""
START_SECONDS = 180.0
TRIAL_SECONDS = 8.0
MOST_CALLS_PER_S = 500
"""Peers get rows for so many calls a second."""
PAIRS = [
    {
        "question": f"What is the weight of part {one} of the Kestrel?",
        "answer": f"Part {one} weighs {one} grams.",
    }
    for one in (1001, 1002, 1003)
]


@dataclass
class Run:
    """The sides and what was found of them.

    Args:
        here: the mock server and the room.
        project: of the room, with the chunks.
        chunks: the same chunks as a file, for the peers.
        pythons: of the peers that are installed.
    """

    here: Lab
    project: str
    chunks: Path
    pythons: dict[Peer, Path]
    seconds: float
    settings: dict[Peer, int] = field(default_factory=dict)
    found: dict[str, list[Figures]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


async def main() -> None:
    """Measure and print the figures."""
    parser = parser_of("generation_peers")
    parser.add_argument("--seconds", type=float, default=15, help="length of a window")
    parser.add_argument("--rounds", type=int, default=2, help="windows of each side")
    parser.add_argument("--chunks", type=int, default=2000)
    flags = parser.parse_args()
    pythons, failed = environments()
    texts = [chunk(number) for number in range(flags.chunks)]
    with tempfile.TemporaryDirectory(prefix="sishu-peers-") as folder:
        chunks = Path(folder) / "chunks.jsonl"
        chunks.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        async with lab({"latency_ms": 500, "fixed": {"pairs": PAIRS}}) as here:
            document = "\n\n".join(texts).encode()
            project = await parsed_project(here.client, {"a.md": document}, min_size=1, max_size=1200)
            run = Run(here, project, chunks, pythons, flags.seconds, failed=failed)
            await measure(run, flags.rounds)
    print(json.dumps(report(run)))


def environments() -> tuple[dict[Peer, Path], dict[str, str]]:
    """The Pythons of the peers, and why some have none."""
    pythons, failed = {}, {}
    for peer in PEERS:
        tell(f"{peer.name} {peer.version}: install")
        try:
            pythons[peer] = installed(peer)
        except PeerError as error:
            failed[peer.name] = str(error)
            tell(f"{peer.name} is not measured: {error}")
    return pythons, failed


def chunk(number: int) -> str:
    """A chunk of about a thousand characters."""
    lines = [
        f"The part number {number}-{one} of the Kestrel is made of brass and weighs {number + one} grams."
        for one in range(12)
    ]
    return f"# Part {number}\n\n" + "\n".join(lines)


async def measure(run: Run, rounds: int) -> None:
    """Choose the setting of each peer, then measure all sides in turn."""
    for peer in run.pythons:
        setting = await best_setting(run, peer)
        if setting:
            run.settings[peer] = setting
    for _ in range(rounds):
        add(run, OURS, await our_figures(run))
        for peer, setting in run.settings.items():
            figures = await peer_figures(run, peer, setting, run.seconds)
            if figures:
                add(run, peer.name, figures)


async def best_setting(run: Run, peer: Peer) -> int | None:
    """The setting with which a peer is fastest; nothing where it fails with all."""
    if len(peer.settings) == 1:
        return peer.settings[0]
    rates = {}
    for setting in peer.settings:
        figures = await peer_figures(run, peer, setting, TRIAL_SECONDS)
        if figures:
            rates[setting] = figures.calls_per_s
    return max(rates, key=rates.__getitem__, default=None)


def add(run: Run, side: str, figures: Figures) -> None:
    """Keep the figures of a window."""
    run.found.setdefault(side, []).append(figures)


async def our_figures(run: Run) -> Figures:
    """The room's, with nothing set: answers of a round before would be taken again, so they are passed over."""
    here = run.here
    provider = await new_provider(here.client, run.project, here.mock.base_url)
    options = generation_pb2.GenerationOptions(no_cache=True)
    generation = await start_generation(here.client, run.project, provider, options)
    await until(lambda: is_asked(here.mock))
    await asyncio.sleep(WARM_UP_SECONDS)
    figures = await window(here.mock, here.generation_pid, run.seconds)
    if not await is_asked(here.mock):
        raise RuntimeError("the room had done all its work before the window ended: give it more --chunks")
    await here.cancel(generation)
    tell(f"{OURS}: {figures}")
    return figures


async def peer_figures(run: Run, peer: Peer, setting: int, seconds: float) -> Figures | None:
    """A peer's, or nothing where it fails; why is kept."""
    try:
        async with asking(run, peer, setting) as process:
            await asyncio.sleep(WARM_UP_SECONDS)
            figures = await window(run.here.mock, process.pid, seconds)
            if process.returncode is not None:
                raise PeerError("it had ended before it was measured")
    except (PeerError, TimeoutError) as error:
        run.failed[peer.name] = str(error) or f"it asked nothing within {START_SECONDS:.0f} s"
        tell(f"{peer.name} {setting} failed: {run.failed[peer.name]}")
        return None
    tell(f"{peer.name} {setting}: {figures}")
    return figures


@asynccontextmanager
async def asking(run: Run, peer: Peer, setting: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A peer that has had its first answers, in a process of its own with a home of its own.

    Raises:
        PeerError: it ended at once.
        TimeoutError: it asked nothing.
    """
    mock = run.here.mock
    rows = round((WARM_UP_SECONDS + run.seconds) * MOST_CALLS_PER_S)
    with tempfile.TemporaryDirectory(prefix="sishu-peer-") as home, (Path(home) / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(run.pythons[peer], peer.script, mock.base_url, run.chunks, str(rows), str(setting)),
            cwd=home,
            env={**QUIET, "HOME": home, "PATH": os.environ["PATH"]},
            stdout=log,
            stderr=log,
        )
        try:
            before = await answered(mock)
            await until(lambda: has_begun(run, process, before), START_SECONDS)
            if process.returncode is not None:
                raise PeerError(last_line((Path(home) / "log").read_text(encoding="utf-8")))
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await until(lambda: is_idle(mock))


async def has_begun(run: Run, process: asyncio.subprocess.Process, before: int) -> bool:
    """Whether answers have come, or none will."""
    return process.returncode is not None or await answered(run.here.mock) > before


def report(run: Run) -> dict[str, Any]:
    """The figures as they are printed."""
    medians = {side: median(figures) for side, figures in run.found.items()}
    rates = {side: round(figures.calls_per_s, 1) for side, figures in medians.items()}
    return {
        "peers": {side: rate for side, rate in rates.items() if side != OURS},
        "peers_ours_calls_per_s": rates[OURS],
        "peers_cpu_ms_per_call": {side: round(one.cpu_ms_per_call, 2) for side, one in medians.items()},
        "peers_versions": {peer.name: peer.version for peer in run.pythons},
        "peers_settings": {peer.name: setting for peer, setting in run.settings.items()},
        "peers_failed": {name: why for name, why in run.failed.items() if name not in run.found},
    }


if __name__ == "__main__":
    asyncio.run(main())
