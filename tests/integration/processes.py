"""Processes that a test starts, watches and ends, and waits with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from services.local.processes import Command, Steps, launch_argv, stop

START_SECONDS = 300.0


class Process:
    """A program that runs in the background and dies with the tests; its output goes to a file."""

    def __init__(self, command: Command, log: Path, steps: Steps) -> None:
        self._command = command
        self._steps = steps
        self._process: asyncio.subprocess.Process | None = None
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    def output(self) -> str:
        """What it printed so far, in all its lives."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    async def start(self, check: Callable[[], Awaitable[None]]) -> None:
        """Start it and wait until `check` raises no more."""
        with self.log.open("ab") as stream:
            self._process = await asyncio.create_subprocess_exec(
                *launch_argv(self._command, sys.executable),
                env=dict(self._command.env),
                cwd=self._command.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        async with asyncio.timeout(START_SECONDS):
            while not await succeeds(check):
                if not self.running:
                    raise AssertionError(
                        f"it ended with {self._process.returncode}:\n{self.output()[-4000:]}"
                    )
                await asyncio.sleep(0.05)

    async def wait(self, seconds: float = 40.0) -> int:
        """Wait for its end; return its exit code, -N for signal N."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), seconds)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.send(signal.SIGKILL)
        await self.wait()

    async def stop(self) -> int:
        """End it in order; return its exit code."""
        assert self._process is not None
        await stop(self._process, self._steps)
        return await self.wait()


async def succeeds(check: Callable[[], Awaitable[None]]) -> bool:
    """Whether a check passes now."""
    try:
        await check()
    except Exception:  # whatever a check raises means: not yet
        return False
    return True


async def eventually(
    check: Callable[[], Awaitable[bool]], seconds: float = 90.0, pause: float = 0.05
) -> None:
    """Wait until a check says yes, asked again after each pause; fail when it does not within `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not await check():
                await asyncio.sleep(pause)
            return
    raise AssertionError(f"it did not come true within {seconds:g} s")
