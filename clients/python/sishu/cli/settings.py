"""What was said before the command's name, and how a command is broken off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class Interrupted(Exception):
    """The person pressed Ctrl-C; the command line library would end with words of its own."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into our own way to end."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted from None


@dataclass
class Settings:
    """What was said before the command's name."""

    home: Path = Path(os.environ.get("SISHU_HOME") or Path.home() / ".sishu")
    json: bool = False
    debug: bool = False


SETTINGS = Settings()
"""Filled by the main callback, before any command runs."""
