"""Which code trained: the package's version, and the commit where it runs from a checkout."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds the package `services`."""

GIT_SECONDS = 5.0


def code_version() -> str:
    """`0.1.0+<commit>`, with `-dirty` when files were changed; `0.1.0` outside a checkout."""
    version = metadata.version("sishu")
    # Without this test git would name the commit of whatever repository lies around an installed package.
    if not (ROOT / ".git").exists():
        return version
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}+{done.stdout.strip()}"
