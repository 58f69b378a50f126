"""A disk that is full: what the run says, and what it leaves."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from services.trainer.engine import checkpoint, saving
from services.trainer.engine.errors import DiskFullError
from services.trainer.engine.events import EventLog, read_events
from services.trainer.engine.files import telling_full_disk
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from tests.support.small_disks import enlarge, mounted
from tests.unit.trainer.engine.tiny import MakeSpec, events_of


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "1m") as disk:
        yield disk


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes."""
    free = os.statvfs(disk)
    path = disk / "filler"
    path.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - left)))
    return path


def test_a_full_disk_while_saving_is_told_and_the_older_checkpoint_stays(
    make_spec: MakeSpec, small_disk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(output_dir=small_disk / "out", lora_rank=4, keep_checkpoints=5)
    whole = make_spec(output_dir=small_disk.parent / "whole", lora_rank=4)
    assert run(whole, StopSignal()) == 0
    write = saving._write

    def fill_before_second(now: Any, target: Path) -> None:
        if now.totals.step == 10:
            fill(small_disk, left=60_000)
        write(now, target)

    monkeypatch.setattr(saving, "_write", fill_before_second)
    assert run(spec, StopSignal()) == 6
    (failed,) = events_of(spec, "failed")
    folder = spec.output_dir / "checkpoints"
    assert failed["reason"] == "DISK_FULL"
    assert failed["message"] == (
        f"no space left in {folder} for the checkpoint of step 10; free some and start again"
    )
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {failed['message']}"
    # Nothing half-written takes up what is left.
    assert [path.name for path in folder.iterdir()] == ["step-00000005"]
    assert checkpoint.newest_valid(folder) == (folder / "step-00000005", [])
    enlarge(small_disk, "8m")
    monkeypatch.setattr(saving, "_write", write)
    assert run(spec, StopSignal()) == 0
    assert events_of(spec, "resumed")[0]["step"] == 5
    last = {event["step"]: event["loss"] for event in events_of(spec, "step")}
    assert last == {event["step"]: event["loss"] for event in events_of(whole, "step")}


def test_a_disk_without_room_for_an_event_ends_the_run_and_its_exit_code_says_why(
    make_spec: MakeSpec, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(output_dir=small_disk / "out")
    spec.output_dir.mkdir()
    (spec.output_dir / ".lock").touch()
    (spec.output_dir / "events.jsonl").touch()
    fill(small_disk, left=0)
    assert run(spec, StopSignal()) == 6
    assert "o space left" in capsys.readouterr().err


def test_an_event_that_a_full_disk_cut_off_spoils_no_other(small_disk: Path) -> None:
    path = small_disk / "events.jsonl"
    with EventLog(path, "r", quiet_seconds=60) as events:
        events.emit("step", step=1)
        block = os.statvfs(small_disk).f_frsize
        events.emit("note", text="x" * (block - path.stat().st_size - 200))
        filler = fill(small_disk, left=0)
        with pytest.raises(OSError, match="No space left") as caught:
            events.emit("step", step=2, text="y" * 400)
        assert caught.value.errno == errno.ENOSPC
        filler.unlink()
        events.emit("step", step=3)
    assert [event.get("step") for event, _ in read_events(path)] == [1, None, 3]


def test_what_safetensors_says_of_a_full_disk_is_understood(small_disk: Path, tmp_path: Path) -> None:
    import torch

    fill(small_disk, left=10_000)
    with pytest.raises(DiskFullError, match="for the weights"), telling_full_disk("the weights", small_disk):
        save_file({"weight": torch.zeros(100_000)}, small_disk / "weights.safetensors")
    with pytest.raises(ZeroDivisionError), telling_full_disk("the weights", tmp_path):
        raise ZeroDivisionError
