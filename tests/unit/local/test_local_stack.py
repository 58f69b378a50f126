from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from services.local import lock, stack
from services.local.stack import (
    Reporter,
    down,
    give_up_on_hopeless,
    log_path,
    prepare_home,
    tail_log,
    up,
)
from services.local.state import ComponentState, Failure, StackState, State, save
from services.local.status import status
from services.runtime.errors import FailedPrecondition, NotFound, Unavailable


def test_a_stack_that_never_ran_is_stopped_and_stays_away(tmp_path: Path) -> None:
    home = tmp_path / "never"
    assert not status(home).running
    assert not down(home).running
    assert not home.exists()


def test_a_dead_supervisor_leaves_a_stopped_stack(tmp_path: Path) -> None:
    save(StackState(tmp_path, os.getpid(), (ComponentState("ingest", State.HEALTHY, pid=os.getpid()),)))
    assert status(tmp_path).component("ingest").state is State.STOPPED
    assert status(tmp_path).supervisor_pid is None


def test_a_damaged_state_of_a_running_stack_is_a_clear_error(tmp_path: Path) -> None:
    held = lock.acquire(tmp_path)
    lock.write_holder(held)
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(FailedPrecondition, match="damaged"):
        status(tmp_path)
    os.close(held)
    assert status(tmp_path).components == ()


def test_the_state_of_a_predecessor_is_not_taken_for_that_of_a_new_supervisor(tmp_path: Path) -> None:
    save(StackState(tmp_path, 1, (ComponentState("ingest", State.HEALTHY, pid=1),)))
    held = lock.acquire(tmp_path)
    lock.write_holder(held)
    assert not status(tmp_path).healthy
    save(StackState(tmp_path, os.getpid(), (ComponentState("ingest", State.HEALTHY, pid=1),)))
    assert status(tmp_path).healthy
    os.close(held)


def test_the_home_is_private(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    assert prepare_home(home) == home.resolve()
    home.chmod(0o755)
    prepare_home(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_home_that_is_a_file_or_shared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailedPrecondition, match="is a file"):
        up(tmp_path / "file", environ={})
    shared = tmp_path / "shared"
    shared.mkdir()
    for mode, name in ((0o1777, ""), (0o755, "somebody's.txt")):
        if name:
            (shared / name).touch()
        shared.chmod(mode)
        with pytest.raises(FailedPrecondition, match="open to other users"):
            up(shared, environ={})
        assert stat.S_IMODE(shared.stat().st_mode) == mode
    shared.chmod(0o700)
    assert prepare_home(shared) == shared.resolve()


def test_what_the_file_system_refuses_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(stack, "prepare_home", refuse)
    with pytest.raises(
        FailedPrecondition, match=r"Permission denied; the state directory .* must be writable"
    ):
        up(tmp_path, environ={})


def test_logs_are_found_by_name(tmp_path: Path) -> None:
    save(StackState(tmp_path, components=(ComponentState("ingest"), ComponentState("dataset"))))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "ingest.log").write_text("one\ntwo\n")
    assert tail_log(tmp_path, "ingest", 1) == ["two"]
    assert tail_log(tmp_path, "dataset") == []
    assert log_path(tmp_path, "supervisor") == tmp_path / "logs" / "supervisor.log"


@pytest.mark.parametrize("name", ["oven", "../stack", ""])
def test_an_unknown_log_is_named_with_those_that_exist(tmp_path: Path, name: str) -> None:
    save(StackState(tmp_path, components=(ComponentState("ingest"),)))
    with pytest.raises(NotFound, match="there are: ingest, supervisor"):
        log_path(tmp_path, name)


def test_a_component_that_dies_again_and_again_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "ingest.log").write_text("no such column\n")
    detail = "exited with code 1; starts again in 2 s"
    dying = StackState(
        tmp_path, 1, (ComponentState("ingest", State.RESTARTING, deaths=3, exit_code=1, detail=detail),)
    )
    with pytest.raises(Unavailable, match="ingest died 3 times, last it exited with code 1: no such column"):
        give_up_on_hopeless(tmp_path, dying)
    revived = ComponentState("ingest", State.RESTARTING, restarts=9, deaths=1)
    give_up_on_hopeless(tmp_path, StackState(tmp_path, 1, (revived,)))


def test_progress_tells_changes_and_repeats_what_is_not_well_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    reporter = Reporter(lambda one: told.append(f"{one.name} {one.state}"))
    components = (ComponentState("s3", State.HEALTHY), ComponentState("ingest", State.STARTING))
    reporter.tell(StackState(tmp_path, 1, components))
    reporter.tell(StackState(tmp_path, 1, components))
    assert told == ["s3 healthy", "ingest starting"]
    monkeypatch.setattr(stack, "QUIET_SECONDS", -1.0)
    reporter.tell(StackState(tmp_path, 1, components))
    assert told == ["s3 healthy", "ingest starting", "ingest starting"]


def test_why_a_supervisor_gave_up_is_told_by_the_next_up_only_if_it_is_its_own(tmp_path: Path) -> None:
    save(StackState(tmp_path, failure=Failure("Unavailable", "DATABASE_UNREACHABLE", "it is away")))
    with pytest.raises(Unavailable, match="it is away"):
        stack.raise_failure(tmp_path)
    save(StackState(tmp_path))
    with pytest.raises(Unavailable, match="was stopped while it started"):
        stack.raise_failure(tmp_path)
