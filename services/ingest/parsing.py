"""Parse documents in child processes, which may crash, hang or swell without harm to the room."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from services.ingest.chunks import Piece
from services.ingest.config import IngestConfig
from services.ingest.documents import Document
from services.ingest.parse_program import ANSWER, CRASHED, TEXT, Task
from services.ingest.splitting import SplitOptions
from services.runtime.errors import FailedPrecondition, InvalidArgument

PROGRAM = "services.ingest.parse_program"
ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds the package `services`; the program runs in it, so that it finds the package."""
KILL_SECONDS = 5.0
GRACE_SECONDS = 5
"""By so much a parse outlives its deadline when the room is no more there to end it."""


@dataclass(frozen=True)
class Parsed:
    """What parsing makes of a document."""

    text: str
    page_count: int
    pieces: Sequence[Piece]


class Parser:
    """Child processes that parse, each one document at a time; they stay warm for the next.

    Args:
        config: the limits.
        environ: the children's environment; what they read is foreign, so it should hold no secrets.
    """

    def __init__(self, config: IngestConfig, environ: Mapping[str, str]) -> None:
        self._config = config
        self._environ = environ
        self._idle: list[Process] = []

    async def parse(self, document: Document, path: Path, options: SplitOptions) -> Parsed:
        """Read and cut a file; more files appear beside it.

        Raises:
            InvalidArgument: the file cannot be read, or reading it crashed.
            FailedPrecondition: reading it took too long.
        """
        task = Task(
            str(path),
            document.media_type,
            document.name,
            document.id,
            asdict(options),
            self._config.most_chars,
            self._config.parse_memory_mib << 20,
            int(self._config.parse_seconds) + GRACE_SECONDS,
        )
        try:
            async with self._process() as process, asyncio.timeout(self._config.parse_seconds):
                code = await end_of(process, task)
        except TimeoutError:
            raise timed_out(document.name, self._config.parse_seconds) from None
        if code != 0:
            raise crashed(document.name, code)
        return await asyncio.to_thread(answer_beside, path)

    async def close(self) -> None:
        """End the idle processes."""
        while self._idle:
            await kill(self._idle.pop())

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[Process]:
        """A process of our own; unless all goes well it is killed with the parse that it does."""
        process = self._warm() or await self._start()
        try:
            yield process
        except BaseException:
            await kill(process)
            raise
        self._idle.append(process)

    def _warm(self) -> Process | None:
        """An idle process that has not died meanwhile, if there is one."""
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        return None

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            PROGRAM,
            cwd=ROOT,
            env=self._environ,
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )


async def end_of(process: Process, task: Task) -> int:
    """Give a process a task; return how the parse ended: 0, an exit code, or minus the number of a signal."""
    assert process.stdin is not None  # noqa: S101  # both are pipes
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):
        process.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
        await process.stdin.drain()
    line = await process.stdout.readline()
    if line:
        return int(line)
    # It died, but the parse that it forked may go on.
    await kill(process)
    return process.returncode or CRASHED


async def kill(process: Process) -> None:
    """End a process and all that it forked, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), KILL_SECONDS)


def answer_beside(path: Path) -> Parsed:
    """What the program wrote beside a file.

    Raises:
        InvalidArgument: it could not read the file.
    """
    answer = json.loads((path.parent / ANSWER).read_bytes())
    if "error" in answer:
        error = answer["error"]
        raise InvalidArgument(error["reason"], error["message"], **error["metadata"])
    text = (path.parent / TEXT).read_bytes().decode()
    return Parsed(text, answer["page_count"], [Piece(**piece) for piece in answer["pieces"]])


def timed_out(name: str, seconds: float) -> FailedPrecondition:
    """The error for a document that takes too long."""
    return FailedPrecondition(
        "PARSE_TIMED_OUT",
        f"{name}: parsing took longer than {seconds:g} s; split the file, or raise "
        "SISHU_INGEST_PARSE_SECONDS",
        name=name,
        seconds=f"{seconds:g}",
    )


def crashed(name: str, code: int) -> InvalidArgument:
    """The error for a document that broke the process that parsed it."""
    end = f"signal {-code}" if code < 0 else f"exit code {code}"
    return InvalidArgument(
        "PARSE_CRASHED",
        f"{name}: the process that parsed it ended with {end}; the file is damaged, or the machine lacks "
        "memory",
        name=name,
        end=end,
    )
