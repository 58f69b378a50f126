"""What watches an engine: its memory, the kernel's hand, and where its processes are."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.runtime.errors import FailedPrecondition, Unavailable
from services.trainer.engine_process import ROOT
from services.trainer.watchdogs import memory, stacks
from services.trainer.watchdogs.memory import MemoryWatch, kills, resident_bytes

WAIT_SECONDS = 30.0


def test_memory_of_an_engine_is_that_of_all_its_processes() -> None:
    holds = "import sys; held = bytearray(60_000_000); print(flush=True); sys.stdin.read()"
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {holds!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", starts], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        assert resident_bytes(process.pid) > 60_000_000
        MemoryWatch(process.pid, limit=10**12).check()
        MemoryWatch(process.pid).check()
        with pytest.raises(
            FailedPrecondition, match=r"more than the 0\.03 GiB of SISHU_TRAINER_MEMORY_BYTES"
        ) as caught:
            MemoryWatch(process.pid, limit=30_000_000).check()
        process.stdin.close()
    assert caught.value.reason == "OUT_OF_MEMORY"
    assert resident_bytes(process.pid) == 0


@pytest.mark.parametrize(
    ("place", "groups"),
    [
        ("proc/vmstat", ""),
        ("sys/fs/cgroup/memory.events", "0::/\n"),
        ("sys/fs/cgroup/pods/one/memory.events", "0::/pods/one\n"),
        ("sys/fs/cgroup/memory/pods/one/memory.oom_control", "5:cpu:/\n4:memory:/pods/one\n"),
    ],
)
def test_the_kernels_kills_are_counted_wherever_it_tells_them(
    tmp_path: Path, place: str, groups: str
) -> None:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    assert kills(tmp_path) == 0
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("oom 7\noom_kill 3\noom_group_kill 9\n")
    assert kills(tmp_path) == 3


def test_an_engine_that_the_kernel_killed_lacked_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = MemoryWatch(os.getpid(), kills_before=4)
    killed = Unavailable("ENGINE_KILLED", "ended by signal 9", signal="9")
    monkeypatch.setattr(memory, "kills", lambda: 4)
    assert watch.explained(killed) is killed
    monkeypatch.setattr(memory, "kills", lambda: 5)
    assert watch.explained(killed).reason == "OUT_OF_MEMORY"
    other = Unavailable("ENGINE_KILLED", "ended by signal 11", signal="11")
    assert watch.explained(other) is other


HANGS = """
import ctypes, os, sys
from pathlib import Path
from services.trainer.engine.stacks import listening

def waits_for_the_others():
    # In a call that never gives the interpreter's lock back.
    ctypes.PyDLL(None).pause()

def do_step():
    while True:
        waits_for_the_others()

with listening(Path(sys.argv[1])):
    print(flush=True)
    do_step()
"""
PARENT = """
import os, subprocess, sys
for rank in "01":
    child = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], env={**os.environ, "RANK": rank})
child.wait()
"""


async def test_every_rank_of_a_hanging_engine_says_where_it_is(tmp_path: Path) -> None:
    # A number that is another program's by now gets no signal.
    folder = tmp_path / "stacks"
    folder.mkdir()
    (folder / "rank-7.pid").write_text(str(os.getpid()))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), HANGS, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        for _ in range(2):
            await asyncio.wait_for(process.stdout.readline(), WAIT_SECONDS)
        # At first they may be on their way.
        found: dict[int, str] = {}
        async with asyncio.timeout(WAIT_SECONDS):
            while stacks.in_words(found).count("in waits_for_the_others") < 2:
                found = await stacks.dumped(process.pid, tmp_path)
    finally:
        for rank in (0, 1):
            os.kill(int((folder / f"rank-{rank}.pid").read_text()), 9)
        await process.wait()
    assert sorted(found) == [0, 1]
    assert all("do_step" in text for text in found.values())
    words = stacks.in_words(found)
    assert words.startswith("rank 0 in waits_for_the_others (<string>:8); rank 1 in waits_for_the_others")
    assert stacks.as_file(found).count("== rank ") == 2
    assert await stacks.dumped(process.pid, tmp_path) == {}


def test_an_engine_that_takes_no_signal_is_told_as_unknown() -> None:
    assert stacks.place_of("") == "unknown"
    assert stacks.in_words({}) == ""
