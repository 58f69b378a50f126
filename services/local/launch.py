"""Start a program that dies with its parent, as another user if told so: set up, then exec.

python -I -S launch.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM [ARGUMENT...]

A program of its own, with few imports, because this must happen between fork and exec, and Python code
between them is unsafe in a process with threads. UID and GID are -1 to stay who we are.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522
CANNOT_EXEC = 126


def main(argv: list[str]) -> None:
    """Set up and become the program; does not return."""
    parent, death_signal, uid, gid = (int(text) for text in argv[:4])
    program = argv[4:]
    try:
        if uid >= 0:
            become(uid, gid)
        # After `become`: the kernel forgets the death signal when the user changes (prctl(2)).
        die_with_parent(parent, death_signal)
        os.umask(0o077)
        os.execvpe(program[0], program, os.environ)  # noqa: S606  # this is what the file is for
    except OSError as error:
        print(f"cannot start {program[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT_EXEC)


def die_with_parent(parent: int, death_signal: int) -> None:
    """Have the kernel signal us when the parent's thread that forked us ends; Linux only."""
    if sys.platform == "linux":
        call(ctypes.CDLL(None, use_errno=True).prctl, PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(CANNOT_EXEC)


def become(uid: int, gid: int) -> None:
    """Change from root to another user who may still walk and read root's folders.

    The state directory and the Python environment often lie below /root (mode 0700). So one capability is
    kept, by way of the ambient set (capabilities(7)): read everywhere; write nowhere where it can be had so.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    capability = CAP_DAC_READ_SEARCH if is_permitted(CAP_DAC_READ_SEARCH) else CAP_DAC_OVERRIDE
    keep = sys.platform == "linux" and is_permitted(capability)
    if keep:
        call(libc.prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if keep:
        mask = 1 << capability
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
        call(libc.capset, ctypes.byref(header), ctypes.byref(data))
        # A kernel without ambient capabilities leaves us what every user can reach; exec says if that
        # is too little.
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def is_permitted(capability: int) -> bool:
    """Whether we hold a capability."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return False
    held = next((line.split()[1] for line in status.splitlines() if line.startswith("CapPrm:")), "0")
    return bool(int(held, 16) >> capability & 1)


def call(function: ctypes._NamedFuncPointer, *arguments: object) -> None:
    """Call a C function that returns -1 and sets errno on failure."""
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(sys.argv[1:])
