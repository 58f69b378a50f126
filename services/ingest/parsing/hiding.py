"""Keep what the room knows from the processes that read foreign files."""

from __future__ import annotations

import ctypes
import re
import sys

import structlog

PR_SET_DUMPABLE = 4
USER = re.compile(r"^(\w[\w+.-]*://)?.*@", re.DOTALL)
"""Up to the host of an address: name and password, which may hold any character."""

log = structlog.get_logger()


def hide() -> None:
    """Shut the memory and the environment of this process to the other processes of its user, on Linux.

    Programs that it starts are not shut; root reads them all.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("process_not_hidden", errno=ctypes.get_errno())


def without_user(address: str) -> str:
    """An address without name and password."""
    return USER.sub(lambda found: found[1] or "", address)
