"""Where the processes of an engine are that does not get on: their stacks, by `faulthandler`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import psutil

from services.trainer.engine.stacks import FOLDER, SIGNAL, pid_files

SETTLE_SECONDS = 0.2
LONGEST_SECONDS = 5.0
MOST_BYTES = 64 * 1024
"""Of a process's stacks."""
FRAME = re.compile(r'^  File "(?P<file>[^"]*)", line (?P<line>\d+) in (?P<function>\S+)', re.MULTILINE)


async def dumped(pid: int, work: Path) -> dict[int, str]:
    """The stacks of all processes of an engine, by rank; none of those that take no signal.

    Args:
        pid: its first process.
        work: its run's folder.
    """
    ranks = await asyncio.to_thread(_ask, pid, work)
    before: dict[int, str] = {}
    waited = 0.0
    while waited < LONGEST_SECONDS:
        await asyncio.sleep(SETTLE_SECONDS)
        waited += SETTLE_SECONDS
        now = {rank: _text(path) for rank, path in ranks.items()}
        if now == before and all(now.values()):
            break
        before = now
    return {rank: text for rank, path in ranks.items() if (text := _text(path))}


def _ask(pid: int, work: Path) -> dict[int, Path]:
    """Have every process write its stacks; files by rank."""
    alive = _family(pid)
    ranks = {}
    for rank, number, path in pid_files(work / FOLDER):
        # A number in a file may be that of another program by now.
        if number in alive:
            path.write_bytes(b"")
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, SIGNAL)
            ranks[rank] = path
    return ranks


def _family(pid: int) -> set[int]:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return {pid, *(child.pid for child in process.children(recursive=True))}
    return set()


def _text(path: Path) -> str:
    with contextlib.suppress(OSError), path.open("rb") as stream:
        return stream.read(MOST_BYTES).decode("utf-8", "replace")
    return ""


def place_of(stacks: str) -> str:
    """Where the thread is that got the signal, in a few words: function, file and line."""
    _, found, own = stacks.partition("Current thread")
    match = FRAME.search(own if found else stacks)
    return f"{match['function']} ({Path(match['file']).name}:{match['line']})" if match else "unknown"


def in_words(stacks: Mapping[int, str]) -> str:
    """Where each rank is."""
    return "; ".join(f"rank {rank} in {place_of(text)}" for rank, text in sorted(stacks.items()))


def as_file(stacks: Mapping[int, str]) -> str:
    """All stacks in one text."""
    return "\n".join(f"== rank {rank}\n{text.rstrip()}\n" for rank, text in sorted(stacks.items()))
