from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.local import supervisor as supervisor_module
from services.local.child import Program
from services.local.processes import Command
from services.local.state import StackState, State, load
from services.local.supervisor import Supervisor, stop_when_removed
from services.runtime.errors import FailedPrecondition, Internal

CODE = """
import signal, sys, time
def end(*_):
    print(sys.argv[1], "ends", file=open(sys.argv[2], "a"), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print(sys.argv[1], "starts", file=open(sys.argv[2], "a"), flush=True)
time.sleep(60)
"""


def a_program(home: Path, name: str, prepare: Callable[..., object] | None = None) -> Program:
    """Notes its start and end, and is healthy once it has noted its start."""
    notes = home / "notes"

    async def check() -> None:
        if f"{name} starts" not in notes.read_text():
            raise ConnectionRefusedError

    command = Command((sys.executable, "-S", "-c", CODE, name, str(notes)), {}, home)
    program = Program(name, command, check)
    return Program(name, command, check, prepare=prepare) if prepare else program  # type: ignore[arg-type]  # async


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "notes").touch()
    return tmp_path


def notes(home: Path) -> list[str]:
    return (home / "notes").read_text().splitlines()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # what a process does sets no event
            await asyncio.sleep(0.02)


async def test_servers_start_before_rooms_and_stop_after_them_in_reverse(home: Path) -> None:
    servers = [a_program(home, name) for name in ("postgres", "s3")]
    rooms = [a_program(home, name) for name in ("ingest", "dataset")]
    supervisor = Supervisor(home, servers, rooms, StackState(home))
    task = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.state.healthy)
    supervisor.stop()
    await asyncio.wait_for(task, 20)
    found = notes(home)
    assert {*found[:2]} == {"postgres starts", "s3 starts"}
    assert {*found[2:4]} == {"ingest starts", "dataset starts"}
    assert {*found[4:6]} == {"ingest ends", "dataset ends"}
    assert found[6:] == ["s3 ends", "postgres ends"]


async def test_the_state_file_follows(home: Path) -> None:
    supervisor = Supervisor(home, [a_program(home, "s3")], [], StackState(home, ports={"s3": 5}))
    task = asyncio.create_task(supervisor.run())
    await until(lambda: (found := load(home)) is not None and found.healthy)
    found = load(home)
    assert found is not None
    assert found.ports == {"s3": 5}
    assert found.component("s3").pid == supervisor.state.component("s3").pid
    supervisor.stop()
    await asyncio.wait_for(task, 20)
    stopped = load(home)
    assert stopped is not None
    assert stopped.component("s3").state is State.STOPPED


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FailedPrecondition("NOT_INSTALLED", "the package is missing"), FailedPrecondition),
        (KeyError("x"), Internal),
    ],
)
async def test_a_server_that_cannot_be_prepared_ends_the_stack(
    home: Path, error: Exception, expected: type[Exception]
) -> None:
    async def refuse(_: object) -> None:
        await asyncio.sleep(0.2)
        raise error

    servers = [a_program(home, "postgres", refuse), a_program(home, "s3")]
    supervisor = Supervisor(home, servers, [a_program(home, "ingest")], StackState(home))
    with pytest.raises(expected):
        await asyncio.wait_for(supervisor.run(), 20)
    assert not any("ingest" in note for note in notes(home))
    assert supervisor.state.component("postgres").state is State.FAILED
    assert supervisor.state.component("s3").state is State.STOPPED


async def test_a_stop_while_servers_start_starts_no_room(home: Path) -> None:
    async def never(_: object) -> None:
        await asyncio.sleep(3600)

    servers = [a_program(home, "postgres", never)]
    supervisor = Supervisor(home, servers, [a_program(home, "ingest")], StackState(home))
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.1)
    supervisor.stop()
    await asyncio.wait_for(task, 20)
    assert notes(home) == []


async def test_a_deleted_state_directory_stops_the_stack(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "REMOVED_SECONDS", 0.05)
    lock_file = home / "supervisor.lock"
    supervisor = Supervisor(home, [a_program(home, "s3")], [], StackState(home))
    task = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.state.healthy)
    with lock_file.open("w") as held:
        watching = asyncio.create_task(stop_when_removed(held.fileno(), supervisor))
        lock_file.unlink()
        await asyncio.wait_for(task, 20)
        await watching
