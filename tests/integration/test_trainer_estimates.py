"""Estimates of the trainer room: of its own models and others, and beside what a run measured."""

from __future__ import annotations

import json

import pytest

from sishu.errors import ApiError
from sishu.trainer.v1 import estimate_service_pb2 as pb
from sishu.trainer.v1 import training_config_pb2, training_estimate_pb2
from tests.integration import trainer_school
from tests.integration.conftest import StartRoom
from tests.integration.trainer_school import ROOM, SUCCEEDED, School

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school = trainer_school.school


async def test_a_run_shows_its_estimate_beside_what_was_measured(
    school: School, start_room: StartRoom
) -> None:
    await start_room("trainer", env={**ROOM, "SISHU_TRAINER_ACCELERATOR": "CPU"})
    base = await school.prepared()
    asked = pb.EstimateTrainingRequest(
        model_id=base.id, config=training_config_pb2.TrainingConfig(precision="fp32"), rows=24, row_tokens=40
    )
    told = (await school.client.estimates.EstimateTraining(asked)).estimate
    assert told.fit == training_estimate_pb2.TRAINING_FIT_FITS
    assert told.parameter_count == base.parameter_count
    assert told.steps > 0

    with pytest.raises(ApiError) as refused:
        await school.create_run(base, batch_tokens=10_000_000, method="full", cutoff_length=10_000_000)
    assert refused.value.reason == "MEMORY_SHORT"
    assert "batch_tokens" in json.loads(refused.value.metadata["nearest"])

    run = await school.create_run(base)
    assert not run.HasField("memory_estimate")
    run = await school.run_in(run.id, SUCCEEDED)
    estimate = run.memory_estimate
    assert estimate.needed_bytes > estimate.tensors_bytes > 0
    assert estimate.free_bytes > estimate.needed_bytes
    assert estimate.memory.weights_bytes > 4 * base.parameter_count
    assert not estimate.forced
    # On a CPU the resident set is measured, which has the process in it.
    assert run.summary.peak_memory_bytes > estimate.tensors_bytes


async def test_models_are_known_by_name_by_file_and_not_at_all(school: School, start_room: StartRoom) -> None:
    await start_room("trainer", env=ROOM)
    ask = school.client.estimates.EstimateTraining
    named = pb.EstimateTrainingRequest(architecture="Qwen/Qwen2.5-32B-Instruct", preset="dcu-k100ai-32b")
    named.accelerator, named.row_tokens = "K100_AI", 711.6
    told = (await ask(named)).estimate
    assert round(told.speed.tokens_per_second) == 1324
    assert [(each.field, each.value) for each in told.fastest] == [("batch_tokens", "16384")]
    config = (school.base / "config.json").read_text(encoding="utf-8")
    assert (await ask(pb.EstimateTrainingRequest(config_json=config))).estimate.accelerator == "CPU"
    wrong = {
        "ARCHITECTURE_UNKNOWN": pb.EstimateTrainingRequest(architecture="nope"),
        "ACCELERATOR_UNKNOWN": pb.EstimateTrainingRequest(architecture="gpt2", accelerator="nope"),
        "TRAINING_PRESET_UNKNOWN": pb.EstimateTrainingRequest(architecture="gpt2", preset="nope"),
        "MODEL_NOT_FOUND": pb.EstimateTrainingRequest(model_id=school.project_id),
    }
    for reason, request in wrong.items():
        with pytest.raises(ApiError) as refused:
            await ask(request)
        assert refused.value.reason == reason
