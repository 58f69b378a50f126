"""What runs learn and make, with the real engine, gRPC, Postgres and S3."""

from __future__ import annotations

import hashlib
import json

import httpx
import pytest

from services.runtime.ids import new_id
from services.trainer.checkpoints.store import Checkpoints
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.errors import ApiError
from sishu.trainer.v1 import model_pb2, training_row_pb2, training_run_pb2
from sishu.trainer.v1 import model_service_pb2 as models
from sishu.trainer.v1 import training_service_pb2 as runs
from tests.integration import trainer_school
from tests.integration.fake_datasets import bytes_of, rows_about
from tests.integration.stores import HOST
from tests.integration.trainer_school import READY, SUCCEEDED, School, StartTrainer

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school, start_trainer = trainer_school.school, trainer_school.start_trainer


@pytest.mark.gate
async def test_a_run_makes_an_adapter_and_shows_all_it_did(
    school: School, start_trainer: StartTrainer
) -> None:
    room = await start_trainer()
    base = await school.prepared()
    assert (base.architecture, base.context_length) == ("LlamaForCausalLM", 512)
    request_id = new_id()
    run = await school.create_run(base, request_id, lora_rank=4)
    assert (run.config.lora_alpha, run.config.schedule, run.config.seed) == (8, "cosine", 42)
    assert (await school.create_run(base, request_id)).id == run.id

    watched: list[int] = []
    async for sight in school.client.training.WatchTrainingRun(runs.WatchTrainingRunRequest(id=run.id)):
        watched += [step.step for step in sight.training_steps]
        run = sight.training_run
    assert run.state == SUCCEEDED, run.failure
    assert watched == list(range(1, 13))
    await school.check_all_steps_once(run, 12)
    assert (run.summary.device, run.summary.precision, run.summary.phase) == ("cpu", "fp32", "")
    assert run.summary.trainable_parameter_count > 0
    assert run.summary.peak_memory_bytes > 0

    late = runs.WatchTrainingRunRequest(id=run.id, after_step=10)
    again = [
        step.step
        async for sight in school.client.training.WatchTrainingRun(late)
        for step in sight.training_steps
    ]
    assert again == [11, 12]

    await check_adapter(school, run, base)
    await check_lineage(school, run, base)
    await check_nothing_is_left(school, run)
    await check_metrics(room.metrics_port, run)
    await check_deletion(school, run, base)


async def check_adapter(school: School, run: training_run_pb2.TrainingRun, base: model_pb2.Model) -> None:
    adapter = await school.model(run.model_id)
    assert (adapter.kind, adapter.state, adapter.name) == (model_pb2.MODEL_KIND_ADAPTER, READY, "towns")
    assert (adapter.base_model_id, adapter.training_run_id) == (base.id, run.id)
    assert adapter.parameter_count == run.summary.trainable_parameter_count
    assert adapter.chat_template_sha256 == base.chat_template_sha256
    assert adapter.renderer_sha256 == run.renderer_sha256
    assert (len(adapter.renderer_sha256), base.renderer_sha256) == (64, "")
    request = models.GetModelFilesRequest(id=adapter.id)
    files = {file.name: file for file in (await school.client.models.GetModelFiles(request)).files}
    assert {"adapter_config.json", "adapter_model.safetensors", "renderer.json"} <= set(files)
    assert adapter.size_bytes == sum(file.size_bytes for file in files.values())
    async with httpx.AsyncClient(trust_env=False) as http:
        for file in files.values():
            content = (await http.get(file.url)).content
            assert hashlib.sha256(content).hexdigest() == file.sha256
            if file.name == "adapter_config.json":
                assert json.loads(content)["base_model_name_or_path"] == "tiny"


async def check_lineage(school: School, run: training_run_pb2.TrainingRun, base: model_pb2.Model) -> None:
    assert run.dataset_content_sha256 == school.datasets.version.content_sha256
    assert run.base_model_sha256 == base.sha256
    assert run.code_version.startswith("0.")
    assert set(run.engine_versions) == {"python", "torch", "transformers", "peft"}
    assert run.config.lora_rank == 4
    assert (run.training_rows.rows, run.training_rows.kept, run.HasField("validation_rows")) == (
        24,
        24,
        False,
    )
    async with school.stores.pool("trainer") as pool:
        engine = await pool.fetchval("SELECT engine FROM training_runs WHERE id = $1", run.id)
    assert engine["base_model_sha256"] == base.sha256


