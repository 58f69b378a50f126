"""The trainer room with the real engine: gRPC, Postgres, S3, and what happens when any of them goes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio

from services.runtime.errors import FailedPrecondition, NotFound
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from services.runtime.storage import Storage
from services.trainer.checkpoints.store import Checkpoints
from services.trainer.store import Store
from sishu.client import Client
from sishu.common.v1 import job_service_pb2 as job_pb
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import dataset_version_pb2
from sishu.errors import ApiError
from sishu.trainer.v1 import model_pb2, training_config_pb2, training_row_pb2, training_run_pb2
from sishu.trainer.v1 import model_service_pb2 as models
from sishu.trainer.v1 import training_service_pb2 as runs
from tests.integration.conftest import StartRoom
from tests.integration.fake_datasets import FakeDatasets, bytes_of, fake_datasets, rows_about
from tests.integration.fake_projects import FakeProjects, fake_projects
from tests.integration.processes import eventually
from tests.integration.stores import HOST, Room, Stores
from tests.unit.trainer.engine import conftest as engine_fixtures

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

base_model = engine_fixtures.base_model
tokenizer = engine_fixtures.tokenizer

StartTrainer = Callable[..., Awaitable[Room]]

RUN_SECONDS = 240.0
READY = model_pb2.MODEL_STATE_READY
FAILED = training_run_pb2.TRAINING_RUN_STATE_FAILED
PENDING = training_run_pb2.TRAINING_RUN_STATE_PENDING
RUNNING = training_run_pb2.TRAINING_RUN_STATE_RUNNING
SUCCEEDED = training_run_pb2.TRAINING_RUN_STATE_SUCCEEDED
CANCELLED = training_run_pb2.TRAINING_RUN_STATE_CANCELLED

# Tiny matrices gain nothing from threads; on a busy machine two seconds of silence are no proof of death.
ROOM = {"SISHU_TRAINER_THREADS": "1", "SISHU_HEARTBEAT_SECONDS": "5"}

# A step of the tiny model takes some milliseconds: long enough to be interrupted, short enough to wait for.
LONG: dict[str, Any] = {"max_steps": 800, "epochs": 1000.0, "checkpoint_steps": 20}


@dataclass
class School:
    """What the tests ask of the room."""

    stores: Stores
    client: Client
    datasets: FakeDatasets
    projects: FakeProjects
    base: Path
    project_id: str

    async def prepared(self) -> model_pb2.Model:
        """The tiny base model, ready."""
        model = await self.create_model(str(self.base))
        return await self.model_in(model.id, READY)

    async def create_model(
        self,
        source: str,
        name: str = "tiny",
        request_id: str = "",
        kind: model_pb2.ModelKind.ValueType = model_pb2.MODEL_KIND_UNSPECIFIED,
    ) -> model_pb2.Model:
        wanted = model_pb2.Model(project_id=self.project_id, name=name, source=source, kind=kind)
        request = models.CreateModelRequest(model=wanted, request_id=request_id)
        return (await self.client.models.CreateModel(request)).model

    async def model(self, model_id: str) -> model_pb2.Model:
        return (await self.client.models.GetModel(models.GetModelRequest(id=model_id))).model

    async def model_in(self, model_id: str, state: model_pb2.ModelState.ValueType) -> model_pb2.Model:
        async def there() -> bool:
            return (await self.model(model_id)).state == state

        await eventually(there, RUN_SECONDS)
        return await self.model(model_id)

    async def create_run(
        self, base: model_pb2.Model, request_id: str = "", **config: Any
    ) -> training_run_pb2.TrainingRun:
        config = {"max_steps": 12, "batch_tokens": 256, "precision": "fp32", **config}
        run = training_run_pb2.TrainingRun(
            project_id=self.project_id,
            name="towns",
            dataset_version_id=self.datasets.version.id,
            base_model_id=base.id,
            config=training_config_pb2.TrainingConfig(**config),
        )
        request = runs.CreateTrainingRunRequest(training_run=run, request_id=request_id)
        return (await self.client.training.CreateTrainingRun(request)).training_run

    async def run(self, run_id: str) -> training_run_pb2.TrainingRun:
        answer = await self.client.training.GetTrainingRun(runs.GetTrainingRunRequest(id=run_id))
        return answer.training_run

    async def until(
        self, run_id: str, check: Callable[[training_run_pb2.TrainingRun], bool]
    ) -> training_run_pb2.TrainingRun:
        """Wait until a run is as wanted; a room that is away for a moment is asked again."""

        async def there() -> bool:
            with contextlib.suppress(ApiError):
                return check(await self.run(run_id))
            return False

        await eventually(there, RUN_SECONDS)
        return await self.run(run_id)

    async def run_in(
        self, run_id: str, state: training_run_pb2.TrainingRunState.ValueType
    ) -> training_run_pb2.TrainingRun:
        return await self.until(run_id, lambda run: run.state == state)

    async def beyond(self, run_id: str, step: int) -> training_run_pb2.TrainingRun:
        return await self.until(run_id, lambda run: run.summary.steps > step and run.state == RUNNING)

    async def resumed(self, run_id: str, times: int) -> None:
        async def has_resumed() -> bool:
            return len(resumed_at(self.work(run_id))) == times

        await eventually(has_resumed, RUN_SECONDS)

    async def steps(self, run_id: str) -> list[training_run_pb2.TrainingStep]:
        """All steps, page by page."""
        found: list[training_run_pb2.TrainingStep] = []
        token = ""
        while True:
            request = runs.ListTrainingStepsRequest(training_run_id=run_id, page_size=500, page_token=token)
            page = await self.client.training.ListTrainingSteps(request)
            found += page.training_steps
            token = page.next_page_token
            if not token:
                return found

    def work(self, run_id: str) -> Path:
        return self.stores.home / "runs" / run_id

    def engines(self) -> list[psutil.Process]:
        """The engines of this test that are alive; what an engine forks bears its name for an instant."""
        home = str(self.stores.home)
        found = {
            process.pid: process for process in psutil.process_iter(["ppid"]) if is_engine(process, home)
        }
        return [process for process in found.values() if process.info["ppid"] not in found]

    async def check_all_steps_once(self, run: training_run_pb2.TrainingRun, steps: int) -> None:
        """Every step stands once, and the sums are those of the steps."""
        found = await self.steps(run.id)
        assert [step.step for step in found] == list(range(1, steps + 1))
        assert run.summary.steps == run.summary.steps_total == steps
        assert run.summary.tokens == sum(step.tokens for step in found)
        assert run.summary.loss_first == found[0].loss
        assert run.summary.loss_last == found[-1].loss < found[0].loss


def is_engine(process: psutil.Process, home: str) -> bool:
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        return "services.trainer.engine" in words and words[-1].startswith(home)
    return False


@pytest.fixture
def start_trainer(start_room: StartRoom) -> StartTrainer:
    return functools.partial(start_room, "trainer", env=ROOM)


@pytest_asyncio.fixture
async def school(stores: Stores, own_client: Client, base_model: Path) -> AsyncIterator[School]:
    project_id = new_id()
    async with (
        fake_datasets(stores, rows_about(24), project_id) as datasets,
        fake_projects(stores, project_id) as projects,
    ):
        yield School(stores, own_client, datasets, projects, base_model, project_id)


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
    objects = 4 + await checkpoint_objects(school, run.id)
    assert (await school.client.training.DeleteTrainingRun(doomed)).deleted_objects == objects
    assert not school.work(run.id).exists()
    await check_project_deletion(school, base)


async def checkpoint_objects(school: School, run_id: str) -> int:
    """Objects of a run's checkpoints: of a run so short, one may or may not have got into the bucket."""
    async with school.stores.pool("trainer") as pool:
        stored = await Checkpoints(pool).of_run(run_id)
    assert all(checkpoint.complete for checkpoint in stored)
    return sum(len(checkpoint.files) for checkpoint in stored)


