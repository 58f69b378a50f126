"""Models after training, with the real engine: merged, exported, imported, told of, and gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from services.runtime.ids import new_id
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.errors import ApiError
from sishu.learn.model_folders import upload_model
from sishu.learn.transfer import download_model
from sishu.trainer.v1 import model_making_pb2 as making
from sishu.trainer.v1 import model_pb2, training_run_pb2
from sishu.trainer.v1 import model_service_pb2 as models
from tests.integration import trainer_school
from tests.integration.processes import eventually
from tests.integration.trainer_school import READY, RUN_SECONDS, SUCCEEDED, School, StartTrainer

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school, start_trainer = trainer_school.school, trainer_school.start_trainer


async def trained(school: School) -> tuple[model_pb2.Model, model_pb2.Model, training_run_pb2.TrainingRun]:
    """A base, an adapter for it, and the run that made that."""
    base = await school.prepared()
    run = await school.run_in((await school.create_run(base, lora_rank=4)).id, SUCCEEDED)
    return base, await school.model(run.model_id), run


async def merged(
    school: School, adapter: model_pb2.Model, name: str = "whole", **wish: int
) -> model_pb2.Model:
    request = models.MergeModelRequest(id=adapter.id, name=name, **wish)  # type: ignore[arg-type]
    made = (await school.client.models.MergeModel(request)).model
    assert (made.state, made.kind) == (model_pb2.MODEL_STATE_PREPARING, model_pb2.MODEL_KIND_MERGED)
    return made


async def failure_of(school: School, model: model_pb2.Model) -> tuple[str, str]:
    found = await school.model_in(model.id, model_pb2.MODEL_STATE_FAILED)
    return found.failure.reason, found.failure.message


async def card_of(school: School, model: model_pb2.Model) -> str:
    return (await school.client.models.GetModelCard(models.GetModelCardRequest(id=model.id))).markdown


async def names_of(school: School, model: model_pb2.Model, form: making.ModelFormat.ValueType) -> set[str]:
    request = models.GetModelFilesRequest(id=model.id, format=form)
    return {file.name for file in (await school.client.models.GetModelFiles(request)).files}


async def test_an_adapter_becomes_a_model_of_its_own_and_a_gguf_file(
    school: School, start_trainer: StartTrainer, tmp_path: Path
) -> None:
    await start_trainer()
    base, adapter, run = await trained(school)
    assert "README.md" in await names_of(school, adapter, making.MODEL_FORMAT_UNSPECIFIED)
    with pytest.raises(ApiError) as refused:
        await school.client.models.ExportModel(models.ExportModelRequest(id=adapter.id))
    assert refused.value.reason == "MODEL_KIND_UNSUPPORTED"
    with pytest.raises(ApiError) as refused:
        await merged(school, base)
    assert refused.value.reason == "MODEL_KIND_UNSUPPORTED"

    whole = await merged(
        school,
        adapter,
        shard_size_bytes=40_000,
        precision=making.WEIGHT_PRECISION_FP32,
        device=making.MERGE_DEVICE_TRAINER,
    )
    whole = await school.model_in(whole.id, READY)
    assert (whole.base_model_id, whole.training_run_id) == (adapter.id, "")
    assert (whole.architecture, whole.context_length) == (base.architecture, base.context_length)
    assert (whole.parameter_count, whole.renderer_sha256) == (base.parameter_count, adapter.renderer_sha256)
    await download_model(school.client, whole.id, tmp_path / "whole")
    shards = sorted((tmp_path / "whole").glob("model-*.safetensors"))
    assert len(shards) > 3
    assert all(path.stat().st_size <= 40_000 or len(load_file(path)) == 1 for path in shards)
    assert {"Modelfile", "README.md", "renderer.json", "merged.json"} <= {
        path.name for path in (tmp_path / "whole").iterdir()
    }
    with pytest.raises(ApiError) as refused:
        await merged(school, adapter)
    assert refused.value.reason == "MODEL_NAME_TAKEN"
    await check_card(school, whole, adapter, run)
    await check_export(school, whole, tmp_path)
    await check_lineage_stays(school, whole, adapter)


async def check_card(
    school: School, whole: model_pb2.Model, adapter: model_pb2.Model, run: training_run_pb2.TrainingRun
) -> None:
    text = await card_of(school, whole)
    front, body = text.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front)["library_name"] == "transformers"
    for told in (adapter.sha256, run.id, run.dataset_content_sha256, run.code_version, "| lora_rank | 4 |"):
        assert told in body
    assert "Training loss `" in body
    assert yaml.safe_load((await card_of(school, adapter)).split("---\n")[1])["library_name"] == "peft"


async def check_export(school: School, whole: model_pb2.Model, folder: Path) -> None:
    request = models.ExportModelRequest(id=whole.id, type=making.GGUF_TYPE_Q8_0)
    await ended(school, (await school.client.models.ExportModel(request)).job.id)
    assert await names_of(school, whole, making.MODEL_FORMAT_GGUF) == {
        "gguf/q8_0/Modelfile",
        "gguf/q8_0/whole-q8_0.gguf",
    }
    assert not any("gguf" in name for name in await names_of(school, whole, making.MODEL_FORMAT_HUGGING_FACE))
    await download_model(school.client, whole.id, folder / "gguf", "gguf/q8_0/")
    assert (folder / "gguf" / "whole-q8_0.gguf").read_bytes()[:4] == b"GGUF"


async def ended(school: School, job_id: str) -> None:
    async def there() -> bool:
        job = (await school.client.jobs("trainer").GetJob(job_service_pb2.GetJobRequest(id=job_id))).job
        assert job.state != job_pb2.JOB_STATE_FAILED, job.failure
        return job.state == job_pb2.JOB_STATE_SUCCEEDED

    await eventually(there, RUN_SECONDS)


async def check_lineage_stays(school: School, whole: model_pb2.Model, adapter: model_pb2.Model) -> None:
    with pytest.raises(ApiError) as refused:
        await school.client.models.DeleteModel(models.DeleteModelRequest(id=adapter.id))
    assert refused.value.reason == "MODEL_IN_USE"
    again = await school.run_in((await school.create_run(whole)).id, SUCCEEDED)
    assert again.base_model_sha256 == whole.sha256
    copy = school.stores.home / "models" / whole.id
    assert copy.is_dir()
    assert list((school.stores.home / "making").iterdir()) == []
    await school.client.project_data("trainer").DeleteProjectData(
        DeleteProjectDataRequest(project_id=school.project_id)
    )
    assert not copy.exists()
    async with school.stores.storage() as storage:
        assert await storage.delete_prefix(f"models/{school.project_id}/") == 0


async def test_a_folder_is_imported_or_refused_with_what_is_wrong(
    school: School, start_trainer: StartTrainer, tmp_path: Path
) -> None:
    await start_trainer()
    base, adapter, _ = await trained(school)
    left: list[str] = []

    async def imported(folder: Path, name: str, base_id: str = "") -> model_pb2.Model:
        upload_id = await upload_model(
            school.client, school.project_id, folder, lambda path, _: left.append(path.name)
        )
        request = models.ImportModelRequest(
            upload_id=upload_id, name=name, base_model_id=base_id, request_id=new_id()
        )
        made = (await school.client.models.ImportModel(request)).model
        assert (await school.client.models.ImportModel(request)).model.id == made.id
        return made

    folder = tmp_path / "adapter"
    await download_model(school.client, adapter.id, folder)
    (folder / "optimizer.pt").write_bytes(b"x")
    (folder / "notes.pdf").write_bytes(b"x")
    found = await school.model_in((await imported(folder, "brought", base.id)).id, READY)
    assert left == ["notes.pdf"]
    assert (found.kind, found.base_model_id) == (model_pb2.MODEL_KIND_ADAPTER, base.id)
    assert (found.parameter_count, found.training_run_id) == (adapter.parameter_count, "")
    assert (found.renderer_sha256, found.sha256) == (adapter.renderer_sha256, adapter.sha256)
    assert (await school.model_in((await merged(school, found, "both")).id, READY)).parameter_count

    with pytest.raises(ApiError) as refused:
        await imported(folder, "homeless")
    assert (refused.value.reason, "give base_model_id" in refused.value.message) == (
        "MODEL_FILES_INVALID",
        True,
    )
    weights = load_file(folder / "adapter_model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name][:, :-1].contiguous()}, folder / "adapter_model.safetensors")
    reason, message = await failure_of(school, await imported(folder, "cut", base.id))
    assert reason == "INVALID_BASE_MODEL"
    assert "is it an adapter of this base?" in message

    whole = Path(shutil.copytree(school.base, tmp_path / "whole"))
    found = await school.model_in((await imported(whole, "mine")).id, READY)
    assert (found.kind, found.sha256) == (model_pb2.MODEL_KIND_TUNED, base.sha256)
    await school.run_in((await school.create_run(found)).id, SUCCEEDED)
    config = json.loads((whole / "config.json").read_bytes())
    (whole / "config.json").write_text(json.dumps({**config, "intermediate_size": 96}))
    reason, message = await failure_of(school, await imported(whole, "wrong"))
    assert reason == "INVALID_BASE_MODEL"
    assert "config.json says [96, 64]" in message
    async with school.stores.pool("trainer") as pool:
        # Of those that failed a retry may still make something.
        assert await pool.fetchval("SELECT count(*) FROM model_uploads") == 3
