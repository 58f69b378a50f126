"""Disks with little room: a tmpfs, where this machine lets us mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A folder with so much room, such as `256k`; the test is skipped where it cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    if not is_done("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)):
        pytest.skip("this machine mounts no small disk")
    try:
        yield folder
    finally:
        assert is_done("umount", str(folder))


def enlarge(folder: Path, size: str) -> None:
    """Give a small disk more room."""
    assert is_done("mount", "-o", f"remount,size={size}", str(folder))


def is_done(*command: str) -> bool:
    """Run a command of the system; whether it went well."""
    return not subprocess.run(command, capture_output=True, check=False).returncode