async def check_project_deletion(school: School, base: model_pb2.Model) -> None:
    run = await school.run_in((await school.create_run(base)).id, SUCCEEDED)
    objects = 4 + await checkpoint_objects(school, run.id)
    answer = await school.client.project_data("trainer").DeleteProjectData(
        DeleteProjectDataRequest(project_id=school.project_id)
    )
    assert answer.deleted_rows["trainer.models"] == 2
    assert answer.deleted_rows["trainer.training_runs"] == 1
    assert answer.deleted_objects == answer.deleted_rows["trainer.model_files"] + objects > objects
    async with school.stores.pool("trainer") as pool:
        for table in ("models", "model_files", "training_runs", "training_steps", "jobs", "job_items"):
            assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table


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
    school.datasets.shape, school.datasets.data = "dpo_trl", bytes_of(rows)
    run = await school.create_run(base, objective="dpo", use_dora=True, loraplus_ratio=4, learning_rate=1e-3)
    run = await school.run_in(run.id, SUCCEEDED)
    first, *_, last = await school.steps(run.id)
    assert (first.HasField("reward_accuracy"), last.reward_accuracy) == (True, 1.0)
    assert last.reward_margin > first.reward_margin
    assert last.loss < first.loss


async def test_a_run_goes_on_whatever_is_killed(school: School, start_trainer: StartTrainer) -> None:
    start_trainer = functools.partial(start_trainer, env={**ROOM, "SISHU_PATIENCE_SECONDS": "0.1"})
    room = await start_trainer()
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 40)
    school.engines()[0].kill()
    await school.resumed(run.id, times=1)
    # With a checkpoint in between, it is another trouble, however long ago the first was.
    (first,) = resumed_at(school.work(run.id))
    await school.beyond(run.id, first + 30)
    school.engines()[0].kill()
    await school.resumed(run.id, times=2)
    await school.beyond(run.id, first + 60)

    engine = school.engines()[0]
    await room.kill()
    psutil.wait_procs([engine], timeout=20)
    assert not engine.is_running(), "the engine outlived its worker"
    room = await start_trainer()
    await school.beyond(run.id, first + 180)

    # An orderly end: the engine writes a checkpoint, and nothing is done twice.
    assert await room.stop() == 0
    assert school.engines() == []
    assert last_event(school.work(run.id)) == "stopped"
    await start_trainer()
    run = await school.run_in(run.id, SUCCEEDED)
    await school.check_all_steps_once(run, 800)
    resumed = resumed_at(school.work(run.id))
    assert len(resumed) == 4
    assert resumed == sorted(resumed)
    assert resumed[0] >= 40
    assert run.job.counts.done == 1


