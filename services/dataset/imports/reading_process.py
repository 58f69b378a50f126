"""A process that reads a large file, so that one core reads while another stores.

It gets a task by its standard input, and writes blocks to its standard output (`reading_child.py`). Of the
environment it sees what does not belong to the service.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from typing import IO

from services.dataset.imports.blocks import Block, Outcome, Task
from services.runtime.errors import Aborted
from services.runtime.faults import BY_CODE

HEAD = struct.Struct("=QQQ")
"""Rows so far, and the sizes of those of both tables; of the end `END`, the size of it, and nothing."""
END = 2**64 - 1
PIPE_BYTES = 1 << 20
PRIVATE = "SISHU_"
CHILD = "services.dataset.imports.reading_child"


@dataclass(frozen=True)
class Ended:
    """How reading ended; what is wrong as its code, reason, message, field and metadata."""

    outcome: Outcome
    error: tuple[str, str, str, str, dict[str, str]] | None


class ReadingProcess:
    """Reads the rows of a file in a process of its own; otherwise as `Reading`."""

    def __init__(self, task: Task) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )
        self._task = task
        self._outcome = Outcome()

    def blocks(self) -> Generator[Block]:
        """The rows in blocks.

        Raises:
            SishuError: as `Reading.blocks`; or the process was lost.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin and stdout  # noqa: S101  # both are pipes
        with contextlib.suppress(OSError):
            fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        # It stays open: where it ends, so does the process, also when this one is killed.
        with contextlib.suppress(BrokenPipeError):
            pickle.dump(self._task, stdin)
            stdin.flush()
        while True:
            rows, first, second = HEAD.unpack(self._read(stdout, HEAD.size))
            if rows == END:
                break
            yield Block(self._read(stdout, first), self._read(stdout, second), rows)
        ended: Ended = pickle.loads(self._read(stdout, first))  # noqa: S301  # from our own process
        self._outcome = ended.outcome
        if ended.error:
            code, reason, message, field, metadata = ended.error
            raise BY_CODE[code](reason, message, field, **metadata)

    def outcome(self) -> Outcome:
        """What became of the rows that were read."""
        return self._outcome

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def _read(self, stream: IO[bytes], size: int) -> bytes:
        data = stream.read(size)
        if len(data) < size:
            code = self._process.wait()
            raise Aborted(
                "READER_LOST",
                f"{self._task.name}: the process that read the file ended ({code}); it may have been "
                "short of memory: see the worker's log, and try again",
            )
        return data
