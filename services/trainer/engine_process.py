"""The engine as a child process: started, stopped, and judged by how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from services.runtime.errors import FailedPrecondition, Internal, InvalidArgument, SishuError, Unavailable
from services.trainer.engine_events import EngineFailure

ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds the package `services`; the engine runs in it, so that any Python finds the package."""

LAUNCHER = Path(__file__).with_name("launcher.py")
LOG_NAME = "engine.log"
TAIL = 8192
KILL_SECONDS = 5.0

INPUT_AT_FAULT = 2
STOPPED = 4
FOLDER_IN_USE = 5
DISK_FULL = 6


@asynccontextmanager
async def engine(
    command: Sequence[str], work: Path, stop_seconds: float, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """Run a program in a process group of its own; on the way out it is stopped, and gone.

    Its output goes to `engine.log`. It dies with this process (see `launcher`).
    """
    process = await start(command, work, environment)
    try:
        yield process
    finally:
        await stop(process, stop_seconds)


async def start(command: Sequence[str], work: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Start a program through the launcher, with variables beside those of this process."""
    log = await asyncio.to_thread((work / LOG_NAME).open, "ab")
    with log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(LAUNCHER),
            str(os.getpid()),
            *command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


async def stop(process: Process, seconds: float) -> None:
    """Ask the process group to end; kill it when it has not ended after `seconds`."""
    if process.returncode is None:
        signal_group(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
    # Also after its leader has ended: a child that it left would hold the device.
    signal_group(process, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), KILL_SECONDS)


def signal_group(process: Process, number: signal.Signals) -> None:
    """Signal the whole process group, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def last_line(work: Path) -> str:
    """The last line that the engine said in its log; empty when it said nothing."""
    path = work / LOG_NAME
    if not path.exists():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL))
        lines = stream.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def error_of(code: int, failure: EngineFailure | None, said: str) -> SishuError:
    """The error for an engine that ended with a code other than 0.

    Args:
        code: exit code, or minus the number of the signal that ended it.
        failure: what its `failed` event says, if it wrote one.
        said: the last line of its log.
    """
    message = failure.message if failure else said.removeprefix("error: ") or f"exit code {code}"
    reason = failure.reason if failure and failure.reason != "INTERNAL" else "ENGINE_FAILED"
    if code < 0:
        return Unavailable(
            "ENGINE_KILLED",
            f"the engine was ended by signal {-code}; if that is 9, the machine may lack memory: lower "
            "batch_tokens or set gradient_checkpointing",
            signal=str(-code),
        )
    if reason == "PEER_LOST":
        return Unavailable(reason, message)
    if code == STOPPED:
        return Unavailable("ENGINE_STOPPED", "the engine was told to stop; it goes on from its checkpoint")
    if code == FOLDER_IN_USE:
        # The engine of a worker that was killed may need a moment to be gone.
        return Unavailable("OUTPUT_DIR_IN_USE", message)
    if code == DISK_FULL:
        # Of which there may be no event: that would have to be written too.
        return FailedPrecondition("DISK_FULL", message)
    if code == INPUT_AT_FAULT and reason != "RUN_CHANGED":
        return InvalidArgument(reason, message)
    if reason == "ENGINE_FAILED":
        return Internal(reason, f"the engine failed: {message}")
    return FailedPrecondition(reason, message)
