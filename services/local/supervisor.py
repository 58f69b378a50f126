"""The supervisor: starts the servers, then the rooms, keeps them running, stops them in reverse order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from services.local import state
from services.local.child import Child, Program
from services.local.config import Launch
from services.local.postgres import data_folder
from services.local.processes import sweep
from services.local.programs import Plan, check_given, make_plan
from services.local.state import ComponentState, Failure, StackState
from services.runtime.errors import Internal, SishuError

SAVE_SECONDS = 0.1
"""Changes within this time are written together."""

REMOVED_SECONDS = 5.0

log = structlog.get_logger()


class Supervisor:
    """Runs a plan.

    Args:
        home: state directory.
        servers: what starts first, all at once.
        rooms: what starts when the servers are healthy, all at once.
        before: the state to build on.
    """

    def __init__(
        self, home: Path, servers: Sequence[Program], rooms: Sequence[Program], before: StackState
    ) -> None:
        self._before = before
        self._saving: asyncio.TimerHandle | None = None
        self._servers = [self._child(home, program) for program in servers]
        self._rooms = [self._child(home, program) for program in rooms]
        self._tasks: dict[Child, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def state(self) -> StackState:
        """The stack now."""
        components = tuple(child.state for child in [*self._servers, *self._rooms])
        return replace(self._before, supervisor_pid=os.getpid(), components=components)

    def stop(self) -> None:
        """Have `run` stop everything and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop`.

        Raises:
            SishuError: a component cannot be prepared; everything is stopped by then.
        """
        try:
            self._start(self._servers)
            if await self._until(all_healthy(self._servers)):
                self._start(self._rooms)
                await self._until(self._stopping.wait())
        finally:
            await self._stop_all()
            self._save()

    def _child(self, home: Path, program: Program) -> Child:
        return Child(program, sys.executable, home / "logs", self._changed)

    def _start(self, children: Sequence[Child]) -> None:
        for child in children:
            task = asyncio.create_task(child.run(), name=child.program.name)
            task.add_done_callback(self._ended)
            self._tasks[child] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A component that ends by an error ends the stack."""
        error = None if task.cancelled() else task.exception()
        if error and not self._broken.done() and not self._stopping.is_set():
            self._broken.set_exception(error)

    async def _until(self, waited: Coroutine[Any, Any, Any]) -> bool:
        """Wait; false if the stack is to stop first. Raises what broke it."""
        waiting = asyncio.create_task(waited)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            first: set[asyncio.Future[Any]] = {waiting, stopping, self._broken}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if self._broken.done():
                self._broken.result()
            return waiting.done() and not stopping.done()
        finally:
            waiting.cancel()
            stopping.cancel()

    async def _stop_all(self) -> None:
        await self._stop_together(self._rooms)
        for server in reversed(self._servers):
            await self._stop_together([server])

    async def _stop_together(self, children: Sequence[Child]) -> None:
        for child in children:
            child.stop()
        started = [self._tasks[child] for child in children if child in self._tasks]
        await asyncio.gather(*started, return_exceptions=True)

    def _changed(self) -> None:
        if self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(SAVE_SECONDS, self._save)

    def _save(self) -> None:
        if self._saving:
            self._saving.cancel()
            self._saving = None
        save_or_log(self.state)


async def all_healthy(children: Sequence[Child]) -> None:
    """Wait until every child has been healthy once."""
    for child in children:
        await child.healthy.wait()


async def supervise(launch: Launch, held: int) -> int:
    """Run the stack until SIGTERM or SIGINT; return the exit code. A failure is left in `stack.json`.

    Args:
        launch: what to run.
        held: the open lock file of the state directory.
    """
    code = 0
    try:
        last = await run_stack(launch, held)
    except SishuError as error:
        log.error("stack_failed", reason=error.reason, error=error.message)
        last = replace(state.load(launch.home) or StackState(launch.home), failure=Failure.of(error))
        code = 1
    await asyncio.to_thread(sweep, launch.home, data_folder(launch.home))
    save_or_log(last.stopped())
    log.info("stack_stopped")
    return code


async def run_stack(launch: Launch, held: int) -> StackState:
    """Prepare and run the stack; return its last state.

    Raises:
        SishuError: it cannot be started.
    """
    try:
        before = begin(launch)
        left = await asyncio.to_thread(sweep, launch.home, data_folder(launch.home))
        if left:
            log.warning("leftovers_ended", pids=left)
        await check_given(launch)
        return await run_plan(launch, make_plan(launch, before), held)
    except OSError as error:
        where = error.filename or launch.home
        raise Internal("STACK_FAILED", f"{where}: {error.strerror or error}") from error


def begin(launch: Launch) -> StackState:
    """Write a first state, which keeps nothing of the last stack but its ports."""
    before = state.load(launch.home)
    components = tuple(ComponentState(name) for name in ("postgres", "s3", *launch.rooms))
    begun = StackState(launch.home, os.getpid(), components, before.ports if before else {})
    state.save(begun)
    return begun


async def run_plan(launch: Launch, plan: Plan, held: int) -> StackState:
    """Run a plan until a signal; return its last state."""
    begun = StackState(launch.home, ports=plan.ports, environment=plan.environment)
    supervisor = Supervisor(launch.home, plan.servers, plan.rooms, begun)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    removal = asyncio.create_task(stop_when_removed(held, supervisor))
    state.save(supervisor.state)
    plan.release_ports()
    log.info("stack_starting", home=str(launch.home))
    try:
        await supervisor.run()
    finally:
        removal.cancel()
    return supervisor.state


async def stop_when_removed(held: int, supervisor: Supervisor) -> None:
    """Stop the stack when its state directory is deleted: nobody could find it again."""
    while os.fstat(held).st_nlink:  # noqa: ASYNC110  # a deletion sets no event
        await asyncio.sleep(REMOVED_SECONDS)
    log.warning("state_directory_removed")
    supervisor.stop()


def save_or_log(latest: StackState) -> None:
    """Save the state. A full disk must not stop what runs; `status` is out of date until there is room."""
    try:
        state.save(latest)
    except OSError as error:
        log.error("state_not_saved", error=str(error))
