from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from services.trainer.engine import loop
from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, events_of, read_samples


def train(spec: TrainSpec) -> int:
    return run(spec, StopSignal())


def losses(spec: TrainSpec) -> dict[int, float]:
    """Loss of each step; of a repeated step the later line wins."""
    return {event["step"]: event["loss"] for event in events_of(spec, "step")}


def adapter_of(spec: TrainSpec) -> dict[str, torch.Tensor]:
    return load_file(spec.output_dir / "adapter" / "adapter_model.safetensors")


def assert_same_result(spec: TrainSpec, other: TrainSpec) -> None:
    assert losses(spec).keys() == losses(other).keys()
    for step, loss in losses(spec).items():
        assert loss == pytest.approx(losses(other)[step], rel=1e-4), f"step {step}"
    ours, theirs = adapter_of(spec), adapter_of(other)
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], rtol=1e-3, atol=1e-5)


@contextmanager
def started(spec: TrainSpec) -> Iterator[subprocess.Popen[bytes]]:
    """The engine as a program; killed at the end if it still lives."""
    path = spec.output_dir.parent / f"{spec.output_dir.name}.json"
    path.write_text(json.dumps(asdict(spec), default=str))
    with subprocess.Popen([sys.executable, "-m", "services.trainer.engine", str(path)]) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(spec: TrainSpec, kind: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not events_of(spec, kind):
        assert process.poll() is None, f"the engine ended before {kind}"
        assert time.monotonic() < deadline, f"no {kind} event"
        time.sleep(0.01)


def test_a_run_learns_its_rows_and_tells_what_it_did(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=40)
    assert train(spec) == 0
    curve = losses(spec)
    assert list(curve) == list(range(1, 41))
    assert curve[40] < 0.5 * curve[1]
    (started,), (finished,) = events_of(spec, "started"), events_of(spec, "finished")
    assert (started["rows"], started["dropped_rows"], started["steps_total"]) == (24, 0, 40)
    assert (started["device"], started["precision"]) == ("cpu", "fp32")
    assert 0 < started["trainable_parameter_count"] < started["parameter_count"]
    assert len(started["chat_template_sha256"]) == len(started["base_model_sha256"]) == 64
    assert set(started["versions"]) == {"python", "torch", "transformers", "peft"}
    steps = events_of(spec, "step")
    assert all(step["supervised_tokens"] < step["tokens"] <= step["padded_tokens"] <= 256 for step in steps)
    assert all(step["peak_memory_bytes"] > 0 and step["tokens_per_second"] > 0 for step in steps)
    assert finished["steps"] == 40
    assert finished["tokens"] == sum(step["tokens"] for step in steps)
    assert (finished["loss_first"], finished["loss_last"]) == (curve[1], curve[40])


# peft 0.21 asks transformers 5.23 by a name that transformers is about to drop.
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_the_adapter_loads_with_peft_and_gives_the_trained_loss(make_spec: MakeSpec, tokenizer: Any) -> None:
    spec = make_spec(max_steps=30, base_model_name="org/tiny")
    assert train(spec) == 0
    folder = spec.output_dir / "adapter"
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "org/tiny"
    assert str(spec.output_dir.parent) not in "".join(path.read_text() for path in folder.glob("*.json"))
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())
    sample = read_samples(spec.train_file, tokenizer)[5]
    ids = torch.tensor([list(sample.ids)])
    labels = torch.full_like(ids, -100)
    for start, end in sample.spans:
        labels[0, start:end] = ids[0, start:end]
    base = AutoModelForCausalLM.from_pretrained(spec.base_model)
    with torch.no_grad():
        before = base(input_ids=ids, labels=labels).loss
        after = PeftModel.from_pretrained(base, folder)(input_ids=ids, labels=labels).loss
    assert after < 0.5 * before