def events_of(work: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work / "events.jsonl").read_text().splitlines() if line[-1:] == "}"]


def resumed_at(work: Path) -> list[int]:
    return [event["step"] for event in events_of(work) if event["type"] == "resumed"]


def last_event(work: Path) -> str:
    return str(events_of(work)[-1]["type"])


async def test_sigterm_on_a_worker_stops_its_engine_at_once(
    school: School, start_room: StartRoom, start_trainer: StartTrainer
) -> None:
    await start_room("trainer", env={**ROOM, "SISHU_TRAINER_CONCURRENCY": "0"})
    worker = await start_trainer("worker")
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 30)
    (engine,) = school.engines()
    worker.process.send(signal.SIGTERM)
    # Much less than the time that an item in work has to end (`DRAIN_SECONDS`).
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [engine], timeout=10)
    assert gone, "the engine went on"
    assert await worker.process.wait() == 0
    assert last_event(school.work(run.id)) == "stopped"


async def test_a_run_outlives_its_stores(school: School, start_trainer: StartTrainer) -> None:
    await start_trainer()
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 30)
    await school.stores.servers.postgres.stop()
    await asyncio.sleep(3)
    await school.stores.servers.s3.stop()
    await school.stores.servers.postgres.start()
    await school.until(run.id, lambda seen: seen.job.progress == "storing the adapter")
    await asyncio.sleep(2)
    assert (await school.run(run.id)).state == RUNNING
    await school.stores.servers.s3.start()
    run = await school.run_in(run.id, SUCCEEDED)
    await school.check_all_steps_once(run, 800)
    started = [event for event in events_of(school.work(run.id)) if event["type"] == "started"]
    assert len(started) == 1, "the engine was started again"


async def test_a_cancelled_run_stops_its_engine(school: School, start_trainer: StartTrainer) -> None:
    await start_trainer()
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 30)
    with pytest.raises(ApiError) as caught:
        await school.client.training.DeleteTrainingRun(runs.DeleteTrainingRunRequest(id=run.id))
    assert caught.value.reason == "TRAINING_RUN_ACTIVE"
    await school.client.jobs("trainer").CancelJob(job_pb.CancelJobRequest(id=run.job.id))
    assert (await school.run(run.id)).state == CANCELLED

    async def gone() -> bool:
        return not school.engines() and not (school.work(run.id) / "checkpoints").exists()

    await eventually(gone)
    run = await school.run(run.id)
    assert (run.state, run.summary.phase, run.model_id) == (CANCELLED, "", "")
    assert 30 < len(await school.steps(run.id)) < 800


