"""Ask the engine's Python what it and the machine's devices can do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import time
from asyncio.subprocess import STDOUT, Process
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.trainer.engine_process import signal_group
from services.trainer.node.programs import ProgramError, Programs, start
from services.trainer.node.sampler import Sample, Sampler
from services.trainer.node.tools import find_tools

PROBE_SECONDS = 240.0
"""Deadline of all checks: a vendor's torch may take a minute to load, and cards that do not meet another."""
KILL_SECONDS = 5.0
PASSED, FAILED, ABSENT, ENDED = "passed", "failed", "absent", "ended"
DRIVER = re.compile(r"driver version\W*([\w.+-]+)", re.IGNORECASE)
DRIVER_WAYS = {
    "hy-smi": ("--showdriverversion",),
    "rocm-smi": ("--showdriverversion",),
    "nvidia-smi": ("--query-gpu=driver_version", "--format=csv,noheader"),
}


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    outcome: str
    """`passed`, `failed`, `absent` (nothing to try), or `ended`: the program died or hung in it."""
    message: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """What is known of a machine that trains."""

    host: str
    python: str
    checks: tuple[Check, ...]
    sample: Sample
    driver: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What runs get beside the service's own variables."""
    is_busy: bool = False
    """Whether a run had the devices, so that nothing was measured."""
    time: float = 0.0
    seconds: float = 0.0

    def check(self, name: str) -> Check | None:
        """A check by its name; None where it was not done."""
        return next((one for one in self.checks if one.name == name), None)

    def passed(self, name: str) -> bool:
        """Whether a check was done and passed."""
        one = self.check(name)
        return one is not None and one.outcome == PASSED

    def found(self, name: str, what: str, default: Any = None) -> Any:
        """What a check found."""
        one = self.check(name)
        return default if one is None else one.found.get(what, default)


class Prober:
    """Probes this machine, one probe at a time.

    Args:
        python: the engine's.
        device: `auto`, `cpu` or `cuda`: where runs compute.
        sampler: who looks at the accelerators.
        environment: what runs get beside the service's own variables.
        seconds: deadline of the engine's part.
    """

    def __init__(
        self,
        python: Path,
        device: str,
        sampler: Sampler,
        environment: Mapping[str, str],
        seconds: float = PROBE_SECONDS,
    ) -> None:
        self._python = python
        self._device = device
        self._sampler = sampler
        self._environment = environment
        self._seconds = seconds
        self._one = asyncio.Lock()

    async def probe(self, *, is_busy: bool) -> Probe:
        """What the machine can do; while a run has its devices, without using them."""
        async with self._one:
            began = time.monotonic()
            # Before the checks use the cards themselves.
            sample = await self._sampler.look() if not self._sampler.sample.tool else self._sampler.sample
            driver = await driver_version(Programs(self._sampler.deadline_seconds))
            command = [str(self._python), "-m", "services.trainer.engine.probe", "--device", self._device]
            lines = await self._lines_of([*command, "--facts"] if is_busy else command)
            return Probe(
                host=socket.gethostname(),
                python=str(self._python),
                checks=tuple(checks_of(lines)),
                sample=sample,
                driver=driver,
                environment=self._environment,
                is_busy=is_busy,
                time=time.time(),
                seconds=time.monotonic() - began,
            )

    async def _lines_of(self, command: Sequence[str]) -> list[str]:
        """Everything that the probe says until it ends, or until the deadline; then it is killed."""
        process = await start(command, STDOUT, self._environment)
        lines: list[str] = []
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await _read(process, lines)
        finally:
            signal_group(process, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), KILL_SECONDS)
        return lines


async def _read(process: Process, lines: list[str]) -> None:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    rest = b""
    while part := await process.stdout.read(2**16):
        *whole, rest = (rest + part).split(b"\n")
        lines += (line.decode("utf-8", "replace") for line in whole)
    lines.append(rest.decode("utf-8", "replace"))


def checks_of(lines: Iterable[str]) -> list[Check]:
    """The checks that the probe's lines tell of; one that has no end ended the probe."""
    checks: dict[str, Check] = {}
    said = ""
    for line in lines:
        told = _told(line)
        if told is None:
            said = line.strip() or said
            continue
        name, state, found = str(told.pop("check")), str(told.pop("state")), told
        message = str(found.pop("message", ""))
        checks[name] = Check(name, ENDED if state == "began" else state, message, found)
    if not checks:
        return [Check("start", ENDED, said or "the engine's Python said nothing")]
    return [
        Check(one.name, ENDED, said or "the probe died or hung in it") if one.outcome == ENDED else one
        for one in checks.values()
    ]


def _told(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and {"check", "state"} <= told.keys() else None


async def driver_version(programs: Programs) -> str:
    """The driver's version, as a tool says it; empty where none does."""
    for tool in await asyncio.to_thread(find_tools):
        with contextlib.suppress(ProgramError):
            text = await programs.output([tool.path, *DRIVER_WAYS[tool.name]])
            match = DRIVER.search(text)
            if match:
                return match[1]
            first = text.strip().splitlines()[0].strip()
            if re.fullmatch(r"\d[\w.+-]*", first):
                return first
    return ""
