"""Log files of the components: what they print, cut into files of bounded size."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

LIMIT = 10 << 20
"""Most bytes in one file."""
FILES = 3
"""NAME.log, NAME.log.1 and NAME.log.2."""
TAIL_BYTES = 4 << 20
"""Most bytes that are read to find the last lines."""


class RotatingLog:
    """A log file that moves aside when it is full.

    A full disk loses log lines, never the program that writes them.
    """

    def __init__(self, path: Path, limit: int = LIMIT, files: int = FILES) -> None:
        self._path = path
        self._limit = limit
        self._files = files
        self._stream: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """Append; rotate first if the file would become too large."""
        with suppress(OSError):
            stream = self._stream or self._open()
            if stream.tell() and stream.tell() + len(data) > self._limit:
                self.close()
                rotate(self._path, self._files)
                stream = self._open()
            stream.write(data)

    def close(self) -> None:
        """Close the file."""
        if self._stream:
            self._stream.close()
            self._stream = None

    def _open(self) -> BinaryIO:
        self._stream = open_private(self._path)
        return self._stream


class LogPipe(asyncio.Protocol):
    """Copies what arrives on a pipe into a log."""

    def __init__(self, log: RotatingLog) -> None:
        self._log = log

    def data_received(self, data: bytes) -> None:
        """Append what a process printed."""
        self._log.write(data)


def open_private(path: Path) -> BinaryIO:
    """Open a file of mode 0600 for appending, unbuffered: a line is there as soon as it is printed."""
    path.touch(mode=0o600)
    return path.open("ab", buffering=0)


def rotate_if_large(path: Path) -> None:
    """Move a log aside that its writer cannot rotate, before the writer opens it."""
    if path.exists() and path.stat().st_size > LIMIT:
        rotate(path)


def rotate(path: Path, files: int = FILES) -> None:
    """Move NAME to NAME.1, NAME.1 to NAME.2 and so on; the oldest is dropped."""
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, files))]
    for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
        if newer.exists():
            newer.replace(older)


def tail(path: Path, lines: int) -> list[str]:
    """Last lines of a log, from the file before it too when the newest is short."""
    kept: deque[str] = deque(maxlen=lines)
    for part in (path.with_name(f"{path.name}.1"), path):
        kept.extend(tail_of_file(part))
    return list(kept)


def tail_of_file(path: Path) -> list[str]:
    """Lines in the last `TAIL_BYTES` of a file; none when it is missing."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - TAIL_BYTES))
            text = stream.read(TAIL_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[1 if size > TAIL_BYTES else 0 :]
