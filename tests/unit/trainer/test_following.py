from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.runtime.errors import DeadlineExceeded, FailedPrecondition, NotFound
from services.runtime.jobs import ItemClosed, Job
from services.trainer.engine_events import RunLog
from services.trainer.following import Follower
from services.trainer.metrics import TrainerMetrics
from services.trainer.store import Store
from services.trainer.training_config import TrainingConfig
from services.trainer.training_runs import TrainingRun, TrainingStep, TrainingSummary

NOW = datetime(2024, 1, 1, tzinfo=UTC)
JOB = Job("j", "p", "train", "running", "r", "", NOW, NOW, None, 1, 0, 0, 0)
RUN = TrainingRun(
    id="r",
    project_id="p",
    name="towns",
    dataset_version_id="d",
    dataset_content_sha256="dd",
    base_model_id="b",
    base_model_sha256="bb",
    config=TrainingConfig(),
    model_id="m",
    code_version="0",
    summary=TrainingSummary(),
    create_time=NOW,
    update_time=NOW,
    job=JOB,
)


class NoLosses:
    """A database without losses to judge."""

    async def fetch(self, *_: object) -> list[Any]:
        return []


@dataclass
class Rows:
    """A store whose server may be away."""

    pool: NoLosses = field(default_factory=NoLosses)
    steps: dict[int, float] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)

    async def save_progress(self, _run_id: str, _log: RunLog, steps: Sequence[TrainingStep]) -> None:
        if self.errors:
            raise self.errors.pop()
        self.steps |= {step.step: step.loss for step in steps}


@dataclass
class Scene:
    """A follower with everything around it."""

    work: Path
    rows: Rows = field(default_factory=Rows)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    said: list[str] = field(default_factory=list)

    def follower(self, fresh_from: int = 0) -> Follower:
        return Follower(
            run=RUN,
            work=self.work,
            fresh_from=fresh_from,
            store=cast(Store, self.rows),
            metrics=TrainerMetrics(self.registry),
            say=self.said.append,
        )

    def write(self, *events: dict[str, Any]) -> None:
        with (self.work / "events.jsonl").open("ab") as stream:
            stream.writelines(json.dumps(event).encode() + b"\n" for event in events)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def step(number: int, loss: float = 1.0) -> dict[str, Any]:
    names = ("epoch", "learning_rate", "grad_norm", "seconds")
    counts = ("tokens", "supervised_tokens", "padded_tokens", "peak_memory_bytes")
    values = {**dict.fromkeys(names, 0.5), **dict.fromkeys(counts, 10)}
    return {"type": "step", "time": 1.0, "step": number, "loss": loss, **values}


async def test_while_the_store_is_away_nothing_is_lost(scene: Scene) -> None:
    follower = scene.follower()
    scene.write(step(1), step(2))
    scene.rows.errors = [ConnectionRefusedError()]
    with pytest.raises(ConnectionRefusedError):
        await follower.catch_up()
    assert follower.log.summary.steps == 0
    scene.write(step(3))
    await follower.catch_up()
    assert scene.rows.steps == {1: 1.0, 2: 1.0, 3: 1.0}
    assert follower.log.summary.steps == 3


async def test_a_fault_that_will_not_pass_is_told(scene: Scene) -> None:
    scene.write(step(1))
    scene.rows.errors = [
        asyncpg.UndefinedColumnError("no such column"),
        asyncpg.DeadlockDetectedError("lost"),
    ]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
    try:
        with pytest.raises(asyncpg.UndefinedColumnError):
            await scene.follower().until_exit(process, silence_seconds=60, stall_seconds=60)
    finally:
        process.kill()
        await process.wait()
    assert scene.rows.errors == []


