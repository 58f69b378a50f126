"""Base models of the trainer room, with the real engine: what is registered, refused and tried again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.runtime.ids import new_id
from sishu.common.v1 import job_service_pb2 as job_pb
from sishu.errors import ApiError
from sishu.trainer.v1 import model_pb2
from sishu.trainer.v1 import model_service_pb2 as models
from tests.integration import trainer_school
from tests.integration.trainer_school import READY, School, StartTrainer

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school, start_trainer = trainer_school.school, trainer_school.start_trainer


async def test_a_model_needs_a_project_and_is_a_base(school: School, start_trainer: StartTrainer) -> None:
    await start_trainer()
    with pytest.raises(ApiError) as caught:
        await school.create_model(str(school.base), kind=model_pb2.MODEL_KIND_ADAPTER)
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "MODEL_KIND_UNSUPPORTED")
    request_id = new_id()
    base = await school.create_model(str(school.base), request_id=request_id, kind=model_pb2.MODEL_KIND_BASE)
    assert base.kind == model_pb2.MODEL_KIND_BASE
    school.projects.ids.clear()
    with pytest.raises(ApiError) as caught:
        await school.create_model(str(school.base), "other")
    assert (caught.value.code, caught.value.reason) == ("NOT_FOUND", "PROJECT_NOT_FOUND")
    # What was made is given again, whatever has changed since.
    assert (await school.create_model("", request_id=request_id)).id == base.id


async def test_a_missing_base_model_fails_clearly_and_comes_back_with_a_retry(
    school: School, start_trainer: StartTrainer, tmp_path: Path
) -> None:
    await start_trainer()
    folder = tmp_path / "later"
    request_id = new_id()
    model = await school.create_model(str(folder), request_id=request_id)
    assert (await school.create_model(str(folder), request_id=request_id)).id == model.id
    model = await school.model_in(model.id, model_pb2.MODEL_STATE_FAILED)
    assert (model.failure.code, model.failure.reason) == ("NOT_FOUND", "BASE_MODEL_NOT_FOUND")
    assert str(folder) in model.failure.message
    shutil.copytree(school.base, folder)
    await school.client.jobs("trainer").RetryJob(job_pb.RetryJobRequest(id=model.job.id))
    model = await school.model_in(model.id, READY)
    assert (model.failure.reason, model.parameter_count > 0) == ("", True)
    kinds = models.ListModelsRequest(project_id=school.project_id, kind=model_pb2.MODEL_KIND_BASE)
    assert [one.id for one in (await school.client.models.ListModels(kinds)).models] == [model.id]
    await school.client.models.DeleteModel(models.DeleteModelRequest(id=model.id))
    with pytest.raises(ApiError) as caught:
        await school.model(model.id)
    assert caught.value.reason == "MODEL_NOT_FOUND"
    assert (await school.create_model(str(folder), request_id=request_id)).id != model.id
