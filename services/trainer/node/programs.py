"""Command line tools of drivers: each with a deadline, as a driver in trouble lets them hang."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence

from services.trainer.engine_process import LAUNCHER, ROOT, signal_group

MOST_BYTES = 4 * 2**20
"""What a tool may print; the largest of them prints some KiB a card."""
KILL_SECONDS = 1.0
"""How long a killed process may take to be gone; one that the kernel holds in a driver's call never is."""


class ProgramError(Exception):
    """A tool gave nothing.

    Args:
        reason: `missing`, `timeout`, `stuck`, `failed` or `unreadable`.
        message: what happened, for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Programs:
    """Runs one tool at a time; while one that was killed is not gone, none is started beside it.

    Args:
        seconds: deadline of each.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._left: Process | None = None

    async def output(self, command: Sequence[str]) -> str:
        """What the tool prints, whatever its exit code: some print all and end with 1.

        Raises:
            ProgramError: it printed nothing, or not in time; then it and its children are killed.
        """
        if self._left is not None and self._left.returncode is None:
            words = f"{command[0]}: process {self._left.pid} was killed and is not gone; look at the driver"
            raise ProgramError("stuck", words)
        process = await start(command, DEVNULL)
        try:
            async with asyncio.timeout(self.seconds):
                printed = await _all_of(process)
                code = await process.wait()
        except TimeoutError:
            raise ProgramError(
                "timeout", f"{command[0]} gave no answer within {self.seconds:g} s; it was killed"
            ) from None
        finally:
            await self._end(process)
        text = printed.decode("utf-8", "replace")
        if not text.strip():
            raise ProgramError("failed", f"{command[0]} ended with {code} and printed nothing")
        return text

    async def _end(self, process: Process) -> None:
        """Kill the tool and whatever it started."""
        signal_group(process, signal.SIGKILL)
        self._left = process
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), KILL_SECONDS)


async def start(command: Sequence[str], errors: int, environment: Mapping[str, str] | None = None) -> Process:
    """Start a program; it dies with this process and sees none of the room's secrets (see `launcher`).

    Args:
        command: the program and its arguments.
        errors: where its errors go, `DEVNULL` or `STDOUT`.
        environment: variables that it gets beside this process's.
    """
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(LAUNCHER),
        str(os.getpid()),
        *command,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=errors,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )


async def _all_of(process: Process) -> bytes:
    """Everything that a process prints, to the limit; what comes then is thrown away."""
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    parts: list[bytes] = []
    read = 0
    while part := await process.stdout.read(2**16):
        if read < MOST_BYTES:
            parts.append(part)
        read += len(part)
    return b"".join(parts)
