"""Steps that come to nothing: what stops a run, what it goes back from, and what it passes over."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from services.trainer.engine import loop, recovery
from services.trainer.engine.data import Item
from services.trainer.engine.micro_batches import Batch
from services.trainer.engine.model import TrainableModel
from services.trainer.engine.objectives import objective_of
from services.trainer.engine.optimizer import AdapterOptimizer
from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, events_of, write_rows

DIVERGING: dict[str, Any] = {
    "learning_rate": 1.0,
    "loraplus_ratio": 1000.0,
    "max_grad_norm": 0.0,
    "schedule": "constant",
    "warmup_ratio": 0.0,
}
"""After a few steps with it no weight of the tiny model gets a gradient any more."""


def train(spec: TrainSpec) -> int:
    return run(spec, StopSignal())


def losses(spec: TrainSpec) -> dict[int, float]:
    """Loss of each step; of a repeated step the later line wins."""
    return {event["step"]: event["loss"] for event in events_of(spec, "step")}


def test_a_rate_that_diverges_stops_the_run(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=60, **DIVERGING)
    assert train(spec) == 3
    (failed,) = events_of(spec, "failed")
    assert failed["reason"] == "NOTHING_LEARNED"
    assert "gradient norm 0.0" in failed["message"]
    assert "lower learning_rate" in failed["message"]
    assert 1 < len(losses(spec)) < 20
    assert not events_of(spec, "finished")


def test_a_rate_that_diverges_is_lowered_until_the_run_learns(make_spec: MakeSpec) -> None:
    wanted = {**DIVERGING, "bad_step": "rollback", "rollback_rate": 0.01}
    spec = make_spec(max_steps=40, checkpoint_steps=20, **wanted)
    assert train(spec) == 0
    backs = events_of(spec, "rolled_back")
    assert 1 <= len(backs) <= 5
    assert all(back["step"] < back["failed_step"] for back in backs)
    assert backs[-1]["rate_factor"] <= 0.01
    steps = events_of(spec, "step")
    assert steps[-1]["learning_rate"] == pytest.approx(backs[-1]["rate_factor"])
    curve = losses(spec)
    assert curve[40] < 0.8 * curve[1]
    assert sorted([*curve, *(event["step"] for event in events_of(spec, "passed_over"))]) == list(
        range(1, 41)
    )
    weights = list((spec.output_dir / "checkpoints").iterdir())
    assert len(weights) == spec.keep_checkpoints


@pytest.mark.full
def test_a_killed_run_that_went_back_goes_on_as_if_it_had_not_been_killed(make_spec: MakeSpec) -> None:
    wanted = {
        **DIVERGING,
        "bad_step": "rollback",
        "rollback_rate": 0.01,
        "max_steps": 20,
        "checkpoint_steps": 3,
    }
    unbroken = make_spec(**wanted)
    assert train(unbroken) == 0
    spec = make_spec(**wanted, output_dir=unbroken.output_dir.parent / "killed")
    assert train(spec) == 0
    # As a kill -9 after the last checkpoint but one leaves it.
    keep_until_last(spec, "checkpoint")
    assert train(spec) == 0
    assert events_of(spec, "resumed")
    assert losses(spec) == losses(unbroken)


def keep_until_last(spec: TrainSpec, kind: str) -> None:
    """Take from a finished run its newest checkpoint, and all events from there on."""
    newest = max((spec.output_dir / "checkpoints").iterdir())
    newest.rename(spec.output_dir / "gone")
    path = spec.output_dir / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if json.loads(line)["type"] == kind)
    path.write_bytes(b"".join(lines[:last]))


@pytest.fixture
def without_labels(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Take from a row of the train file, by its line, everything that is to be learned."""

    def apply(line: int) -> None:
        make = objective_of

        def emptied(spec: Any, items: Any, pad_id: int) -> Any:
            return make(spec, [without(item) if item.line == line else item for item in items], pad_id)

        monkeypatch.setattr(loop, "objective_of", emptied)

    return apply


def without(item: Item) -> Item:
    return Item(tuple(each._replace(spans=()) for each in item.sequences))


@pytest.fixture
def one_row_steps(make_spec: MakeSpec, tmp_path: Path) -> MakeSpec:
    """Specs of six steps of a row each, in an order of their own."""
    rows = [conversation(f"Where is town {i}?", f"By the river {i}.") for i in range(6)]
    file = write_rows(tmp_path / "six.jsonl", rows)
    return lambda **changes: make_spec(
        **{"train_file": file, "batch_tokens": 1, "max_steps": 6, "checkpoint_steps": 1, **changes}
    )


def test_rows_without_labels_stop_the_run_and_are_named(
    one_row_steps: MakeSpec, without_labels: Callable[[int], None]
) -> None:
    spec = one_row_steps()
    without_labels(4)
    assert train(spec) == 3
    (failed,) = events_of(spec, "failed")
    assert failed["reason"] == "NOTHING_LEARNED"
    assert "loss 0.0" in failed["message"]
    assert f"{spec.train_file} lines 4; these rows have no token to learn" in failed["message"]


