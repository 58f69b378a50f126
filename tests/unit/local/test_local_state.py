from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from services.local import state
from services.local.state import ComponentState, Failure, StackState, State, load, save, write_private
from services.runtime.errors import Unavailable


def full_state(home: Path) -> StackState:
    return StackState(
        home,
        supervisor_pid=42,
        components=(
            ComponentState("postgres", State.HEALTHY, "127.0.0.1:1", pid=43),
            ComponentState("ingest", State.RESTARTING, restarts=2, exit_code=-9, detail="was killed"),
        ),
        ports={"postgres": 1},
        environment={"SISHU_DATABASE_URL": "postgresql://sishu:hidden@127.0.0.1:1/sishu"},
        failure=Failure("Unavailable", "AWAY", "it is away"),
    )


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    save(full_state(tmp_path))
    found = load(tmp_path)
    assert found is not None
    assert found.components[0].since.tzinfo is not None
    assert replace(found, components=()) == replace(full_state(tmp_path), components=())
    assert [one.state for one in found.components] == [State.HEALTHY, State.RESTARTING]
    assert found.component("ingest").exit_code == -9


def test_the_file_is_private_and_nothing_else_is_left(tmp_path: Path) -> None:
    save(full_state(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]
    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"version": 1}',
        b'{"version": 0, "components": []}',
        b'{"version": 1, "failure": null, "supervisor_pid": null, "components": [{"name": "x"}]}',
    ],
)
def test_a_damaged_or_foreign_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "stack.json").write_bytes(content)
    assert load(tmp_path) is None


def test_a_file_of_another_format_counts_as_none(tmp_path: Path) -> None:
    save(full_state(tmp_path))
    document = json.loads((tmp_path / "stack.json").read_bytes())
    (tmp_path / "stack.json").write_text(json.dumps({**document, "version": state.VERSION + 1}))
    assert load(tmp_path) is None


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "secrets.json"
    write_private(target, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_private(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_stopped_stack_has_no_processes_and_keeps_what_failed(tmp_path: Path) -> None:
    failed = ComponentState("s3", State.FAILED, detail="no package")
    before = replace(full_state(tmp_path), components=(*full_state(tmp_path).components, failed))
    stopped = before.stopped()
    assert not stopped.running
    assert not stopped.healthy
    assert [one.state for one in stopped.components] == [State.STOPPED, State.STOPPED, State.FAILED]
    assert {one.pid for one in stopped.components} == {None}
    assert stopped.ports == before.ports


def test_secrets_are_not_in_the_text_of_a_state(tmp_path: Path) -> None:
    assert "hidden" not in repr(full_state(tmp_path))


def test_a_failure_becomes_the_error_that_it_was() -> None:
    error = Failure.of(Unavailable("AWAY", "it is away")).error()
    assert isinstance(error, Unavailable)
    assert (error.reason, error.message) == ("AWAY", "it is away")
