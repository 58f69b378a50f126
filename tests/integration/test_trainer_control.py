"""Runs that are paused, moved, watched and killed, with the real engine, and with several workers."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.runtime.jobs import Jobs
from sishu.errors import ApiError
from sishu.trainer.v1 import model_service_pb2 as models
from sishu.trainer.v1 import training_run_pb2, worker_pb2
from sishu.trainer.v1 import training_service_pb2 as runs
from sishu.trainer.v1.worker_service_pb2 import ListWorkersRequest
from tests.integration import trainer_school
from tests.integration.processes import eventually
from tests.integration.stores import ROOT
from tests.integration.trainer_school import (
    FAILED,
    LONG,
    PENDING,
    ROOM,
    RUN_SECONDS,
    SUCCEEDED,
    School,
    StartTrainer,
    events_of,
    last_event,
    resumed_at,
)
from tests.support.small_disks import enlarge, mounted

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school, start_trainer = trainer_school.school, trainer_school.start_trainer

STEPS: int = LONG["max_steps"]
PAUSED = training_run_pb2.TRAINING_RUN_STATE_PAUSED


async def pause(school: School, run_id: str) -> training_run_pb2.TrainingRun:
    await school.client.training.PauseTrainingRun(runs.PauseTrainingRunRequest(id=run_id))
    return await school.until(run_id, lambda run: run.state == PAUSED and not run.summary.phase)


async def resume(school: School, run_id: str) -> None:
    await school.client.training.ResumeTrainingRun(runs.ResumeTrainingRunRequest(id=run_id))


async def events(school: School, run_id: str) -> list[Any]:
    request = runs.ListTrainingEventsRequest(training_run_id=run_id, page_size=1000)
    return list((await school.client.training.ListTrainingEvents(request)).training_events)


async def kinds(school: School, run_id: str) -> list[str]:
    return [event.kind for event in await events(school, run_id)]


async def checkpoints(school: School, run_id: str) -> list[int]:
    request = runs.ListTrainingCheckpointsRequest(training_run_id=run_id)
    answer = await school.client.training.ListTrainingCheckpoints(request)
    return [checkpoint.step for checkpoint in answer.training_checkpoints]


async def test_a_paused_run_frees_its_device_and_goes_on_where_it_stood(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    base = await school.prepared()
    run = await school.create_run(base, **LONG)
    run = await school.beyond(run.id, 30)
    assert (list(run.device_ids), bool(run.host)) == (["cpu"], True)
    (worker,) = (await school.client.workers.ListWorkers(ListWorkersRequest())).workers
    assert (worker.state, worker.host) == (worker_pb2.WORKER_STATE_BUSY, run.host)
    assert [(device.id, device.training_run_id) for device in worker.devices] == [("cpu", run.id)]

    paused = await pause(school, run.id)
    assert (list(paused.device_ids), school.engines()) == ([], [])
    assert last_event(school.work(run.id)) == "stopped"
    stopped = events_of(school.work(run.id))[-1]["step"]
    assert paused.summary.steps == stopped
    assert (await checkpoints(school, run.id))[0] == stopped
    # Another run has the device meanwhile.
    other = await school.run_in((await school.create_run(base)).id, SUCCEEDED)
    assert (await school.run(run.id)).state == PAUSED

    await resume(school, run.id)
    run = await school.run_in(run.id, SUCCEEDED)
    await school.check_all_steps_once(run, STEPS)
    assert resumed_at(school.work(run.id)) == [stopped]
    started = [kind for kind in await kinds(school, run.id) if kind in {"leased", "paused", "resumed"}]
    assert started == ["leased", "paused", "leased", "resumed"]
    assert other.summary.steps == 12


async def test_a_run_goes_on_on_another_machine_and_keeps_what_it_is_told_to(
    school: School, start_trainer: StartTrainer
) -> None:
    room = await start_trainer()
    run = await school.create_run(await school.prepared(), **{**LONG, "keep_checkpoints": 1})
    await school.beyond(run.id, 60)
    paused = await pause(school, run.id)
    assert await room.stop() == 0
    assert await checkpoints_of(school, run) == [paused.summary.steps]
    # Another machine: nothing of the run is on its disk, and another name is nothing that a lease asks for.
    shutil.rmtree(school.work(run.id))
    await start_trainer()
    await resume(school, run.id)
    run = await school.run_in(run.id, SUCCEEDED)
    await school.check_all_steps_once(run, STEPS)
    assert resumed_at(school.work(run.id)) == [paused.summary.steps]
    assert "checkpoint_fetched" in await kinds(school, run.id)
    # Rates are of the present process alone while it trains, and the record has every step once or more.
    done = {event["step"] for event in events_of(school.work(run.id)) if event["type"] == "step"}
    assert done == set(range(1, STEPS + 1))
    assert await checkpoints(school, run.id) == [STEPS]
    await school.client.models.DeleteModel(models.DeleteModelRequest(id=run.model_id))
    await school.client.training.DeleteTrainingRun(runs.DeleteTrainingRunRequest(id=run.id))
    async with school.stores.storage() as storage:
        assert await storage.delete_prefix(f"runs/{run.project_id}/{run.id}/") == 0


async def test_checkpoints_of_a_run_that_is_cancelled_while_no_worker_has_it_are_swept(
    school: School, start_trainer: StartTrainer
) -> None:
    room = await start_trainer()
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 30)
    paused = await pause(school, run.id)
    assert (await checkpoints(school, run.id))[0] == paused.summary.steps
    assert await room.stop() == 0
    async with school.stores.pool("trainer") as pool:
        await Jobs(pool, "trainer").cancel(run.job.id)
    # It sweeps when it begins, and then now and then.
    await start_trainer()

    async def gone() -> bool:
        return await checkpoints(school, run.id) == []

    await eventually(gone, RUN_SECONDS)
    async with school.stores.storage() as storage:
        assert await storage.delete_prefix(f"runs/{run.project_id}/{run.id}/checkpoints/") == 0


async def checkpoints_of(school: School, run: training_run_pb2.TrainingRun) -> list[int]:
    """As the database has them, while no room serves."""
    async with school.stores.pool("trainer") as pool:
        rows = await pool.fetch(
            "SELECT step FROM training_checkpoints WHERE run_id = $1 AND complete", run.id
        )
    return [row["step"] for row in rows]


async def test_a_bucket_that_is_away_for_a_while_gets_its_checkpoints_later(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    run = await school.create_run(await school.prepared(), **{**LONG, "max_steps": 3000})
    await school.until(run.id, lambda seen: seen.summary.steps > 20)
    await school.stores.servers.s3.stop()

    async def told() -> bool:
        return "upload_failed" in await kinds(school, run.id)

    await eventually(told, RUN_SECONDS)
    before = (await school.run(run.id)).summary.steps
    await school.beyond(run.id, before + 20)
    await school.stores.servers.s3.start()

    async def stored() -> bool:
        return max(await checkpoints(school, run.id), default=0) > before

    await eventually(stored, RUN_SECONDS)
    await school.client.training.CancelTrainingRun(runs.CancelTrainingRunRequest(id=run.id))

    async def gone() -> bool:
        return await checkpoints(school, run.id) == []

    await eventually(gone, RUN_SECONDS)


async def test_a_killed_service_loses_no_event_and_the_artifacts_arrive(
    school: School, start_trainer: StartTrainer
) -> None:
    room = await start_trainer()
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 50)
    (engine,) = school.engines()
    await room.kill()
    psutil.wait_procs([engine], timeout=120)
    # What the engine wrote after the last that was stored.
    await start_trainer()
    seen = await school.until(run.id, lambda seen: bool(resumed_at(school.work(run.id))))
    run = await school.run_in(run.id, SUCCEEDED)
    await school.check_all_steps_once(run, STEPS)
    written = [event for event in events_of(school.work(run.id)) if event["type"] != "progress"]
    async with school.stores.storage() as storage:
        record = await storage.get_bytes(f"runs/{run.project_id}/{run.id}/events.jsonl")
    stored = [json.loads(line) for line in record.splitlines() if line[-1:] == b"}"]
    assert [event for event in stored if event["type"] != "progress"] == written
    assert seen.job.id == run.job.id
    assert (await kinds(school, run.id)).count("leased") == 2
    adapter = await school.model(run.model_id)
    assert adapter.size_bytes > 0


async def test_the_speed_after_a_resume_is_that_of_the_present_process(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 40)
    await pause(school, run.id)
    # As if the first process had been a thousand times slower.
    path = school.work(run.id) / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    slow = [{**line, "seconds": 1000 * line["seconds"]} if line["type"] == "step" else line for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in slow))
    await resume(school, run.id)
    first = max(line["step"] for line in lines if line["type"] == "step")
    run = await school.beyond(run.id, first + 10)
    steps = [step for step in await school.steps(run.id) if step.step > first]
    fresh = sum(step.tokens for step in steps) / sum(step.seconds for step in steps)
    assert run.summary.tokens_per_second == pytest.approx(fresh, rel=0.9)
    await school.client.training.CancelTrainingRun(runs.CancelTrainingRunRequest(id=run.id))


DIVERGING: dict[str, Any] = {
    "learning_rate": 1.0,
    "loraplus_ratio": 1000.0,
    "max_grad_norm": 0.0,
    "schedule": "constant",
    "warmup_ratio": 0.0,
}


async def test_a_run_that_diverges_fails_with_its_reason_and_one_that_may_goes_back(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    base = await school.prepared()
    run = await school.run_in((await school.create_run(base, **{**DIVERGING, "max_steps": 60})).id, FAILED)
    assert (run.failure.code, run.failure.reason) == ("FAILED_PRECONDITION", "NOTHING_LEARNED")
    assert "lower learning_rate" in run.failure.message
    assert (await kinds(school, run.id))[-1] == "failed"
    wanted = {**DIVERGING, "max_steps": 40, "bad_step": "rollback", "rollback_rate": 0.01}
    run = await school.run_in((await school.create_run(base, **wanted)).id, SUCCEEDED)
    back = next(event for event in await events(school, run.id) if event.kind == "rolled_back")
    assert back.details["reason"] == "NOTHING_LEARNED"


FAULTS = """
import os, sys, time
if "services.trainer.engine" in " ".join(sys.orig_argv):
    import importlib.abc, importlib.util

    class Patched(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name != "services.trainer.engine.loop":
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            load = spec.loader.exec_module
            def patched(module):
                load(module)
                real = module.do_step
                def do_step(run, step):
                    fault(run, step)
                    real(run, step)
                module.do_step = do_step
            spec.loader.exec_module = patched
            return spec

    sys.meta_path.insert(0, Patched())
"""
STALLS = """
def fault(run, step):
    once = run.spec.output_dir / "stalled"
    if step.number == 5 and os.environ.get("RANK") == "1" and not once.exists():
        once.write_text("")
        hang_for_ever()

def hang_for_ever():
    while True:
        time.sleep(60)
"""
GREEDY = """
held = []

def fault(run, step):
    if not run.spec.micro_tokens or os.environ.get("ALWAYS"):
        held.append(bytearray(b"x") * 1_000_000_000)
        time.sleep(60)
"""
REFUSED = """
def fault(run, step):
    if not run.spec.micro_tokens:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
"""


def with_fault(folder: Path, fault: str, **more: str) -> dict[str, str]:
    """The room's variables, and those by which its engine has a fault."""
    (folder / "sitecustomize.py").write_text(fault + FAULTS)
    paths = [folder, ROOT, ROOT / "clients" / "python"]
    return {**ROOM, "PYTHONPATH": os.pathsep.join(map(str, paths)), **more}


async def test_a_stalled_rank_is_found_its_stacks_are_kept_and_the_run_goes_on(
    school: School, start_trainer: StartTrainer, tmp_path: Path
) -> None:
    await start_trainer(env=with_fault(tmp_path, STALLS, SISHU_TRAINER_STALL_SECONDS="45"))
    run = await school.create_run(await school.prepared(), devices=2, checkpoint_steps=3)
    run = await school.run_in(run.id, SUCCEEDED)
    await school.check_all_steps_once(run, 12)
    (stalled,) = [event for event in await events(school, run.id) if event.kind == "stalled"]
    assert stalled.details["rank_1"].startswith("hang_for_ever (sitecustomize.py:")
    assert stalled.details["reason"] == "ENGINE_STALLED"
    assert "rank 1 in hang_for_ever" in stalled.message
    async with school.stores.storage() as storage:
        key = f"runs/{run.project_id}/{run.id}/{stalled.details['file']}"
        text = (await storage.get_bytes(key)).decode()
    assert "== rank 0" in text
    assert "hang_for_ever" in text.partition("== rank 1")[2]


async def test_a_run_that_lacks_memory_goes_on_with_less_once(
    school: School, start_trainer: StartTrainer, tmp_path: Path
) -> None:
    room = await start_trainer(env=with_fault(tmp_path, REFUSED))
    base = await school.prepared()
    run = await school.run_in((await school.create_run(base)).id, SUCCEEDED)
    await school.check_all_steps_once(run, 12)
    (replanned,) = [event for event in await events(school, run.id) if event.kind == "memory_replanned"]
    assert replanned.details == {"micro_tokens": "64", "gradient_checkpointing": "True"}
    assert "DefaultCPUAllocator" in replanned.message
    assert await room.stop() == 0

    # Memory that is had and not only asked for; and it is too much again.
    limit = {"SISHU_TRAINER_MEMORY_BYTES": "1200000000", "ALWAYS": "1"}
    await start_trainer(env=with_fault(tmp_path, GREEDY, **limit))
    run = await school.run_in((await school.create_run(base)).id, FAILED)
    assert (run.failure.code, run.failure.reason) == ("FAILED_PRECONDITION", "OUT_OF_MEMORY")
    assert "more than the 1.12 GiB of SISHU_TRAINER_MEMORY_BYTES" in run.failure.message
    assert "tried with micro batches of at most 64 tokens" in run.failure.message
    assert (await kinds(school, run.id)).count("memory_replanned") == 1
    assert school.engines() == []


async def test_a_full_disk_fails_the_run_and_room_on_it_lets_it_go_on(
    school: School, start_trainer: StartTrainer
) -> None:
    with mounted(school.stores.home / "runs", "420k") as disk:
        room = await start_trainer()
        base = await school.prepared()
        refused = await school.create_run(base, checkpoint_steps=2, lora_rank=8)
        refused = await school.run_in(refused.id, FAILED)
        assert (refused.failure.code, refused.failure.reason) == ("FAILED_PRECONDITION", "DISK_SHORT")
        # Who knows better starts it all the same.
        run = await school.create_run(base, checkpoint_steps=2, lora_rank=8, ignore_estimate=True)
        run = await school.run_in(run.id, FAILED)
        assert run.failure.code == "FAILED_PRECONDITION"
        assert run.failure.reason in {"DISK_FULL", "WORK_FOLDER_UNUSABLE", "DISK_UNUSABLE"}
        assert "free some" in run.failure.message
        enlarge(disk, "64m")
        request = runs.RetryTrainingRunRequest(id=run.id)
        await school.client.training.RetryTrainingRun(request)
        run = await school.run_in(run.id, SUCCEEDED)
        await school.check_all_steps_once(run, 12)
        await room.stop()


async def test_two_workers_are_shown_and_a_run_that_needs_more_waits(
    school: School, start_trainer: StartTrainer
) -> None:
    await start_trainer()
    second = await start_trainer("worker")

    async def shown() -> int:
        answer = await school.client.workers.ListWorkers(ListWorkersRequest())
        return len({worker.process_id for worker in answer.workers})

    async def both() -> bool:
        return await shown() == 2

    await eventually(both, RUN_SECONDS)
    base = await school.prepared()
    first = await school.create_run(base, **LONG)
    await school.beyond(first.id, 10)
    waiting = await school.create_run(base)
    waiting = await school.until(waiting.id, lambda run: run.job.progress.startswith("waiting for a device"))
    assert waiting.state == PENDING
    assert len(school.engines()) == 1
    await pause(school, first.id)
    await school.run_in(waiting.id, SUCCEEDED)
    assert await second.stop() == 0

    async def one() -> bool:
        return await shown() == 1

    await eventually(one, RUN_SECONDS)
    with pytest.raises(ApiError) as caught:
        await school.client.training.PauseTrainingRun(runs.PauseTrainingRunRequest(id=waiting.id))
    assert caught.value.reason == "TRAINING_RUN_ENDED"
    await school.client.training.CancelTrainingRun(runs.CancelTrainingRunRequest(id=first.id))
