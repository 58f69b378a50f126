"""The stack from outside: `up`, `status`, `down` and the logs. Every call is safe at any time."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from services.local import lock, logs
from services.local.config import read_launch
from services.local.postgres import data_folder
from services.local.processes import MARK, sweep
from services.local.state import ComponentState, StackState, State, load
from services.local.status import file_errors, running_state, status
from services.runtime.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    NotFound,
    Unavailable,
)

POLL_SECONDS = 0.25
QUIET_SECONDS = 5.0
"""A component that is not well is reported again after this long."""
SPAWN_SECONDS = 30.0
"""Longest time for a supervisor to take over; it then starts the components by itself."""
KILL_SECONDS = 5.0
HOPELESS = 3
"""Deaths in a row without health after which `up` stops waiting."""

Progress = Callable[[ComponentState], None]
"""Called at every change of a component, and every few seconds for one that is not well yet."""


def up(
    home: Path,
    *,
    environ: Mapping[str, str],
    rooms: Mapping[str, Sequence[str]] | None = None,
    deadline: float = 120.0,
    progress: Progress | None = None,
) -> StackState:
    """Start the stack unless it runs, and wait until every component is healthy.

    Args:
        home: state directory; made when missing, mode 0700.
        environ: environment to configure it from, which the rooms inherit.
        rooms: command line by room; `python -m services.ROOM` for the five rooms when left out.
        deadline: seconds to wait for health. The stack goes on starting after it.
        progress: told about every component.

    Raises:
        InvalidArgument: a variable is wrong.
        FailedPrecondition: the state directory, a package, a port or a secret is not as it must be.
        Unavailable: a given server cannot be reached, or a component dies again and again.
        DeadlineExceeded: a component is not healthy in time.
    """
    with file_errors(home):
        home = prepare_home(home)
        launch = read_launch(home, environ, rooms)
        if not lock.is_held(home):
            spawn_supervisor(home, launch.environ, launch.rooms if rooms else None)
        return wait_until_healthy(home, deadline, Reporter(progress))


def down(home: Path, timeout: float = 60.0, progress: Progress | None = None) -> StackState:
    """Stop the stack and whatever is left of it; nothing happens when it is down.

    Args:
        home: state directory.
        timeout: seconds for an orderly end; SIGKILL follows.
        progress: told about every component.

    Raises:
        FailedPrecondition: it belongs to another user.
    """
    home = home.expanduser().resolve()
    with file_errors(home):
        if not lock.lock_file(home).exists():
            return StackState(home)
        reporter = Reporter(progress)
        if not end_supervisor(home, signal.SIGTERM, timeout, reporter):
            end_supervisor(home, signal.SIGKILL, KILL_SECONDS, reporter)
        sweep_alone(home)
        return status(home)


def log_path(home: Path, name: str) -> Path:
    """Log file of a component or of the `supervisor`.

    Raises:
        NotFound: there is none of that name.
    """
    home = home.expanduser().resolve()
    folder = home / "logs"
    found = load(home)
    names = {"supervisor", *(path.stem for path in folder.glob("*.log"))}
    names |= {one.name for one in found.components} if found else set()
    if name not in names:
        raise NotFound(
            "LOG_NOT_FOUND", f"there is no log {name!r} in {folder}; there are: {', '.join(sorted(names))}"
        )
    return folder / f"{name}.log"


def tail_log(home: Path, name: str, lines: int = 100) -> list[str]:
    """Last lines that a component printed; none when it printed nothing yet.

    Raises:
        NotFound: there is no log of that name.
    """
    return logs.tail(log_path(home, name), lines)


def prepare_home(home: Path) -> Path:
    """Make the state directory, private to its owner; return its full path.

    Raises:
        FailedPrecondition: the path is a file, or a folder that others use as well.
    """
    home = home.expanduser().resolve()
    if home.exists() and not home.is_dir():
        raise FailedPrecondition("HOME_UNUSABLE", f"{home} is a file; choose a folder with SISHU_HOME")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(home.stat().st_mode) & 0o077:
        close_to_others(home)
    (home / "logs").mkdir(mode=0o700, exist_ok=True)
    return home


def close_to_others(home: Path) -> None:
    """Make a state directory private.

    Raises:
        FailedPrecondition: it was something else before, and may be other people's too.
    """
    ours = lock.lock_file(home).exists() or {path.name for path in home.iterdir()} <= {"logs"}
    if not ours or home.stat().st_mode & stat.S_ISVTX:
        raise FailedPrecondition(
            "HOME_UNUSABLE",
            f"{home} is open to other users and holds other files; choose a new folder with SISHU_HOME, or "
            f"`chmod 700` it if it is for Sishu alone",
        )
    home.chmod(0o700)


def spawn_supervisor(
    home: Path, environ: Mapping[str, str], rooms: Mapping[str, Sequence[str]] | None
) -> None:
    """Start a detached supervisor; another that takes over at the same moment is as good.

    Raises:
        SishuError: it did not take over.
    """
    argv = [sys.executable, "-P", "-m", "services.local", "--home", str(home), "--detach"]
    if rooms:
        argv += ["--rooms", json.dumps({name: list(command) for name, command in rooms.items()})]
    env = {name: value for name, value in environ.items() if name != MARK}
    try:
        done = subprocess.run(argv, env=env, capture_output=True, timeout=SPAWN_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeadlineExceeded(
            "SUPERVISOR_SILENT", f"the supervisor did not start within {SPAWN_SECONDS:g} s"
        ) from error
    if done.returncode != 0 and not lock.is_held(home):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Internal(
            "SUPERVISOR_FAILED", f"the supervisor did not start: {said[-1] if said else 'no reason'}"
        )


def wait_until_healthy(home: Path, seconds: float, reporter: Reporter) -> StackState:
    """Wait until the running stack is healthy.

    Raises:
        Unavailable: it stopped, or a component dies again and again.
        DeadlineExceeded: it takes too long.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        current = running_state(home)
        if current:
            reporter.tell(current)
            if current.healthy:
                return current
            give_up_on_hopeless(home, current)
        elif not lock.is_held(home):
            raise_failure(home)
        time.sleep(POLL_SECONDS)
    components = (running_state(home) or StackState(home)).components
    late = [one for one in components if one.state is not State.HEALTHY]
    names = ", ".join(f"{one.name} ({one.detail or one.state})" for one in late) or "the supervisor"
    raise DeadlineExceeded(
        "STACK_NOT_HEALTHY",
        f"not healthy after {seconds:g} s: {names}; see `sishu logs NAME`, `sishu down` stops the rest",
    )


