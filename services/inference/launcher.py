"""Become an engine that the kernel kills when the process that started it ends, however it ends.

`python -I -S launcher.py PARENT_PID PROGRAM ARGUMENT…`. A program of its own, because between fork and exec a
process with threads may do next to nothing; it imports little, so that it costs little.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>; survives exec (prctl(2))."""

KEPT = frozenset({"SISHU_STACK"})
"""The mark by which the single-machine stack finds what it started. An engine needs none of our keys."""


def main(arguments: list[str]) -> None:
    """Tie this process to its parent's life, then run the program in its place."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    # The parent may have ended before the kernel knew of our wish.
    if os.getppid() != int(parent):
        sys.exit(1)
    environment = {
        name: value for name, value in os.environ.items() if name in KEPT or not name.startswith("SISHU_")
    }
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606  # our own arguments, no shell
    except OSError as error:
        sys.exit(f"ENGINE_NOT_FOUND: cannot start {command[0]}: {error.strerror}; check SISHU_ENGINE_PYTHON")


if __name__ == "__main__":
    main(sys.argv[1:])