def test_rows_without_labels_are_passed_over_and_cost_no_rate(
    one_row_steps: MakeSpec, without_labels: Callable[[int], None]
) -> None:
    spec = one_row_steps(bad_step="rollback")
    without_labels(4)
    assert train(spec) == 0
    (over,), (back,) = events_of(spec, "passed_over"), events_of(spec, "rolled_back")
    assert over["lines"] == [4]
    assert (back["failed_step"], back["rate_factor"], back["passed_over"]) == (over["step"], 1.0, True)
    assert back["step"] == over["step"] - 1
    assert sorted([*losses(spec), over["step"]]) == [1, 2, 3, 4, 5, 6]
    (finished,) = events_of(spec, "finished")
    assert finished["steps"] == 6


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the loss of a row, by the number of its tokens, be no number."""

    def apply(tokens: int) -> None:
        summed = TrainableModel.summed_loss

        def loss(trainable: TrainableModel, batch: Batch) -> torch.Tensor:
            found = summed(trainable, batch)
            return found * math.nan if batch.tokens == tokens else found

        monkeypatch.setattr(TrainableModel, "summed_loss", loss)

    return apply


def test_a_step_that_fails_twice_is_passed_over(
    one_row_steps: MakeSpec, poisoned: Callable[[int], None]
) -> None:
    longest = conversation("Where is town 9?", "By the river 9, behind the hills.")
    spec = one_row_steps(bad_step="rollback", rollback_rate=0.5)
    with spec.train_file.open("a") as rows:
        rows.write(json.dumps({"id": "7", "messages": longest}) + "\n")
    spec = one_row_steps(bad_step="rollback", max_steps=7, output_dir=spec.output_dir.parent / "clean")
    assert train(spec) == 0
    tokens = {event["tokens"] for event in events_of(spec, "step")}
    poisoned(max(tokens))
    spec = one_row_steps(bad_step="rollback", max_steps=7)
    assert train(spec) == 0
    # The longest comes first: there is no step to go back to but that before all.
    backs = events_of(spec, "rolled_back")
    assert [(back["failed_step"], back["step"]) for back in backs] == [(1, 0), (1, 0)]
    assert [(back["rate_factor"], back["passed_over"]) for back in backs] == [(0.5, False), (0.5, True)]
    assert {back["reason"] for back in backs} == {"NON_FINITE_LOSS"}
    assert list(losses(spec)) == [2, 3, 4, 5, 6, 7]
    assert all(math.isfinite(loss) for loss in losses(spec).values())


def test_a_run_whose_every_step_fails_ends(one_row_steps: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainableModel, "summed_loss", lambda *_: torch.tensor(math.inf, requires_grad=True))
    spec = one_row_steps(bad_step="rollback", rollback_limit=3)
    assert train(spec) == 3
    (failed,) = events_of(spec, "failed")
    assert failed["reason"] == "NON_FINITE_LOSS"
    assert failed["message"].endswith("3 steps failed before, which is rollback_limit")
    assert [back["failed_step"] for back in events_of(spec, "rolled_back")] == [1, 1, 2]


def test_weights_that_are_no_numbers_get_no_checkpoint(
    one_row_steps: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = AdapterOptimizer.update
    done = []

    def overflow(optimizer: Any, norm: float, rate: float) -> None:
        update(optimizer, norm, rate)
        done.append(rate)
        if len(done) == 4:
            optimizer._weights[0] = math.inf

    monkeypatch.setattr(AdapterOptimizer, "update", overflow)
    spec = one_row_steps(bad_step="rollback")
    assert train(spec) == 0
    (back,) = events_of(spec, "rolled_back")
    assert (back["failed_step"], back["step"], back["reason"]) == (4, 3, "NON_FINITE_LOSS")
    assert "a weight is no number any more" in back["message"]
    assert list(losses(spec)) == [1, 2, 3, 4, 5, 6]
    assert [event["step"] for event in events_of(spec, "checkpoint")] == [0, 1, 2, 3, 4, 5, 6]


def test_a_checkpoint_that_leads_to_failure_twice_is_left_for_the_one_before(
    one_row_steps: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = recovery.check_step
    failing = [(4, 0), (5, 0)]

    def fail_twice(run: Any, step: Any, loss: float, norm: float) -> None:
        if failing and step.number == failing[0][0]:
            failing.pop(0)
            loss = math.nan
        check(run, step, loss, norm)

    monkeypatch.setattr(loop, "check_step", fail_twice)
    spec = one_row_steps(bad_step="rollback", checkpoint_steps=3, keep_checkpoints=5, max_steps=6)
    assert train(spec) == 0
    assert [(back["failed_step"], back["step"]) for back in events_of(spec, "rolled_back")] == [
        (4, 3),
        (5, 0),
    ]
    names = sorted(path.name for path in (spec.output_dir / "checkpoints").iterdir())
    assert names == ["step-00000000", "step-00000003", "step-00000006"]


def test_another_policy_may_go_on_with_what_failed(
    one_row_steps: MakeSpec, without_labels: Callable[[int], None]
) -> None:
    without_labels(4)
    assert train(one_row_steps()) == 3
    spec = one_row_steps(bad_step="rollback")
    assert train(spec) == 0
    assert len(events_of(spec, "passed_over")) == 1