def test_a_killed_run_goes_on_from_its_newest_checkpoint_to_the_same_result(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=60, lora_dropout=0.1)
    with started(spec) as process:
        wait_for(spec, "checkpoint", process)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
    assert not events_of(spec, "finished")
    assert train(spec) == 0
    (resumed,) = events_of(spec, "resumed")
    assert resumed["step"] >= 5
    unbroken = make_spec(max_steps=60, lora_dropout=0.1, output_dir=spec.output_dir.parent / "unbroken")
    assert train(unbroken) == 0
    assert_same_result(spec, unbroken)
    assert events_of(spec, "finished")[0]["tokens"] == events_of(unbroken, "finished")[0]["tokens"]


@pytest.mark.full
def test_sigterm_saves_the_work_and_a_second_start_goes_on(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=100_000, checkpoint_steps=100_000)
    with started(spec) as process:
        wait_for(spec, "step", process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 4
    (stopped,), (saved,) = events_of(spec, "stopped"), events_of(spec, "checkpoint")
    assert stopped["step"] == saved["step"] == max(losses(spec))

    stop = StopSignal()
    stop.requested = True
    assert run(spec, stop) == 4
    assert events_of(spec, "resumed")[0]["step"] == saved["step"]


def test_without_checkpoint_steps_only_the_last_is_written(make_spec: MakeSpec) -> None:
    spec = make_spec(checkpoint_steps=0)
    assert train(spec) == 0
    assert [event["step"] for event in events_of(spec, "checkpoint")] == [12]


def test_a_norm_limit_of_zero_means_no_clipping(make_spec: MakeSpec) -> None:
    folder = make_spec().output_dir.parent
    unlimited, wide, narrow = (
        make_spec(max_steps=4, max_grad_norm=limit, output_dir=folder / f"norm-{limit}")
        for limit in (0.0, 1e6, 1e-3)
    )
    assert train(unlimited) == train(wide) == train(narrow) == 0
    assert losses(unlimited) == losses(wide) != losses(narrow)


def test_a_damaged_newest_checkpoint_is_passed_over(make_spec: MakeSpec) -> None:
    spec = make_spec()
    assert train(spec) == 0
    unbroken = losses(spec)
    newest = sorted((spec.output_dir / "checkpoints").iterdir())[-1]
    weights = (newest / "state.safetensors").read_bytes()
    (newest / "state.safetensors").write_bytes(weights[: len(weights) // 2])
    forget_the_end(spec)
    assert train(spec) == 0
    (resumed,) = events_of(spec, "resumed")
    assert (resumed["step"], resumed["damaged"]) == (10, [newest.name])
    assert losses(spec) == pytest.approx(unbroken, rel=1e-4)


def test_damaged_checkpoints_do_not_cost_the_next_one_its_place(make_spec: MakeSpec) -> None:
    spec = make_spec(keep_checkpoints=3)
    assert train(spec) == 0
    folder = spec.output_dir / "checkpoints"
    sound, *damaged = sorted(path.name for path in folder.iterdir())
    for name in damaged:
        (folder / name / "state.safetensors").write_bytes(b"damaged")
    forget_the_end(spec)
    stop = StopSignal()
    stop.requested = True
    assert run(spec, stop) == 4
    (resumed,) = events_of(spec, "resumed")
    assert (resumed["step"], sorted(resumed["damaged"])) == (5, damaged)
    assert [path.name for path in folder.iterdir()] == [sound]


def test_a_run_without_any_sound_checkpoint_begins_anew_and_says_so(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=3)
    assert train(spec) == 0
    forget_the_end(spec)
    (only,) = (spec.output_dir / "checkpoints").iterdir()
    (only / "state.json").unlink()
    assert train(spec) == 0
    (resumed,) = events_of(spec, "resumed")
    assert (resumed["step"], resumed["damaged"]) == (0, [only.name])
    assert [event["step"] for event in events_of(spec, "step")] == [1, 2, 3, 1, 2, 3]


def test_a_crash_between_last_checkpoint_and_adapter_costs_no_step(make_spec: MakeSpec) -> None:
    spec = make_spec()
    assert train(spec) == 0
    done, adapter = len(events_of(spec, "step")), adapter_of(spec)
    forget_the_end(spec)
    assert train(spec) == 0
    assert len(events_of(spec, "step")) == done
    assert len(events_of(spec, "finished")) == 1
    assert all(torch.equal(weight, adapter[name]) for name, weight in adapter_of(spec).items())


def forget_the_end(spec: TrainSpec) -> None:
    path = spec.output_dir / "events.jsonl"
    lines = [line for line in path.read_bytes().splitlines() if b'"finished"' not in line]
    path.write_bytes(b"\n".join(lines) + b"\n")


def test_a_finished_run_is_left_alone(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=2)
    assert train(spec) == 0
    before = {path: path.stat().st_mtime_ns for path in spec.output_dir.rglob("*") if path.name != ".lock"}
    assert train(spec) == 0
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_accumulated_micro_batches_equal_one_large_batch(make_spec: MakeSpec) -> None:
    one = make_spec(max_steps=3, epochs=1.0, batch_tokens=100_000)
    several = make_spec(max_steps=3, accumulation=1000, output_dir=one.output_dir.parent / "several")
    assert train(one) == train(several) == 0
    (first, *_), (other, *_) = events_of(one, "step"), events_of(several, "step")
    assert first["supervised_tokens"] == other["supervised_tokens"]
    assert first["loss"] == pytest.approx(other["loss"], rel=1e-4)
    assert first["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)


def test_a_loss_that_is_no_number_stops_the_run_with_the_rows(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(base_model=tmp_path / "broken")
    source = make_spec().base_model
    spec.base_model.mkdir()
    for path in source.iterdir():
        (spec.base_model / path.name).write_bytes(path.read_bytes())
    weights = load_file(source / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("inf"))
    save_file(weights, spec.base_model / "model.safetensors", metadata={"format": "pt"})
    assert train(spec) == 3
    (failed,) = events_of(spec, "failed")
    assert failed["reason"] == "NON_FINITE_LOSS"
    assert "step 1" in failed["message"]
    assert "lines " in failed["message"]
    assert not (spec.output_dir / "checkpoints").exists()


def test_a_bad_row_fails_before_the_model_is_loaded(
    make_spec: MakeSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec()
    with spec.train_file.open("a") as rows:
        rows.write("nonsense\n")
    assert train(spec) == 2
    (failed,) = events_of(spec, "failed")
    assert failed["reason"] == "INVALID_ROW"
    assert failed["message"].startswith(f"{spec.train_file}:25: ")
    assert capsys.readouterr().err == f"error: {failed['message']}\n"
    assert "loading" not in {event["phase"] for event in events_of(spec, "progress")}


def test_an_unforeseen_error_is_reported_as_internal(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("something new")

    monkeypatch.setattr(loop, "prepare", fail)
    spec = make_spec()
    assert train(spec) == 1
    (failed,) = events_of(spec, "failed")
    assert (failed["reason"], failed["message"]) == ("INTERNAL", "ZeroDivisionError: something new")
    assert capsys.readouterr().err.splitlines()[-1] == "error: ZeroDivisionError: something new"


def test_a_folder_is_not_continued_with_other_settings(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=5)
    assert train(spec) == 0
    forget_the_end(spec)
    assert train(make_spec(max_steps=5, learning_rate=0.5)) == 2
    (failed,) = events_of(spec, "failed")
    assert failed["reason"] == "RUN_CHANGED"
    assert "learning_rate 0.01, now it is 0.5" in failed["message"]


def test_a_folder_of_another_run_is_not_touched(
    make_spec: MakeSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(max_steps=1)
    assert train(spec) == 0
    before = (spec.output_dir / "events.jsonl").read_bytes()
    assert train(make_spec(run_id="run-2")) == 2
    assert "belongs to run run-1, not to run-2" in capsys.readouterr().err
    assert (spec.output_dir / "events.jsonl").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_told(
    make_spec: MakeSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec()
    assert train(make_spec(output_dir=spec.train_file / "out")) == 1
    assert "train.jsonl/out" in capsys.readouterr().err