async def check_nothing_is_left(school: School, run: training_run_pb2.TrainingRun) -> None:
    assert school.engines() == []
    left = {path.name for path in school.work(run.id).iterdir() if not path.name.startswith(".")}
    assert left == {"spec.json", "events.jsonl", "engine.log"}
    async with school.stores.storage() as storage:
        prefix = f"runs/{run.project_id}/{run.id}/"
        assert json.loads(await storage.get_bytes(f"{prefix}spec.json"))["run_id"] == run.id
        files = await school.client.training.GetTrainingRunFiles(runs.GetTrainingRunFilesRequest(id=run.id))
        names = [file.name for file in files.files]
        assert names[:3] == ["events.jsonl", "rows_train.jsonl", "spec.json"]
        assert names[3].startswith("tensorboard/events.out.tfevents.")
        board = await storage.get_bytes(prefix + names[3])
        assert board.count(b"train/loss") == run.summary.steps
        assert hashlib.sha256(board).hexdigest() == files.files[3].sha256
        events = (await storage.get_bytes(f"{prefix}events.jsonl")).splitlines()
        assert json.loads(events[-1])["type"] == "finished"
        report = (await storage.get_bytes(f"{prefix}rows_train.jsonl")).splitlines()
        assert [json.loads(line)["id"] for line in report] == [f"row-{number}" for number in range(24)]
    async with school.stores.pool("trainer") as pool:
        assert await pool.fetchval("SELECT count(*) FROM device_leases") == 0


async def check_metrics(port: int, run: training_run_pb2.TrainingRun) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://{HOST}:{port}/metrics")).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['sishu_trainer_tokens_total{kind="real"}']) == run.summary.tokens
    assert float(values["sishu_trainer_step_seconds_count"]) == 12
    assert float(values[f'sishu_trainer_loss{{run="{run.id}"}}']) == run.summary.loss_last
    assert values[f'sishu_trainer_run_state{{run="{run.id}",state="succeeded"}}'] == "1.0"
    assert float(values['sishu_trainer_uploaded_bytes_total{kind="model"}']) > 0
    assert 'sishu_trainer_runs{state="pending"}' in values


async def check_deletion(school: School, run: training_run_pb2.TrainingRun, base: model_pb2.Model) -> None:
    with pytest.raises(ApiError) as caught:
        await school.client.models.DeleteModel(models.DeleteModelRequest(id=base.id))
    assert caught.value.reason == "MODEL_IN_USE"
    doomed = runs.DeleteTrainingRunRequest(id=run.id)
    with pytest.raises(ApiError) as caught:
        await school.client.training.DeleteTrainingRun(doomed)
    assert caught.value.reason == "TRAINING_RUN_IN_USE"
    assert (await school.run(run.id)).state == SUCCEEDED
    await school.client.models.DeleteModel(models.DeleteModelRequest(id=run.model_id))
    objects = 4 + await checkpoint_objects(school, run)
    assert (await school.client.training.DeleteTrainingRun(doomed)).deleted_objects == objects
    assert not school.work(run.id).exists()
    await check_project_deletion(school, base)


async def checkpoint_objects(school: School, run: training_run_pb2.TrainingRun) -> int:
    """Objects of a run's checkpoints: that of its last step, however short it was."""
    async with school.stores.pool("trainer") as pool:
        stored = await Checkpoints(pool).of_run(run.id)
    assert [(checkpoint.step, checkpoint.complete) for checkpoint in stored] == [(run.summary.steps, True)]
    return sum(len(checkpoint.files) for checkpoint in stored)


