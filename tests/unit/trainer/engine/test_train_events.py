from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from services.trainer.engine.events import EventLog, read_events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_events_are_read_back_with_type_time_and_run(path: Path) -> None:
    before = time.time()
    with EventLog(path, "run-1") as events:
        events.emit("step", step=1, loss=2.5)
    ((event, offset),) = read_events(path)
    assert (event["type"], event["run_id"], event["step"], event["loss"]) == ("step", "run-1", 1, 2.5)
    assert before - 1 <= event["time"] <= time.time() + 1
    assert offset == path.stat().st_size


def test_a_reader_goes_on_where_it_was_and_waits_for_the_rest_of_a_line(path: Path) -> None:
    path.write_bytes(b'{"type": "a"}\n{"type": "b"')
    ((event, offset),) = read_events(path)
    assert event["type"] == "a"
    with path.open("ab") as sink:
        sink.write(b"}\n")
    ((event, offset),) = read_events(path, offset)
    assert event["type"] == "b"
    assert list(read_events(path, offset)) == []


def test_a_line_that_is_no_event_is_passed_over(path: Path) -> None:
    path.write_bytes(b'{"type": "a"}\n{"type": "st\n7\n\xff\n{"type": "b"}\n')
    found = list(read_events(path))
    assert [event["type"] for event, _ in found] == ["a", "b"]
    assert found[-1][1] == path.stat().st_size


def test_a_line_torn_by_a_crash_costs_only_itself(path: Path) -> None:
    path.write_bytes(b'{"type": "a"}\n{"type": "st')
    with EventLog(path, "run-1") as events:
        events.emit("b")
    assert [event["type"] for event, _ in read_events(path)] == ["a", "b"]


def test_no_file_means_no_events(path: Path) -> None:
    assert list(read_events(path)) == []


def test_a_number_that_json_lacks_is_refused_and_leaves_no_half_line(path: Path) -> None:
    with EventLog(path, "run-1") as events, pytest.raises(ValueError, match="not JSON compliant"):
        events.emit("step", loss=float("nan"))
    assert path.read_bytes() == b""


def test_a_quiet_phase_is_not_silent(path: Path) -> None:
    with EventLog(path, "run-1", quiet_seconds=0.05) as events:
        events.enter_phase("loading")
        deadline = time.monotonic() + 10
        while len(list(read_events(path))) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    beats = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(beats) >= 3
    assert {(beat["type"], beat["phase"]) for beat in beats} == {("progress", "loading")}
    assert beats[-1]["seconds"] >= beats[0]["seconds"]
