"""Become the engine: `python -I -S launcher.py PARENT_PID PROGRAM ARGUMENT…`.

Between fork and exec a process with threads may do next to nothing, so what the engine needs from the
kernel is asked for here, in a fresh process with few imports, which then turns into the engine.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>; survives exec (prctl(2))."""

KEPT = frozenset({"SISHU_STACK"})
"""The mark by which the single-machine stack finds what it started."""

CANNOT_EXEC = 126


def main(arguments: list[str]) -> None:
    """Tie this process to its parent's life, drop the room's secrets, and become the program."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    # A parent that died before the call above would never be noticed.
    if os.getppid() != int(parent):
        sys.exit(CANNOT_EXEC)
    environment = {
        name: value for name, value in os.environ.items() if name in KEPT or not name.startswith("SISHU_")
    }
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606  # our own arguments, no shell
    except OSError as error:
        sys.exit(f"error: cannot start {command[0]}: {error.strerror}; check SISHU_ENGINE_PYTHON")


if __name__ == "__main__":
    main(sys.argv[1:])