async def test_a_step_done_again_is_stored_as_measured_last_and_counted_when_it_is_new(scene: Scene) -> None:
    scene.write(step(1), step(2, loss=9.0))
    before = (scene.work / "events.jsonl").stat().st_size
    scene.write({"type": "resumed", "step": 1}, step(2, loss=4.0), step(3))
    follower = scene.follower(fresh_from=before)
    await follower.catch_up()
    assert scene.rows.steps == {1: 1.0, 2: 4.0, 3: 1.0}
    assert scene.registry.get_sample_value("sishu_trainer_step_seconds_count") == 2


async def test_another_base_model_than_the_registered_one_is_refused(scene: Scene) -> None:
    started = {
        "type": "started",
        "base_model_sha256": "cc",
        **dict.fromkeys(("device", "precision"), "cpu"),
        **dict.fromkeys(("steps_total", "parameter_count", "trainable_parameter_count", "dropped_rows"), 1),
    }
    scene.write(started)
    with pytest.raises(FailedPrecondition, match="cc…, not bb") as caught:
        await scene.follower().catch_up()
    assert caught.value.reason == "BASE_MODEL_CHANGED"


async def test_a_deleted_run_is_followed_no_more(scene: Scene) -> None:
    scene.write(step(1))
    scene.rows.errors = [NotFound("TRAINING_RUN_NOT_FOUND", "gone")]
    with pytest.raises(ItemClosed):
        await scene.follower().catch_up()


async def test_an_engine_that_says_nothing_is_given_up(scene: Scene) -> None:
    scene.write({"type": "progress", "phase": "loading"})
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
    try:
        with pytest.raises(DeadlineExceeded, match="no event"):
            await scene.follower().until_exit(process, silence_seconds=0.1, stall_seconds=60)
    finally:
        process.kill()
        await process.wait()
    assert scene.said == ["loading"]


HUNG = """
import sys, time
from pathlib import Path
from services.trainer.engine.events import EventLog
with EventLog(Path(sys.argv[1]), "r", quiet_seconds=0.05) as events:
    events.enter_phase("training")
    time.sleep(60)
"""


async def test_an_engine_whose_heart_beats_but_that_does_nothing_is_given_up(scene: Scene) -> None:
    events = scene.work / "events.jsonl"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HUNG, str(events))
    try:
        async with asyncio.timeout(60):
            while beats(events) < 3:
                await asyncio.sleep(0.02)
        before = beats(events)
        with pytest.raises(DeadlineExceeded, match="did no step") as caught:
            await scene.follower().until_exit(process, silence_seconds=60, stall_seconds=1)
    finally:
        process.kill()
        await process.wait()
    assert caught.value.reason == "ENGINE_STALLED"
    assert beats(events) > before, "it was silent"


VALIDATING = """
import sys, time
from pathlib import Path
from services.trainer.engine.events import EventLog
with EventLog(Path(sys.argv[1]), "r", quiet_seconds=0.05) as events:
    events.enter_phase("validating")
    for _ in range(int(sys.argv[2])):
        time.sleep(0.1)
        events.worked()
    time.sleep(float(sys.argv[3]))
"""


async def test_a_measurement_longer_than_a_stall_is_no_hang_as_long_as_it_gets_on(scene: Scene) -> None:
    command = (sys.executable, "-c", VALIDATING, str(scene.work / "events.jsonl"))
    process = await asyncio.create_subprocess_exec(*command, "40", "0")
    await scene.follower().until_exit(process, silence_seconds=60, stall_seconds=2)
    assert process.returncode == 0
    assert scene.said[-1] == "validating"


@pytest.mark.full
async def test_a_measurement_that_gets_stuck_is_given_up(scene: Scene) -> None:
    command = (sys.executable, "-c", VALIDATING, str(scene.work / "events.jsonl"))
    process = await asyncio.create_subprocess_exec(*command, "10", "60")
    try:
        with pytest.raises(DeadlineExceeded, match="did no step, no other work") as caught:
            await scene.follower().until_exit(process, silence_seconds=60, stall_seconds=2)
    finally:
        process.kill()
        await process.wait()
    assert caught.value.reason == "ENGINE_STALLED"


def beats(events: Path) -> int:
    return events.read_bytes().count(b"progress") if events.exists() else 0