async def check_project_deletion(school: School, base: model_pb2.Model) -> None:
    run = await school.run_in((await school.create_run(base)).id, SUCCEEDED)
    objects = 4 + await checkpoint_objects(school, run)
    answer = await school.client.project_data("trainer").DeleteProjectData(
        DeleteProjectDataRequest(project_id=school.project_id)
    )
    assert answer.deleted_rows["trainer.models"] == 2
    assert answer.deleted_rows["trainer.training_runs"] == 1
    assert answer.deleted_objects == answer.deleted_rows["trainer.model_files"] + objects > objects
    async with school.stores.pool("trainer") as pool:
        for table in ("models", "model_files", "training_runs", "training_steps", "jobs", "job_items"):
            assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_a_full_run_makes_a_model_that_can_be_trained_again(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    base = await school.prepared()
    run = await school.create_run(base, method="full", learning_rate=2e-3)
    run = await school.run_in(run.id, SUCCEEDED)
    tuned = await school.model(run.model_id)
    assert (tuned.kind, tuned.state) == (model_pb2.MODEL_KIND_TUNED, READY)
    assert (tuned.base_model_id, tuned.training_run_id) == (base.id, run.id)
    assert (tuned.parameter_count, tuned.context_length) == (base.parameter_count, 512)
    assert (tuned.architecture, tuned.chat_template_sha256) == (base.architecture, base.chat_template_sha256)
    assert tuned.sha256 != base.sha256
    request = models.GetModelFilesRequest(id=tuned.id)
    files = {file.name for file in (await school.client.models.GetModelFiles(request)).files}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= files
    await check_nothing_is_left(school, run)

    again = await school.run_in((await school.create_run(tuned)).id, SUCCEEDED)
    assert again.base_model_sha256 == tuned.sha256
    assert again.summary.loss_first == pytest.approx(run.summary.loss_last, rel=0.5)
    assert again.summary.loss_first < run.summary.loss_first
    adapter = await school.model(again.model_id)
    assert (adapter.kind, adapter.base_model_id) == (model_pb2.MODEL_KIND_ADAPTER, tuned.id)
    for made in (adapter, tuned):
        await school.client.models.DeleteModel(models.DeleteModelRequest(id=made.id))
    assert not (school.stores.home / "models" / tuned.id).exists()


async def test_plain_text_is_fetched_and_learned(school: School, start_trainer: StartTrainer) -> None:
    school.datasets.shape = "pretraining"
    school.datasets.data = bytes_of([{"text": f"The town {n} lies by the river. " * 9} for n in range(9)])
    await start_trainer()
    run = await school.create_run(await school.prepared(), objective="cpt", cutoff_length=64)
    assert run.config.learning_rate == 1e-4
    run = await school.run_in(run.id, SUCCEEDED)
    assert run.summary.loss_last < run.summary.loss_first


async def test_a_run_is_measured_on_validation_rows_and_stops_early(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    base = await school.prepared()
    with pytest.raises(ApiError) as caught:
        await school.create_run(base, early_stop_patience=2)
    assert (caught.value.reason, caught.value.field) == (
        "NO_VALIDATION_ROWS",
        "training_run.config.early_stop_patience",
    )
    unlike = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "High in the snow."}]
    school.datasets.hold_out([{"id": "held-out", "messages": unlike}])
    run = await school.create_run(
        base,
        max_steps=400,
        learning_rate=1e-2,
        validation_steps=2,
        early_stop_patience=2,
        cutoff_length=60,
        system_prompt="You know the towns.",
    )
    run = await school.run_in(run.id, SUCCEEDED)
    counts, measured_counts = run.training_rows, run.validation_rows
    assert 0 < counts.dropped < counts.rows == 24 == counts.kept + counts.dropped
    assert (measured_counts.rows, measured_counts.kept) == (1, 1)
    asked = runs.ListTrainingRowsRequest(training_run_id=run.id, page_size=2)
    page = await school.client.training.ListTrainingRows(asked)
    assert [row.row_id for row in page.training_rows] == [f"row-{row.line - 1}" for row in page.training_rows]
    assert all(row.outcome == training_row_pb2.TRAINING_ROW_OUTCOME_DROPPED for row in page.training_rows)
    assert all(row.tokens > 60 and row.kept_tokens == 0 for row in page.training_rows)
    asked.outcome = training_row_pb2.TRAINING_ROW_OUTCOME_CUT
    assert not (await school.client.training.ListTrainingRows(asked)).training_rows
    measured = {step.step: step for step in await school.steps(run.id) if step.HasField("validation_loss")}
    assert list(measured) == list(range(2, run.summary.steps + 1, 2))
    best = min(measured, key=lambda step: measured[step].validation_loss)
    summary = run.summary
    assert summary.steps < summary.steps_total == 400
    assert (summary.validation_best_step, summary.published_step) == (best, best)
    assert summary.validation_loss_best == measured[best].validation_loss
    assert summary.validation_loss == measured[summary.steps].validation_loss


async def test_a_run_learns_preferences(school: School, start_trainer: StartTrainer) -> None:
    await start_trainer()
    base = await school.prepared()
    rows = [
        {
            "prompt": row["messages"][:1],
            "chosen": row["messages"][1:],
            "rejected": [{"role": "assistant", "content": "No idea."}],
        }
        for row in rows_about(8)
    ]
    school.datasets.shape, school.datasets.data = "preferences_jsonl", bytes_of(rows)
    run = await school.create_run(base, objective="dpo", use_dora=True, loraplus_ratio=4, learning_rate=1e-3)
    run = await school.run_in(run.id, SUCCEEDED)
    first, *_, last = await school.steps(run.id)
    assert (first.HasField("reward_accuracy"), last.reward_accuracy) == (True, 1.0)
    assert last.reward_margin > first.reward_margin
    assert last.loss < first.loss
