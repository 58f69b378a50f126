"""Child processes: started so that they die with us, stopped step by step, found again when they did not."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from services.local.logs import LogPipe, RotatingLog
from services.runtime.errors import FailedPrecondition

LAUNCH = Path(__file__).with_name("launch.py")
MARK = "SISHU_STACK"
"""Environment variable that every process of a stack inherits; its value is the state directory."""
SWEEP_SECONDS = 6.0
"""Postgres kills children that ignore its immediate shutdown after 5 s."""

Steps = Sequence[tuple[signal.Signals, float]]
"""Signals to stop a process with, each with the seconds that it is given."""


@dataclass(frozen=True)
class Identity:
    """A user other than ours."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Command:
    """How a process is started.

    Args:
        argv: program and arguments.
        env: its whole environment.
        cwd: where it runs.
        identity: as whom, if not as us.
        death_signal: what the kernel sends it when we die.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    identity: Identity | None = None
    death_signal: signal.Signals = signal.SIGKILL


async def spawn(command: Command, python: str, log: RotatingLog) -> asyncio.subprocess.Process:
    """Start a process whose output goes to a log.

    The pipe is ours, not asyncio's: a grandchild that keeps it open must not hide the child's end.
    """
    read_end, write_end = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *launch_argv(command, python),
            env=dict(command.env),
            cwd=command.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    pipe = os.fdopen(read_end, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: LogPipe(log), pipe)
    return process


def launch_argv(command: Command, python: str) -> list[str]:
    """Command line that goes by way of `launch.py`."""
    identity = command.identity or Identity(-1, -1)
    settings = (os.getpid(), int(command.death_signal), identity.uid, identity.gid)
    return [python, "-I", "-S", str(LAUNCH), *map(str, settings), *command.argv]


async def stop(process: asyncio.subprocess.Process, steps: Steps) -> None:
    """Signal a process step by step until it ends; SIGKILL is the last step."""
    for number, seconds in steps:
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            return
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def sweep(home: Path, data: Path) -> list[int]:
    """End whatever an earlier stack of this state directory left behind; return the process ids.

    Postgres overwrites its environment, so its processes are known by name and working directory, `data`.

    Raises:
        FailedPrecondition: one does not end.
    """
    left = leftovers(home, data)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGQUIT if is_postgres(process, data) else signal.SIGKILL)
    for process in wait_gone(left, SWEEP_SECONDS):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    alive = wait_gone(left, SWEEP_SECONDS)
    if alive:
        raise FailedPrecondition(
            "LEFTOVERS_ALIVE",
            f"processes {[one.pid for one in alive]} of an earlier stack of {home} do not end: end them",
        )
    return [process.pid for process in left]


def wait_gone(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until processes have ended; return those that have not."""
    deadline = time.monotonic() + seconds
    while (alive := [one for one in processes if is_alive(one)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def leftovers(home: Path, data: Path) -> list[psutil.Process]:
    """Processes of this state directory's stack; the supervisor bears no mark."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and (is_marked(process, home) or is_postgres(process, data))
    ]


def is_marked(process: psutil.Process, home: Path) -> bool:
    """Whether a process bears the mark of a stack."""
    try:
        return process.environ().get(MARK) == str(home)
    except (psutil.Error, OSError):
        return False


def is_postgres(process: psutil.Process, data: Path) -> bool:
    """Whether a process is of the Postgres server of a data folder; a shell may stand in it as well."""
    try:
        return process.name() == "postgres" and process.cwd() == str(data)
    except (psutil.Error, OSError):
        return False


def detach(log: Path) -> bool:
    """Go on in a process of its own session without terminal; false in the process that should end."""
    if os.fork() > 0:
        return False
    os.setsid()
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    source = os.open(os.devnull, os.O_RDONLY)
    for number, standard in ((source, 0), (target, 1), (target, 2)):
        os.dup2(number, standard)
    os.close(source)
    os.close(target)
    return True
