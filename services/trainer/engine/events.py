"""The run's diary: one JSON object a line, appended and synced, readable while it grows.

A run that resumes from a checkpoint does some steps again, so a step number may occur twice:
the later line wins.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

FILE_NAME = "events.jsonl"
QUIET_SECONDS = 5.0
"""A "progress" event follows after this long without any other."""


class EventLog:
    """Appends events to a file; while open, a thread keeps it from falling silent."""

    def __init__(self, path: Path, run_id: str, quiet_seconds: float = QUIET_SECONDS) -> None:
        """Open `path` for appending; a line that a crash left torn is closed off first."""
        self._run_id = run_id
        self._quiet_seconds = quiet_seconds
        self._phase, self._phase_began = "starting", time.monotonic()
        self._worked = 0
        self._torn = False
        self._last = time.monotonic()
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            os.write(self._handle, b"\n")
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> EventLog:
        """Start the heartbeat."""
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the heartbeat and close the file."""
        self._closing.set()
        self._heart.join(timeout=5)
        os.close(self._handle)

    def emit(self, kind: str, **values: Any) -> None:
        """Append one event and wait until the disk has it."""
        event = {"type": kind, "time": round(time.time(), 3), "run_id": self._run_id, **values}
        line = json.dumps(event, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        with self._lock:
            self._append(line)
            os.fsync(self._handle)
            self._last = time.monotonic()

    def _append(self, line: bytes) -> None:
        """Write all of a line; what a full disk cuts off is closed off by the next."""
        rest = b"\n" + line if self._torn else line
        self._torn = False
        while rest:
            written = os.write(self._handle, rest)
            rest = rest[written:]
            self._torn = bool(rest)

    def enter_phase(self, phase: str) -> None:
        """Say what the run does now; the heartbeat repeats it while it lasts."""
        with self._lock:
            self._phase, self._phase_began = phase, time.monotonic()
            self._progress()

    def worked(self) -> None:
        """Count a piece of work, such as a forward pass; the heartbeat tells how many, so this costs nothing.

        A heart beats in a process that hangs too. This changes only while the thread that trains gets on.
        """
        self._worked += 1

    def _progress(self) -> None:
        seconds = round(time.monotonic() - self._phase_began, 1)
        self.emit("progress", phase=self._phase, seconds=seconds, worked=self._worked)

    def _beat(self) -> None:
        while not self._closing.wait(min(1.0, self._quiet_seconds)):
            # On a full disk the run itself learns of it, when it has something to say.
            with self._lock, contextlib.suppress(OSError):
                if time.monotonic() - self._last >= self._quiet_seconds:
                    self._progress()


class FailureLog(EventLog):
    """What a process writes that does not speak for the run: why it failed, and nothing else."""

    def __init__(self, path: Path, run_id: str) -> None:
        super().__init__(path, run_id, quiet_seconds=float("inf"))

    def emit(self, kind: str, **values: Any) -> None:
        """Append a failure."""
        if kind == "failed":
            super().emit(kind, **values)


def read_events(path: Path, offset: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the events from a byte offset on, each with the offset after it, from where to go on later.

    A last line without its end is left for the next time; a line that a crash tore is passed over.
    """
    if not path.exists():
        return
    with path.open("rb") as source:
        source.seek(offset)
        for line in source:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            event = _parse(line)
            if event is not None:
                yield event, offset


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "type" in event else None
