"""What the stack says of itself, without what it takes to start one: every command asks this first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.local import lock
from services.local.state import StackState, load
from services.runtime.errors import FailedPrecondition


def status(home: Path) -> StackState:
    """The stack as it is now; also when nothing runs, or never ran.

    Raises:
        FailedPrecondition: it runs, and its state cannot be read.
    """
    home = home.expanduser().resolve()
    with file_errors(home):
        held, found = lock.is_held(home), load(home)
        if not held:
            return (found or StackState(home)).stopped()
        current = running_state(home)
        if current:
            return current
        if found is None:
            raise FailedPrecondition(
                "STATE_UNREADABLE",
                f"{home / 'stack.json'} is damaged or not written yet; if this lasts, run `sishu down` and "
                "`sishu up`",
            )
        # The supervisor has only just begun; what is written is its predecessor's.
        return found.stopped()


def running_state(home: Path) -> StackState | None:
    """What the running supervisor wrote; none if none runs, or it has written nothing yet."""
    current = load(home)
    pid = lock.holder(home)
    return current if current and pid is not None and current.supervisor_pid == pid else None


@contextmanager
def file_errors(home: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise FailedPrecondition(
            "HOME_UNUSABLE",
            f"{error.filename or home}: {error.strerror}; the state directory {home} must be writable by you "
            "and have room, SISHU_HOME names another one",
        ) from error
