"""How runs are told to train: what is refused, and what another tool's file says."""

from __future__ import annotations

from typing import Any

import pytest

from services.runtime.ids import new_id
from sishu.dataset.v1 import dataset_version_pb2
from sishu.errors import ApiError
from sishu.trainer.v1 import training_run_pb2
from sishu.trainer.v1 import training_service_pb2 as runs
from tests.integration import trainer_school
from tests.integration.trainer_school import READY, SUCCEEDED, School, StartTrainer

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school, start_trainer = trainer_school.school, trainer_school.start_trainer


async def test_what_cannot_be_trained_is_refused_at_once(school: School, start_trainer: StartTrainer) -> None:
    await start_trainer()
    base = await school.create_model(str(school.base))

    async def refused(**config: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            await school.create_run(base, **config)
        return caught.value

    if base.state != READY:
        assert (await refused()).reason in {"MODEL_NOT_READY"}
    base = await school.model_in(base.id, READY)
    error = await refused(warmup_ratio=0.95)
    assert (error.reason, error.field) == ("FIELD_INVALID", "training_run.config.warmup_ratio")
    school.datasets.version.split_counts["train"] = 0
    assert (await refused()).reason == "NO_TRAINING_ROWS"
    school.datasets.version.state = dataset_version_pb2.DATASET_VERSION_STATE_MAKING
    assert (await refused()).reason == "DATASET_VERSION_NOT_READY"
    school.datasets.version.project_id = new_id()
    assert (await refused()).field == "training_run.dataset_version_id"
    school.datasets.version.id = new_id()
    listed = await school.client.training.ListTrainingRuns(
        runs.ListTrainingRunsRequest(project_id=school.project_id)
    )
    assert list(listed.training_runs) == []
    with pytest.raises(ApiError) as caught:
        await school.create_model(str(school.base))
    assert caught.value.reason == "MODEL_NAME_TAKEN"


THEIRS = """stage: sft
finetuning_type: lora
lora_rank: 4
max_samples: 10
per_device_train_batch_size: 2
gradient_accumulation_steps: 2
num_train_epochs: 2
warmup_steps: 3
learning_rate: 1e-2
"""


async def test_a_file_of_llama_factory_trains_what_it_says(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    base = await school.prepared()
    request = runs.TranslateTrainingConfigRequest(text=THEIRS)
    told = (await school.client.training.TranslateTrainingConfig(request)).translation
    assert list(told.errors) == []
    wanted = training_run_pb2.TrainingRun(
        project_id=school.project_id,
        name="theirs",
        dataset_version_id=school.datasets.version.id,
        base_model_id=base.id,
        config=told.config,
    )
    unknown = runs.CreateTrainingRunRequest(training_run=wanted, preset="nobody-knows")
    with pytest.raises(ApiError) as caught:
        await school.client.training.CreateTrainingRun(unknown)
    assert caught.value.reason == "TRAINING_PRESET_UNKNOWN"
    known = runs.CreateTrainingRunRequest(training_run=wanted)
    made = (await school.client.training.CreateTrainingRun(known)).training_run
    assert (made.config.max_rows, made.config.step_rows, made.config.lora_alpha) == (10, 4, 8)
    assert (await school.run_in(made.id, SUCCEEDED)).summary.steps_total == 6
    rates = [step.learning_rate for step in await school.steps(made.id)]
    assert rates[:3] == pytest.approx([1e-2 / 3, 2e-2 / 3, 1e-2])
    assert rates[-1] < rates[-2] < rates[2]
