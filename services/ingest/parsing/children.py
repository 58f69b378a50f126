"""Parse documents in child processes, which may crash, hang or swell without harm to the room."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import structlog

from services.ingest.config import IngestConfig
from services.ingest.documents import Document
from services.ingest.metrics import IngestMetrics
from services.ingest.parsing.exchange import ALIVE, ERROR, PARSE, Parsed, Task, answer_bytes, parsed_in
from services.ingest.parsing.hiding import without_user
from services.ingest.parsing.memory import Memory
from services.ingest.parsing.options import ParseOptions
from services.ingest.parsing.program import CRASHED
from services.ingest.readers.reading import timed_out
from services.ingest.tokens import allowed_tokenizer
from services.runtime.errors import FailedPrecondition, Internal, InvalidArgument, SishuError

log = structlog.get_logger()

PROGRAM = "services.ingest.parsing.program"
OUT_OF_MEMORY = "PARSE_OUT_OF_MEMORY"
ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds the package `services`; the program runs in it, so that it finds the package."""
KILL_SECONDS = 5.0
MOST_IDLE_BYTES = 160 << 20
"""A process that holds more between two documents is ended: it would have less for the next."""
WATCH_SECONDS = 1.0
"""So late at most a page is seen to be read; less than the grace that a child has."""
MOST_TIMES = 48
"""A parse that goes on from page to page may take so many times the limit."""
PASSED_ON = re.compile(
    r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|PYTHON\w*|VIRTUAL_ENV"
    r"|HF_HOME|HF_ENDPOINT|HF_HUB_(?!TOKEN)\w+|XDG_CACHE_HOME|OMP_NUM_THREADS"
    r"|(?:HTTPS?|ALL|NO)_PROXY|https?_proxy|all_proxy|no_proxy"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
)
"""Variables that children get: of paths, languages, the model hub, proxies and authorities."""
PROXY = re.compile(r"_PROXY$|_ENDPOINT$", re.IGNORECASE)
"""Variables whose values are addresses, which may name a user."""


class Children:
    """Child processes that do steps of parsing, each of one document at a time; they stay warm for the next.

    Args:
        config: the limits.
        environ: the children's environment; what they read is foreign, so it should hold no secrets.
        metrics: where to count.
    """

    def __init__(self, config: IngestConfig, environ: Mapping[str, str], metrics: IngestMetrics) -> None:
        self._config = config
        self._metrics = metrics
        self._environ = environ
        self.memory = Memory(config.parse_memory_mib << 20)
        self._idle: list[Process] = []

    @asynccontextmanager
    async def parsed(
        self, document: Document, folder: Path, options: ParseOptions, step: str = PARSE
    ) -> AsyncIterator[Parsed]:
        """Read, clean and cut the file `file` in a folder, or only cut; more files appear beside it.

        Where what was made is large nothing else is parsed as long as the caller has it.

        Raises:
            InvalidArgument: the file cannot be read, or reading it crashed.
            FailedPrecondition: reading it took too long.
            Internal: our own program failed at it.
        """
        await self.run(step, document, folder, options)
        async with self.memory.for_answer(answer_bytes(folder)):
            yield await asyncio.to_thread(parsed_in, folder)

    async def run(self, step: str, document: Document, folder: Path, options: ParseOptions) -> None:
        """Do one step of parsing in a child; what it makes appears in the folder.

        What fails in much of its share of memory may fail for want of it: it is done again by itself.

        Raises:
            InvalidArgument: the file cannot be read, or reading it crashed, or its tokenizer is not allowed.
            FailedPrecondition: reading it took too long.
            Internal: our own program failed at it.
        """
        task = self._task(step, document, folder, options)
        given = await asyncio.to_thread(os.listdir, folder)
        async with self.memory.share():
            end = await self._end(task)
        if end.may_want_memory(task) and self.memory.share_bytes < self.memory.all_bytes:
            await asyncio.to_thread(keep_only, folder, given)
            async with self.memory.everything():
                await self._end_idle()
                end = await self._end(replace(task, memory_bytes=self.memory.all_bytes))
        if end.code == -signal.SIGALRM:
            raise timed_out(document.name, self._config.parse_seconds)
        if end.code != 0:
            raise crashed(document.name, end.code)
        await asyncio.to_thread(check_answer, folder, document)

    def _task(self, step: str, document: Document, folder: Path, options: ParseOptions) -> Task:
        tokenizer = allowed_tokenizer(options.split.tokenizer, self._config.tokenizer_folder)
        return Task(
            step,
            str(folder),
            document.media_type,
            document.name,
            document.id,
            options.with_tokenizer(tokenizer).as_json(),
            self._config.most_chars,
            self.memory.share_bytes,
            self._config.parse_seconds,
        )

    async def _end(self, task: Task) -> End:
        """Have a process do a task; say how it ended."""
        seconds = self._config.parse_seconds
        try:
            with self._metrics.step_seconds.labels(task.step).time():
                async with (
                    self._process() as process,
                    asyncio.timeout(seconds) as limit,
                    extended(limit, Path(task.folder), seconds),
                ):
                    return await end_of(process, task)
        except TimeoutError:
            raise timed_out(task.name, seconds) from None

    async def close(self) -> None:
        """End the idle processes."""
        await self._end_idle()

    async def _end_idle(self) -> None:
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
        if process.returncode is None and resident(process.pid) < MOST_IDLE_BYTES:
            self._idle.append(process)
        else:
            # What it holds would be taken from the next document's share.
            await kill(process)

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
            # The threads of this library hold memory, and no reader computes with it.
            env={**self._environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )


