"""Runs on several processes; on a CPU they are what several devices are elsewhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.many import train_on
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, events_of, write_rows


def curve(spec: TrainSpec) -> list[float]:
    steps = {event["step"]: event["loss"] for event in events_of(spec, "step")}
    return [steps[number] for number in sorted(steps)]


def assert_same(spec: TrainSpec, other: TrainSpec) -> None:
    assert curve(spec) == pytest.approx(curve(other), rel=1e-4)
    ours, theirs = (
        load_file(each.output_dir / "adapter" / "adapter_model.safetensors") for each in (spec, other)
    )
    for name, weight in ours.items():
        # Not number by number: where a gradient is next to nothing, Adam makes a step of its rounding.
        assert (weight - theirs[name]).norm() <= 1e-3 * theirs[name].norm(), name


def test_two_devices_do_the_steps_of_one_and_go_on_from_its_checkpoint(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes = {"max_steps": 6, "accumulation": 3, "checkpoint_steps": 3, "keep_checkpoints": 9}
    alone = make_spec(output_dir=tmp_path / "alone", **changes)
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **changes)
    checkpoints = both.output_dir / "checkpoints"
    checkpoints.mkdir(parents=True)
    (alone.output_dir / "checkpoints" / "step-00000003").rename(checkpoints / "step-00000003")
    assert train_on(both, 2) == [0, 0]
    (started,), (resumed,), (finished,) = (
        events_of(both, kind) for kind in ("started", "resumed", "finished")
    )
    assert (started["devices"], started["strategy"], resumed["step"]) == (2, "ddp", 3)
    assert (finished["steps"], finished["tokens"]) == (6, events_of(alone, "finished")[0]["tokens"])
    for ours, theirs in zip(events_of(both, "step"), events_of(alone, "step")[3:], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)
        assert (ours["tokens"], ours["supervised_tokens"]) == (theirs["tokens"], theirs["supervised_tokens"])


@pytest.mark.full
@pytest.mark.parametrize("ranks", [2, 3])
def test_the_loss_on_validation_rows_is_that_of_one_device(
    make_spec: MakeSpec, tmp_path: Path, ranks: int
) -> None:
    held_out = write_rows(
        tmp_path / "held.jsonl", [conversation(f"Town {i}?", "By it. " * i) for i in range(1, 6)]
    )
    changes = {"validation_file": held_out, "validation_steps": 4, "packing": "on"}
    alone = make_spec(output_dir=tmp_path / "alone", **changes)
    assert run(alone, StopSignal()) == 0
    many = make_spec(output_dir=tmp_path / "many", **changes)
    assert train_on(many, ranks) == [0] * ranks
    assert_same(many, alone)
    found, wanted = (
        [event["validation_loss"] for event in events_of(spec, "step") if "validation_loss" in event]
        for spec in (many, alone)
    )
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.full
@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_preferences_are_those_of_one_device(make_spec: MakeSpec, tmp_path: Path, objective: str) -> None:
    rows: list[dict[str, Any]] = []
    for i in range(12):
        prompt = [{"role": "user", "content": f"Town {i}?"}]
        good, bad = ([{"role": "assistant", "content": text * (1 + i % 4)}] for text in ("Yes. ", "No. "))
        if objective == "dpo":
            rows.append({"prompt": prompt, "chosen": good, "rejected": bad})
        else:
            rows.append({"prompt": prompt, "completion": good if i % 2 else bad, "label": bool(i % 2)})
    train_file = tmp_path / "preferences.jsonl"
    train_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {"train_file": train_file, "objective": objective, "max_steps": 5, "learning_rate": 1e-3}
    alone = make_spec(output_dir=tmp_path / "alone", **changes)
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **changes)
    assert train_on(both, 2) == [0, 0]
    assert_same(both, alone)


def started(spec: TrainSpec) -> subprocess.Popen[bytes]:
    path = spec.output_dir.parent / "spec.json"
    path.write_text(json.dumps(asdict(spec), default=str))
    return subprocess.Popen([sys.executable, "-m", "services.trainer.engine", str(path)])


def wait_for(spec: TrainSpec, kind: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 150
    while not events_of(spec, kind):
        assert process.poll() is None, f"the engine ended before {kind}"
        assert time.monotonic() < deadline, f"no {kind} event"
        time.sleep(0.05)


@pytest.mark.full
def test_the_engine_starts_itself_on_each_device_stops_in_order_and_goes_on(make_spec: MakeSpec) -> None:
    spec = make_spec(devices=2, max_steps=100_000, checkpoint_steps=0)
    with started(spec) as process:
        wait_for(spec, "step", process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 4
    (stopped,) = events_of(spec, "stopped")
    assert stopped["step"] == events_of(spec, "checkpoint")[-1]["step"] == len(events_of(spec, "step"))
    with started(spec) as process:
        wait_for(spec, "resumed", process)
        process.kill()
        process.wait()


@pytest.mark.full
def test_a_wrong_row_ends_all_devices_with_its_exit_code_and_reason(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    rows = tmp_path / "wrong.jsonl"
    rows.write_text('{"id": "row-1"}\n')
    spec = make_spec(devices=2, train_file=rows)
    with started(spec) as process:
        assert process.wait(150) == 2
    assert {event["reason"] for event in events_of(spec, "failed")} == {"INVALID_ROW"}
