"""Runs whose loss becomes no number, truly so: they do what they are told to do then, and say it."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from sishu.trainer.v1 import model_pb2
from sishu.trainer.v1 import training_service_pb2 as runs
from tests.integration import trainer_school
from tests.integration.fake_datasets import bytes_of, rows_about
from tests.integration.trainer_school import FAILED, READY, SUCCEEDED, School, StartTrainer

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school, start_trainer = trainer_school.school, trainer_school.start_trainer

SIGN = "~"
LINE = 8
"""Of the row that has the sign."""


@pytest.fixture
def spoilt(base_model: Path, tokenizer: Any, tmp_path: Path) -> Path:
    """The base model with weights that are no numbers, those of one sign: whoever reads it has no loss."""
    folder = Path(shutil.copytree(base_model, tmp_path / "spoilt"))
    weights = load_file(folder / "model.safetensors")
    (token,) = tokenizer(SIGN, add_special_tokens=False)["input_ids"]
    weights["model.embed_tokens.weight"][token] = math.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


async def prepared(school: School, folder: Path) -> model_pb2.Model:
    """A base model, and rows of which one has the sign."""
    rows = rows_about(24)
    rows[LINE - 1]["messages"][0]["content"] = f"Where is {SIGN}?"
    school.datasets.data = bytes_of(rows)
    model = await school.create_model(str(folder), "spoilt")
    return await school.model_in(model.id, READY)


async def events(school: School, run_id: str) -> list[Any]:
    request = runs.ListTrainingEventsRequest(training_run_id=run_id, page_size=1000)
    return list((await school.client.training.ListTrainingEvents(request)).training_events)


async def test_a_loss_that_is_no_number_stops_the_run_and_its_checkpoints_stay(
    school: School, start_trainer: StartTrainer, spoilt: Path
) -> None:
    await start_trainer()
    run = await school.create_run(await prepared(school, spoilt), checkpoint_steps=1)
    run = await school.run_in(run.id, FAILED)
    assert (run.failure.code, run.failure.reason) == ("FAILED_PRECONDITION", "NON_FINITE_LOSS")
    assert f"step {run.summary.steps + 1}: loss nan" in run.failure.message
    *_, lines = run.failure.message.partition(" lines ")
    assert str(LINE) in lines.partition(";")[0].split(", ")
    (failed,) = [event for event in await events(school, run.id) if event.kind == "failed"]
    assert failed.details["reason"] == "NON_FINITE_LOSS"
    assert "loss nan" in failed.message
    steps = await school.steps(run.id)
    assert [step.step for step in steps] == list(range(1, run.summary.steps + 1))
    assert all(math.isfinite(step.loss) for step in steps)
    request = runs.ListTrainingCheckpointsRequest(training_run_id=run.id)
    kept = (await school.client.training.ListTrainingCheckpoints(request)).training_checkpoints
    assert [checkpoint.step for checkpoint in kept] == [steps[-1].step, steps[-2].step]


async def test_a_run_that_may_go_back_leaves_out_the_rows_whose_loss_is_no_number(
    school: School, start_trainer: StartTrainer, spoilt: Path
) -> None:
    await start_trainer()
    base = await prepared(school, spoilt)
    run = await school.create_run(base, max_steps=0, epochs=2.0, checkpoint_steps=1, bad_step="rollback")
    run = await school.run_in(run.id, SUCCEEDED)
    told = await events(school, run.id)
    backs = [event for event in told if event.kind == "rolled_back"]
    assert {event.details["reason"] for event in backs} == {"NON_FINITE_LOSS"}
    assert all("loss nan" in event.message for event in backs)
    # Once in each pass over the rows: back with a lower rate, back again, and past them.
    failed = [int(event.details["failed_step"]) for event in backs]
    first, second = sorted(set(failed))
    assert failed == [first, first, second, second]
    assert [float(event.details["rate_factor"]) for event in backs] == [0.5, 0.5, 0.25, 0.25]
    passed_over = [int(event.details["step"]) for event in told if event.kind == "passed_over"]
    assert passed_over == [first, second]
    steps = await school.steps(run.id)
    done = set(range(1, run.summary.steps_total + 1)) - {first, second}
    assert [step.step for step in steps] == sorted(done)
    assert all(math.isfinite(step.loss) for step in steps)
    assert (await school.model(run.model_id)).state == READY
