"""Runs whose engine, worker, stores or devices go, with the real engine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket

import psutil
import pytest

from services.runtime.errors import FailedPrecondition, NotFound
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from services.runtime.storage import Storage
from services.trainer.store import Store
from sishu.common.v1 import job_service_pb2 as job_pb
from sishu.errors import ApiError
from sishu.trainer.v1 import training_service_pb2 as runs
from tests.integration import trainer_school
from tests.integration.conftest import StartRoom
from tests.integration.processes import eventually
from tests.integration.trainer_school import (
    CANCELLED,
    FAILED,
    LONG,
    PENDING,
    READY,
    ROOM,
    RUN_SECONDS,
    RUNNING,
    SUCCEEDED,
    School,
    StartTrainer,
    events_of,
    last_event,
    resumed_at,
)

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school, start_trainer = trainer_school.school, trainer_school.start_trainer


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
    psutil.wait_procs([engine], timeout=120)
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
    kept = await school.client.training.ListTrainingCheckpoints(
        runs.ListTrainingCheckpointsRequest(training_run_id=run.id)
    )
    assert [checkpoint.step for checkpoint in kept.training_checkpoints] == [800, 780]
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

    await eventually(gone, RUN_SECONDS)
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

        await eventually(gone, RUN_SECONDS)
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