def child_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of programs that read what is foreign: what they need, and no secrets."""
    return {
        name: without_user(value) if PROXY.search(name) else value
        for name, value in environ.items()
        if PASSED_ON.fullmatch(name)
    }


@asynccontextmanager
async def extended(limit: asyncio.Timeout, folder: Path, seconds: float) -> AsyncIterator[None]:
    """Let a time limit start anew while a parse of many pages says that it goes on; not without end."""
    loop = asyncio.get_running_loop()
    last = loop.time() + MOST_TIMES * seconds
    marker = folder / ALIVE
    # The step before may have left it: the steps of a document share the folder.
    marker.unlink(missing_ok=True)

    async def watch() -> None:
        seen = 0
        while not limit.expired():
            await asyncio.sleep(min(seconds / 8, WATCH_SECONDS))
            with contextlib.suppress(FileNotFoundError):
                touched = marker.stat().st_mtime_ns
                # Only whether it changed counts: the clock of files may be set, that of the loop may not.
                if touched != seen and not limit.expired():
                    seen = touched
                    limit.reschedule(min(last, loop.time() + seconds))

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


def resident(pid: int) -> int:
    """Bytes that a process holds in memory; 0 when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


@dataclass(frozen=True)
class End:
    """How a parse ended.

    Args:
        code: 0, an exit code, or minus the number of a signal.
        held_bytes: the most that its process held in memory; 0 where nobody knows.
        reason: of the error that it left.
    """

    code: int
    held_bytes: int = 0
    reason: str = ""

    def may_want_memory(self, task: Task) -> bool:
        """Whether more memory might have helped: libraries say in many ways that they got none."""
        if self.reason == OUT_OF_MEMORY:
            return True
        failed = self.code != 0 or self.reason != ""
        return failed and self.code != -signal.SIGALRM and self.held_bytes > task.memory_bytes // 2


async def end_of(process: Process, task: Task) -> End:
    """Give a process a task; return how the parse ended."""
    assert process.stdin is not None  # noqa: S101  # both are pipes
    assert process.stdout is not None  # noqa: S101
    # The second is uvloop's, for a pipe whose other end is gone.
    with contextlib.suppress(ConnectionError, RuntimeError):
        process.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
        await process.stdin.drain()
    line = await process.stdout.readline()
    if line:
        code, held = map(int, line.split())
        return End(code, held, await asyncio.to_thread(reason_in, Path(task.folder)))
    # It died, but the parse that it forked may go on.
    await kill(process)
    return End(process.returncode or CRASHED)


async def kill(process: Process) -> None:
    """End a process and all that it forked, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), KILL_SECONDS)


def reason_in(folder: Path) -> str:
    """Why a parse failed; empty when it did not."""
    path = folder / ERROR
    return str(json.loads(path.read_bytes())["reason"]) if path.exists() else ""


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Delete what else a folder holds."""
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def check_answer(folder: Path, document: Document) -> None:
    """Raise the error that the program wrote, if it did; what led to it goes to the log.

    Raises:
        SishuError: it could not do its task.
    """
    path = folder / ERROR
    if not path.exists():
        return
    error = json.loads(path.read_bytes())
    if error["cause"]:
        log.warning(
            "parse_failed",
            document_id=document.id,
            name=document.name,
            reason=error["reason"],
            cause=error["cause"],
        )
    kinds: dict[str, type[SishuError]] = {
        kind.code: kind for kind in (FailedPrecondition, Internal, InvalidArgument)
    }
    raise kinds[error["code"]](error["reason"], error["message"], **error["metadata"])


def crashed(name: str, code: int) -> InvalidArgument:
    """The error for a document that broke the process that parsed it."""
    end = f"signal {-code}" if code < 0 else f"exit code {code}"
    return InvalidArgument(
        "PARSE_CRASHED",
        f"{name}: the process that parsed it ended with {end}; the file is damaged, or the machine lacks "
        "memory: save it anew, or split it",
        name=name,
        end=end,
    )