def give_up_on_hopeless(home: Path, current: StackState) -> None:
    """Raise if a component dies again and again without ever being healthy."""
    for one in current.components:
        if one.state is State.RESTARTING and one.deaths >= HOPELESS:
            said = "".join(tail_log(home, one.name, 1)) or "it said nothing"
            raise Unavailable(
                "COMPONENT_DIES",
                f"{one.name} died {one.deaths} times, last it {one.detail.partition(';')[0]}: {said}; "
                f"see `sishu logs {one.name}`, `sishu down` stops the rest",
                component=one.name,
            )


def raise_failure(home: Path) -> None:
    """Raise why the supervisor ended."""
    last = load(home)
    if last and last.failure:
        raise last.failure.error()
    raise Unavailable("STACK_STOPPED", "the stack was stopped while it started; see `sishu logs supervisor`")


def end_supervisor(home: Path, number: signal.Signals, seconds: float, reporter: Reporter) -> bool:
    """Signal the supervisor and wait for its end; whether none runs now."""
    deadline = time.monotonic() + seconds
    signalled: int | None = None
    while lock.is_held(home):
        pid = lock.holder(home)
        if pid is not None and pid != signalled:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            signalled = pid
        if time.monotonic() > deadline:
            return False
        current = running_state(home)
        if current:
            reporter.tell(current)
        time.sleep(POLL_SECONDS)
    return True


def sweep_alone(home: Path) -> None:
    """End leftovers under the lock: the processes of a stack that comes up meanwhile are none."""
    with suppress(FailedPrecondition):
        held = lock.acquire(home)
        try:
            sweep(home, data_folder(home))
        finally:
            os.close(held)


class Reporter:
    """Tells about components: at every change, and now and then about those that are not well yet."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._told: dict[str, tuple[State, str]] = {}
        self._time: dict[str, float] = {}

    def tell(self, current: StackState) -> None:
        """Tell what is new in a state."""
        if self._progress is None:
            return
        for one in current.components:
            known = (one.state, one.detail)
            silent = time.monotonic() - self._time.get(one.name, 0.0)
            changed = self._told.get(one.name) != known
            if changed or (one.state is not State.HEALTHY and silent > QUIET_SECONDS):
                self._told[one.name], self._time[one.name] = known, time.monotonic()
                self._progress(one)
