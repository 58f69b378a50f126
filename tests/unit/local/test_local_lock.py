from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.local import lock
from services.runtime.errors import FailedPrecondition


def test_only_one_supervisor_holds_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "ACQUIRE_SECONDS", 0.1)
    held = lock.acquire(tmp_path)
    with pytest.raises(FailedPrecondition, match="is running already"):
        lock.acquire(tmp_path)
    os.close(held)
    os.close(lock.acquire(tmp_path))


def test_the_holder_is_known_while_it_lives(tmp_path: Path) -> None:
    assert not lock.is_held(tmp_path)
    assert lock.holder(tmp_path) is None
    held = lock.acquire(tmp_path)
    lock.write_holder(held)
    assert lock.is_held(tmp_path)
    assert lock.holder(tmp_path) == os.getpid()
    os.close(held)
    assert lock.holder(tmp_path) is None


def test_a_lock_whose_holder_has_not_written_itself_yet_has_no_known_holder(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
    dead.wait()
    lock.lock_file(tmp_path).write_text(f"{dead.pid}\n")
    held = lock.acquire(tmp_path)
    assert lock.is_held(tmp_path)
    assert lock.holder(tmp_path) is None
    lock.lock_file(tmp_path).write_text("")
    assert lock.holder(tmp_path) is None
    os.close(held)
