"""One component of the stack: started, checked, restarted with back-off, stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from services.local import processes
from services.local.health import CHECK_SECONDS, describe
from services.local.logs import RotatingLog
from services.local.processes import Command, Steps
from services.local.state import ComponentState, State
from services.runtime.errors import Internal, SishuError

STARTING_INTERVAL = 0.25
STEADY_INTERVAL = 5.0
"""Seconds between two checks, while a component comes up and once it is healthy."""
BACKOFF_FIRST, BACKOFF_LAST = 0.5, 30.0
"""Seconds before the first restart and, after doubling, before every later one at most."""
BACKOFF_RESET = 60.0
"""Seconds of health after which a death counts as the first again."""
ROOM_STOP: Steps = ((signal.SIGTERM, 30.0),)
"""Longer than a room's worker and server take to drain."""

CANNOT_SPAWN = 127
"""Exit code that stands for a process which the system would not make."""

log = structlog.get_logger()

Report = Callable[[str], None]
"""Tells people what is going on now."""


async def nothing(*_: Any) -> None:
    """Has nothing to prepare or settle."""


@dataclass(frozen=True)
class Program:
    """What the supervisor keeps running.

    Args:
        name: name of the component and of its log.
        command: how it is started; none for a server that runs elsewhere and is only watched.
        check: health check; raises while the component is not well.
        address: `host:port` where it is reached.
        metrics: address of its `/metrics`; empty where it has none.
        stop: signals that end it, each with the seconds it is given; SIGKILL follows.
        prepare: runs once before the first start; a SishuError ends the whole stack.
        settle: runs in every life after the first good check; the component is healthy when it has ended.
        clean: runs after every life.
    """

    name: str
    command: Command | None
    check: Callable[[], Awaitable[None]]
    address: str = ""
    metrics: str = ""
    stop: Steps = ROOM_STOP
    prepare: Callable[[Report], Awaitable[None]] = nothing
    settle: Callable[[], Awaitable[None]] = nothing
    clean: Callable[[], None] = lambda: None


class Backoff:
    """Seconds to wait before each restart: doubling, reset by a while of health."""

    def __init__(self) -> None:
        self._next = BACKOFF_FIRST

    def after(self, healthy_seconds: float) -> float:
        """The pause after a life that was healthy for so long."""
        if healthy_seconds >= BACKOFF_RESET:
            self._next = BACKOFF_FIRST
        pause, self._next = self._next, min(self._next * 2, BACKOFF_LAST)
        return pause


class Child:
    """A program and its state.

    Args:
        program: what to run.
        python: Python that starts it.
        logs: folder of the logs.
        changed: called after every change of `state`.
    """

    def __init__(self, program: Program, python: str, logs: Path, changed: Callable[[], None]) -> None:
        self.program = program
        self.state = ComponentState(
            program.name,
            address=program.address,
            metrics=program.metrics,
            external=program.command is None,
        )
        self.healthy = asyncio.Event()
        self._python = python
        self._log = RotatingLog(logs / f"{program.name}.log")
        self._changed = changed
        self._stopping = asyncio.Event()
        self._healthy_since: float | None = None

    async def run(self) -> None:
        """Keep the program running until `stop`.

        Raises:
            SishuError: it cannot be prepared.
        """
        try:
            if await self._prepare():
                await self._keep_running()
        except SishuError as error:
            self._set(state=State.FAILED, pid=None, detail=error.message)
            raise
        except Exception as error:
            self._set(state=State.FAILED, pid=None, detail=str(error))
            raise Internal("COMPONENT_FAILED", f"{self.program.name} cannot be started: {error}") from error
        else:
            self._set(state=State.STOPPED, pid=None, detail="")
        finally:
            self._log.close()

    def stop(self) -> None:
        """Have `run` stop the program and end."""
        self._stopping.set()

    async def _prepare(self) -> bool:
        """Prepare, unless stopped meanwhile."""
        preparing = asyncio.ensure_future(self.program.prepare(self._report))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not preparing.done():
            preparing.cancel()
            with suppress(asyncio.CancelledError):
                await preparing
            return False
        preparing.result()
        return not self._stopping.is_set()

    async def _keep_running(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            code = await self._live()
            if self._stopping.is_set():
                return
            pause = backoff.after(self._healthy_seconds())
            self._set(
                state=State.RESTARTING,
                pid=None,
                exit_code=code,
                restarts=self.state.restarts + 1,
                deaths=self.state.deaths + 1,
                detail=f"{ending(code)}; starts again in {pause:g} s",
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _live(self) -> int:
        """One life of the program, from start to exit code."""
        self._healthy_since = None
        if self.program.command is None:
            return await self._watch(None)
        try:
            process = await processes.spawn(self.program.command, self._python, self._log)
        except OSError as error:
            log.error("component_not_spawned", component=self.program.name, error=str(error))
            return CANNOT_SPAWN
        try:
            self._set(state=State.STARTING, pid=process.pid, detail="")
            return await self._watch(process)
        finally:
            await processes.stop(process, self.program.stop)
            self.program.clean()

    async def _watch(self, process: asyncio.subprocess.Process | None) -> int:
        """Check until the process ends or is to end; return its exit code, 0 if it runs still."""
        checking = asyncio.create_task(self._check_forever())
        waiting: set[asyncio.Task[Any]] = {checking, asyncio.create_task(self._stopping.wait())}
        waiting |= {asyncio.create_task(process.wait())} if process else set()
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if checking.done():
                checking.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return (process.returncode or 0) if process else 0

    async def _check_forever(self) -> None:
        settled = False
        while True:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self.program.check()
                    if not settled:
                        await self.program.settle()
                        settled = True
            except Exception as error:  # whatever a check raises means that the component is not well
                self._set(state=State.UNHEALTHY if settled else State.STARTING, detail=describe(error))
            else:
                self._set(state=State.HEALTHY, deaths=0, detail="")
            steady = self.state.state is State.HEALTHY
            await asyncio.sleep(STEADY_INTERVAL if steady else STARTING_INTERVAL)

    def _healthy_seconds(self) -> float:
        since = self._healthy_since
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    def _report(self, detail: str) -> None:
        self._set(detail=detail)

    def _set(self, **changes: Any) -> None:
        """Change the state; tell the supervisor and the log if it is another one now."""
        before, after = self.state, replace(self.state, **changes)
        if after == before:
            return
        if after.state is not before.state:
            after = replace(after, since=datetime.now(UTC))
            log.info(f"component_{after.state}", component=after.name, pid=after.pid, detail=after.detail)
        if after.state is State.HEALTHY and self._healthy_since is None:
            self._healthy_since = asyncio.get_running_loop().time()
            self.healthy.set()
        self.state = after
        self._changed()


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exited with code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
