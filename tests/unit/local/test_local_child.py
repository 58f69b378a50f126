from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from services.local import child as child_module
from services.local.child import Backoff, Child, Program, ending
from services.local.processes import Command
from services.local.state import State
from services.runtime.errors import FailedPrecondition

SLEEP = "import time; time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); {SLEEP}"
WAIT_SECONDS = 20.0


async def well() -> None:
    """Always well."""


async def unwell() -> None:
    raise ConnectionRefusedError


def a_program(folder: Path, code: str, **changes: object) -> Program:
    command = Command((sys.executable, "-S", "-c", code), {"MARK": "here"}, folder)
    return replace(Program("ingest", command, well, stop=((signal.SIGTERM, 5.0),)), **changes)  # type: ignore[arg-type]  # fields of Program


@asynccontextmanager
async def running(folder: Path, program: Program) -> AsyncIterator[Child]:
    child = Child(program, sys.executable, folder, lambda: None)
    task = asyncio.create_task(child.run())
    try:
        yield child
    finally:
        child.stop()
        await asyncio.wait_for(task, WAIT_SECONDS)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # what a process does sets no event
            await asyncio.sleep(0.02)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "BACKOFF_FIRST", 0.05)


def test_the_pause_doubles_up_to_a_limit_and_health_resets_it() -> None:
    backoff = Backoff()
    assert [backoff.after(0.0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(59.0) == 30
    assert backoff.after(60.0) == 0.5
    assert backoff.after(0.0) == 1


def test_the_end_of_a_process_is_said_in_words() -> None:
    assert ending(3) == "exited with code 3"
    assert ending(-9) == "was killed by SIGKILL"


async def test_a_program_runs_is_healthy_and_stops(tmp_path: Path) -> None:
    async with running(tmp_path, a_program(tmp_path, SLEEP)) as child:
        await until(lambda: child.state.state is State.HEALTHY)
        pid = child.state.pid
        assert pid is not None
        assert psutil.pid_exists(pid)
    assert child.state.state is State.STOPPED
    assert child.state.pid is None
    assert not psutil.pid_exists(pid)


@pytest.mark.usefixtures("quick")
async def test_a_killed_program_starts_again_and_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path, a_program(tmp_path, SLEEP)) as child:
        await until(lambda: child.state.state is State.HEALTHY)
        first = child.state.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.state.restarts == 1 and child.state.state is State.HEALTHY)
        assert child.state.pid != first
        assert child.state.deaths == 0
        assert child.state.exit_code == -9


async def test_a_program_that_dies_waits_for_its_next_start_and_says_why(tmp_path: Path) -> None:
    async with running(
        tmp_path, a_program(tmp_path, "import sys; sys.exit('bad key')", check=unwell)
    ) as child:
        await until(lambda: child.state.state is State.RESTARTING)
        assert child.state.exit_code == 1
        assert child.state.detail == "exited with code 1; starts again in 0.5 s"
        assert child.state.pid is None
        assert (tmp_path / "ingest.log").read_text() == "bad key\n"


async def test_a_program_that_cannot_be_started_says_so_in_its_log(tmp_path: Path) -> None:
    program = replace(a_program(tmp_path, ""), command=Command(("/nonexistent/room",), {}, tmp_path))
    async with running(tmp_path, program) as child:
        await until(lambda: child.state.state is State.RESTARTING)
    assert "cannot start /nonexistent/room: No such file" in (tmp_path / "ingest.log").read_text()


async def test_a_program_that_is_not_ready_is_starting_and_says_why(tmp_path: Path) -> None:
    async with running(tmp_path, a_program(tmp_path, SLEEP, check=unwell)) as child:
        await until(lambda: child.state.detail != "")
        assert child.state.state is State.STARTING
        assert child.state.detail == "nobody listens on its port yet"


async def test_a_program_that_was_healthy_and_answers_no_more_is_unhealthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "STEADY_INTERVAL", 0.05)
    checks: list[int] = []

    async def well_once() -> None:
        checks.append(1)
        if len(checks) > 1:
            raise ConnectionRefusedError

    async with running(tmp_path, a_program(tmp_path, SLEEP, check=well_once)) as child:
        await until(lambda: child.state.state is State.UNHEALTHY)
        assert child.state.restarts == 0


async def test_a_program_is_healthy_only_after_it_has_settled(tmp_path: Path) -> None:
    settled: list[int] = []

    async def settle() -> None:
        settled.append(1)
        if len(settled) < 3:
            raise TimeoutError

    async with running(tmp_path, a_program(tmp_path, SLEEP, settle=settle)) as child:
        await child.healthy.wait()
        assert len(settled) == 3


async def test_a_program_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    program = a_program(tmp_path, STUBBORN, stop=((signal.SIGTERM, 0.3),))
    log = tmp_path / "ingest.log"
    async with running(tmp_path, program) as child:
        await until(lambda: log.exists() and log.read_text() == "up\n")
        pid = child.state.pid
    assert pid is not None
    assert not psutil.pid_exists(pid)


async def test_a_program_that_cannot_be_prepared_is_failed(tmp_path: Path) -> None:
    async def refuse(_: Callable[[str], None]) -> None:
        raise FailedPrecondition("NOT_INSTALLED", "the package is missing")

    child = Child(a_program(tmp_path, SLEEP, prepare=refuse), sys.executable, tmp_path, lambda: None)
    with pytest.raises(FailedPrecondition):
        await child.run()
    assert (child.state.state, child.state.detail) == (State.FAILED, "the package is missing")


async def test_a_preparation_can_be_stopped(tmp_path: Path) -> None:
    async def endless(report: Callable[[str], None]) -> None:
        report("creating the database")
        await asyncio.sleep(3600)

    async with running(tmp_path, a_program(tmp_path, SLEEP, prepare=endless)) as child:
        await until(lambda: child.state.detail == "creating the database")
    assert child.state.state is State.STOPPED


async def test_a_server_elsewhere_is_only_watched(tmp_path: Path) -> None:
    async with running(tmp_path, a_program(tmp_path, "", command=None)) as child:
        await child.healthy.wait()
        assert child.state.external
        assert child.state.pid is None
    assert child.state.state is State.STOPPED
