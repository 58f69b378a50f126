"""How much memory an engine's processes have, and whether the kernel killed one for it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from services.runtime.errors import FailedPrecondition, SishuError

LACK = "OUT_OF_MEMORY"
"""Reason of every lack of memory, whoever noticed it."""
GIB = 2**30
COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def resident_bytes(pid: int) -> int:
    """Memory of a process and all that it started; what they share counts once for each."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += each.memory_info().rss
    return total


def kills(root: Path = Path("/")) -> int:
    """How many processes the kernel has killed for want of memory, on this machine or in our group."""
    places = [root / "proc/vmstat", *_groups(root)]
    found = (COUNT.search(_text(path)) for path in places)
    return sum(int(match[1]) for match in found if match)


def _groups(root: Path) -> list[Path]:
    """Where our control groups count them, of either version."""
    paths = [root / "sys/fs/cgroup/memory.events", root / "sys/fs/cgroup/memory/memory.oom_control"]
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            paths.append(root / "sys/fs/cgroup" / group.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            paths.append(root / "sys/fs/cgroup/memory" / group.lstrip("/") / "memory.oom_control")
    return list(dict.fromkeys(paths))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@dataclass
class MemoryWatch:
    """Watches one engine.

    Args:
        pid: its first process.
        limit: most bytes that its processes may have together; 0 means no limit.
    """

    pid: int
    limit: int = 0
    peak: int = 0
    kills_before: int = field(default_factory=kills)

    def check(self) -> None:
        """Measure.

        Raises:
            FailedPrecondition: there is more than the limit.
        """
        if not self.limit:
            return
        self.peak = max(self.peak, resident_bytes(self.pid))
        if self.peak > self.limit:
            raise FailedPrecondition(
                LACK,
                f"the engine's processes have {self.peak / GIB:.2f} GiB of memory, more than the "
                f"{self.limit / GIB:.2f} GiB of SISHU_TRAINER_MEMORY_BYTES; lower batch_tokens or "
                "cutoff_length, set gradient_checkpointing, or allow more",
            )

    def explained(self, error: SishuError) -> SishuError:
        """What an engine's end was due to: the kernel's hand, where it killed something meanwhile."""
        if error.reason != "ENGINE_KILLED" or error.metadata.get("signal") != "9":
            return error
        if kills() <= self.kills_before:
            return error
        return FailedPrecondition(
            LACK,
            "the kernel killed the engine, as the machine's memory was used up; lower batch_tokens or "
            "cutoff_length, set gradient_checkpointing, or train on a machine with more memory",
        )
