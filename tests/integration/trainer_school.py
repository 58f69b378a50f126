"""The trainer room with the real engine, Postgres and S3; the rooms that it reads are stand-ins.

A test module makes its own of these:

    base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
    school, start_trainer = trainer_school.school, trainer_school.start_trainer
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.errors import ApiError
from sishu.trainer.v1 import model_pb2, training_config_pb2, training_run_pb2
from sishu.trainer.v1 import model_service_pb2 as models
from sishu.trainer.v1 import training_service_pb2 as runs
from tests.integration.conftest import StartRoom
from tests.integration.fake_datasets import FakeDatasets, fake_datasets, rows_about
from tests.integration.fake_projects import FakeProjects, fake_projects
from tests.integration.processes import eventually
from tests.integration.stores import Room, Stores
from tests.unit.trainer.engine import conftest as engine_fixtures

base_model = engine_fixtures.base_model
tokenizer = engine_fixtures.tokenizer

StartTrainer = Callable[..., Awaitable[Room]]

# Runs are waited for on machines that do other things too; what is asked too often is slower for it.
RUN_SECONDS = 1200.0
PAUSE_SECONDS = 0.2
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

        await eventually(there, RUN_SECONDS, PAUSE_SECONDS)
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

        await eventually(there, RUN_SECONDS, PAUSE_SECONDS)
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

        await eventually(has_resumed, RUN_SECONDS, PAUSE_SECONDS)

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
    """Whether a process is an engine of the room of a state folder."""
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


def events_of(work: Path) -> list[dict[str, Any]]:
    """What the engine wrote into a run's folder."""
    return [json.loads(line) for line in (work / "events.jsonl").read_text().splitlines() if line[-1:] == "}"]


def resumed_at(work: Path) -> list[int]:
    """The steps after which it went on."""
    return [event["step"] for event in events_of(work) if event["type"] == "resumed"]


def last_event(work: Path) -> str:
    """What it wrote last."""
    return str(events_of(work)[-1]["type"])
