from __future__ import annotations

import errno
from pathlib import Path

import pytest

from services.local import logs
from services.local.logs import RotatingLog, rotate_if_large, tail


def test_a_full_log_moves_aside_and_the_oldest_is_dropped(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "ingest.log", limit=10, files=3)
    for letter in b"abcde":
        log.write(bytes([letter]) * 8)
    log.close()
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {"ingest.log": b"e" * 8, "ingest.log.1": b"d" * 8, "ingest.log.2": b"c" * 8}


def test_a_new_life_appends(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = RotatingLog(tmp_path / "ingest.log")
        log.write(text)
        log.close()
    assert (tmp_path / "ingest.log").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "ingest.log").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_does_not_stop_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = RotatingLog(tmp_path / "ingest.log")
    with monkeypatch.context() as patch:
        patch.setattr(logs, "open_private", fail)
        log.write(b"lost\n")
    log.write(b"kept\n")
    log.close()
    assert (tmp_path / "ingest.log").read_bytes() == b"kept\n"


def test_the_last_lines_may_lie_in_the_file_before(tmp_path: Path) -> None:
    (tmp_path / "a.log.1").write_text("1\n2\n3\n")
    (tmp_path / "a.log").write_text("4\n5\n")
    assert tail(tmp_path / "a.log", 3) == ["3", "4", "5"]
    assert tail(tmp_path / "a.log", 1) == ["5"]
    assert tail(tmp_path / "a.log", 100) == ["1", "2", "3", "4", "5"]


def test_a_long_log_is_read_from_its_end_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "TAIL_BYTES", 8)
    (tmp_path / "a.log").write_text("first line\nsecond\nthird\n")
    assert tail(tmp_path / "a.log", 5) == ["third"]


def test_a_missing_log_has_no_lines_and_broken_text_is_shown(tmp_path: Path) -> None:
    assert tail(tmp_path / "a.log", 5) == []
    (tmp_path / "a.log").write_bytes(b"\xff ok\n")
    assert tail(tmp_path / "a.log", 5) == ["\ufffd ok"]


def test_a_large_log_moves_aside_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 3)
    path = tmp_path / "supervisor.log"
    rotate_if_large(path)
    path.write_text("four")
    rotate_if_large(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["supervisor.log.1"]