async def test_a_run_that_was_deleted_leaves_nothing(school: School, start_trainer: StartTrainer) -> None:
    await start_trainer()
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 30)
    async with school.stores.pool("trainer") as pool, school.stores.storage() as storage:
        store = Store(pool, Jobs(pool, "trainer"))
        seen = await store.get_run(run.id)
        # As if the run had stored these while the project was being deleted: rows first, objects then.
        keys = [f"{prefix}file" for prefix in (seen.files_prefix, seen.model_prefix)]
        for key in keys:
            await storage.put_bytes(key, b"late")
        await store.delete_project(school.project_id)

        async def gone() -> bool:
            return not school.engines() and not [key for key in keys if await is_there(storage, key)]

        await eventually(gone)
    assert not school.work(run.id).exists()


async def is_there(storage: Storage, key: str) -> bool:
    with contextlib.suppress(NotFound):
        return (await storage.inspect(key)).size > 0
    return False


async def test_a_failed_run_says_what_its_engine_said_and_can_be_retried(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    base = await school.prepared()
    wrong = await school.create_run(base, lora_targets=["no_such_layer"])
    wrong = await school.run_in(wrong.id, FAILED)
    assert (wrong.failure.code, wrong.failure.reason) == ("INVALID_ARGUMENT", "INVALID_BASE_MODEL")
    assert "no_such_layer" in wrong.failure.message
    assert "Traceback" not in wrong.failure.message

    school.datasets.refusal = FailedPrecondition("DATASET_VERSION_NOT_READY", "the version is gone")
    run = await school.create_run(base)
    run = await school.run_in(run.id, FAILED)
    assert (run.failure.reason, run.failure.message) == ("DATASET_VERSION_NOT_READY", "the version is gone")
    school.datasets.refusal = None
    await school.client.jobs("trainer").RetryJob(job_pb.RetryJobRequest(id=run.job.id))
    assert (await school.run(run.id)).state in {PENDING, RUNNING}
    run = await school.run_in(run.id, SUCCEEDED)
    await school.check_all_steps_once(run, 12)
    assert not run.failure.reason


async def test_two_workers_of_a_host_run_one_engine_at_a_time(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    await start_trainer("worker", "--concurrency", "2")
    base = await school.prepared()
    started = [await school.create_run(base, max_steps=300, epochs=1000.0) for _ in range(2)]
    most, pending_while_running = 0, False

    async def both_done() -> bool:
        nonlocal most, pending_while_running
        most = max(most, len(school.engines()))
        states = {(await school.run(run.id)).state for run in started}
        pending_while_running |= states == {PENDING, RUNNING}
        return states == {SUCCEEDED}

    await eventually(both_done, RUN_SECONDS)
    assert most == 1
    assert pending_while_running
    names = {(await school.model((await school.run(run.id)).model_id)).name for run in started}
    assert "towns" in names
    assert len(names) == 2


async def test_runs_that_wait_for_the_device_hold_nothing_up(
    school: School, start_trainer: StartTrainer
) -> None:
    # Whoever waits may do so for longer than trouble may last.
    await start_trainer(env={**ROOM, "SISHU_PATIENCE_SECONDS": "0.1"})
    base = await school.prepared()
    async with school.stores.pool("trainer") as pool:
        await pool.execute(
            "WITH lease AS (INSERT INTO run_leases (run_id, holder, worker_id, host, heartbeat_time) "
            "VALUES ($2, $2, $2, $1, now() + interval '1 hour') RETURNING host, run_id) "
            "INSERT INTO device_leases (host, device, run_id) SELECT host, 'cpu', run_id FROM lease",
            socket.gethostname(),
            new_id(),
        )
        waiting = [await school.create_run(base) for _ in range(4)]
        for run in waiting:
            seen = await school.until(run.id, lambda run: run.job.progress.startswith("waiting for a device"))
            assert seen.state == PENDING
        other = await school.create_model(str(school.base), "other")
        await school.model_in(other.id, READY)
        for run in waiting[1:]:
            await school.client.jobs("trainer").CancelJob(job_pb.CancelJobRequest(id=run.job.id))
        await pool.execute("DELETE FROM run_leases")
        await school.run_in(waiting[0].id, SUCCEEDED)


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
