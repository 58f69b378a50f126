"""One supervisor a state directory: it holds a lock on a file, which the kernel frees at its death."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from services.runtime.errors import FailedPrecondition

ACQUIRE_SECONDS = 1.0
"""A `status` holds the lock for an instant to see whether it is free; a starting supervisor outwaits it."""


def acquire(home: Path) -> int:
    """Take the lock for the life of this process and its forks; return its file descriptor.

    Raises:
        FailedPrecondition: another supervisor holds it.
    """
    number = os.open(lock_file(home), os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + ACQUIRE_SECONDS
    while not try_lock(number, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(number)
            raise FailedPrecondition("STACK_RUNNING", f"a supervisor of {home} is running already")
        time.sleep(0.05)
    # Whom the file names is dead, and its process id may be another's by now.
    os.ftruncate(number, 0)
    return number


def write_holder(number: int) -> None:
    """Write this process's id into the lock file."""
    os.pwrite(number, f"{os.getpid()}\n".encode(), 0)


def is_held(home: Path) -> bool:
    """Whether a supervisor is running."""
    try:
        number = os.open(lock_file(home), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(number, fcntl.LOCK_SH)
    finally:
        os.close(number)


def holder(home: Path) -> int | None:
    """Process of the running supervisor; none when there is none, or it has only just begun."""
    if not is_held(home):
        return None
    with suppress(ValueError, OSError):
        pid = int(lock_file(home).read_text(encoding="ascii"))
        os.kill(pid, 0)
        return pid
    return None


def lock_file(home: Path) -> Path:
    """The file that is locked."""
    return home / "supervisor.lock"


def try_lock(number: int, kind: int) -> bool:
    """Lock an open file unless that would wait."""
    try:
        fcntl.flock(number, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
