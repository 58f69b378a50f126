"""Leases, workers, checkpoints and events of the trainer room, with real stores and without its process."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from services.runtime.errors import FailedPrecondition, Unavailable
from services.runtime.ids import new_id
from services.runtime.jobs import ItemClosed, Jobs
from services.runtime.pages import page_request
from services.runtime.storage import Storage
from services.trainer.checkpoints.fetching import Fetcher
from services.trainer.checkpoints.files import local_steps
from services.trainer.checkpoints.store import Checkpoints
from services.trainer.checkpoints.sweeping import CheckpointSweeper
from services.trainer.checkpoints.uploading import Uploader
from services.trainer.control import RunControl
from services.trainer.engine import checkpoint
from services.trainer.engine_events import RunLog
from services.trainer.leases import Claimant, Lease
from services.trainer.run_events import RunEvent, RunEvents
from services.trainer.store import Store
from services.trainer.training_config import TrainingConfig
from services.trainer.training_runs import NewRun, TrainingRun, TrainingStep
from services.trainer.watchdogs.replanning import MemoryPlans
from services.trainer.workers.devices import Device
from services.trainer.workers.leftovers import swept
from services.trainer.workers.store import NewWorker, Workers
from tests.integration.stores import ROOT, Stores

NOW = datetime(2024, 1, 1, tzinfo=UTC)
CARDS = ("card-0", "card-1", "card-2", "card-3")


@pytest_asyncio.fixture
async def store(stores: Stores) -> AsyncIterator[Store]:
    async with stores.pool("trainer") as pool:
        yield Store(pool, Jobs(pool, "trainer"))


def lease_of(
    store: Store, run_id: str = "", worker_id: str = "", host: str = "node", seconds: float = 30.0
) -> Lease:
    return Lease(store.pool, Claimant(worker_id or new_id(), host, seconds), run_id or new_id())


async def new_run(store: Store, **config: Any) -> TrainingRun:
    project_id = new_id()
    base = await store.create_model(project_id, new_id(), "builtin", "")
    wanted = NewRun(project_id, "towns", new_id(), "dd", base.id, "bb", TrainingConfig(**config), "0")
    return await store.create_run(wanted, "")


async def test_a_device_is_of_one_run_and_a_run_of_one_worker(store: Store) -> None:
    wide, narrow = lease_of(store), lease_of(store)
    assert await wide.take(CARDS, 3)
    assert wide.devices == CARDS[:3]
    assert not await narrow.take(CARDS, 2)
    assert await narrow.take(CARDS, 1)
    assert narrow.devices == CARDS[3:]
    elsewhere = lease_of(store, wide.run_id, host="other node")
    assert not await elsewhere.take(CARDS, 1), "another worker trains the same run"
    assert await lease_of(store, host="other node").take(CARDS, 4), "devices of another machine are others"
    await wide.free_devices()
    assert not await elsewhere.take(CARDS, 1), "the run is still being stored"
    assert await lease_of(store).take(CARDS, 3)
    assert await wide.release()
    assert await elsewhere.take((), 0)
    assert not await wide.release()


async def test_what_becomes_free_is_held_for_the_run_that_needs_several(store: Store) -> None:
    first, wide, narrow = [await new_run(store, devices=count) for count in (1, 3, 1)]
    busy, late = lease_of(store, first.id), lease_of(store, narrow.id)
    assert await busy.take(CARDS[:3], 2)
    waiting = lease_of(store, wide.id)
    assert not await waiting.take(CARDS[:3], 3)
    assert "3 devices are needed on node, 1 free; what becomes free is held" in str(waiting.shortage)
    assert not await late.take(CARDS[:3], 1)
    assert str(late.shortage).endswith(f"1 for run {wide.id}")
    # Not what it may not have, nor a device of another machine.
    assert await late.take(CARDS, 1)
    assert late.devices == CARDS[3:]
    elsewhere = lease_of(store, host="other node")
    assert await elsewhere.take(CARDS, 4)
    # A worker that was silent for a while takes back what it had, whoever waits.
    await store.pool.execute("DELETE FROM run_leases WHERE run_id = $1", late.run_id)
    late.devices = CARDS[2:3]
    assert await late.renew()
    await late.release()
    # A run that rests holds nothing.
    await store.jobs.pause(wide.job.id)
    assert await late.take(CARDS[:3], 1)
    await late.release()
    await store.jobs.resume(wide.job.id)
    await busy.release()
    assert not await lease_of(store).take(CARDS[:3], 1)
    assert await waiting.take(CARDS[:3], 3)
    await waiting.release()
    assert await late.take(CARDS[:3], 3)


async def test_devices_are_held_where_a_run_waited_first_and_not_for_ever(store: Store) -> None:
    wide = await new_run(store, devices=2)
    for host in ("node", "other node"):
        assert await lease_of(store, host=host).take(CARDS[:1], 1)
    await Workers(store.pool, 30.0).beat(NewWorker(new_id(), "node", 7, [], 9, "0.1"))
    for host in ("node", "other node"):
        waiting = lease_of(store, wide.id, host=host)
        assert not await waiting.take(CARDS[:2], 2)
    assert waiting.shortage is not None and waiting.shortage.until is None
    assert not await lease_of(store).take(CARDS[:2], 1)
    assert await lease_of(store, host="other node").take(CARDS[:2], 1)
    impatient = Lease(store.pool, Claimant(new_id(), "node", 30.0, hold_seconds=0.0), new_id())
    assert await impatient.take(CARDS[:2], 1)
    await impatient.release()
    # Nobody has asked for it for long: it is forgotten there.
    await store.pool.execute("UPDATE device_waits SET asked_time = now() - interval '1 hour'")
    late = lease_of(store)
    assert await late.take(CARDS[:2], 1)
    await late.release()
    await waiting.keep_wait()
    assert not await lease_of(store).take(CARDS[:2], 1)


@pytest.mark.full
async def test_a_silent_worker_loses_run_and_devices_and_takes_back_what_is_free(store: Store) -> None:
    silent = lease_of(store, seconds=0.2)
    assert await silent.take(CARDS, 2)
    # Postgres started long ago, as it were: right after a start nobody loses anything.
    await asyncio.sleep(0.3)
    other = lease_of(store, seconds=0.2)
    taken = await other.take(CARDS, 4)
    assert taken
    assert not await silent.renew()
    await other.release()
    assert await silent.renew()
    assert silent.devices == CARDS[:2]


WORKER = """
import asyncio, json, os, random, sys, time
from services.runtime.db import open_pool
from services.runtime.ids import new_id
from services.trainer.leases import Claimant, Lease

async def main(url, rounds):
    pool = await open_pool(url, "trainer", 4)
    claimant = Claimant(new_id(), "node", 30.0)
    async def train(number):
        for _ in range(rounds):
            lease = Lease(pool, claimant, new_id())
            while not await lease.take(json.loads(sys.argv[3]), random.choice((1, 1, 2))):
                await asyncio.sleep(0.002)
            began = time.monotonic()
            await asyncio.sleep(0.005)
            print(json.dumps([began, time.monotonic(), lease.devices, lease.run_id]), flush=True)
            await lease.release()
    await asyncio.gather(*(train(number) for number in range(3)))
    pool.terminate()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_two_workers_of_a_machine_never_lease_the_same_device(stores: Stores) -> None:
    command = (sys.executable, "-c", WORKER, stores.env["SISHU_DATABASE_URL"], "8", json.dumps(CARDS[:3]))
    started = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
        for _ in range(2)
    ]
    told = [(await process.communicate())[0].decode().splitlines() for process in started]
    assert [process.returncode for process in started] == [0, 0]
    uses = [json.loads(line) for lines in told for line in lines]
    assert len(uses) == 2 * 3 * 8
    for card in CARDS[:3]:
        times = sorted((began, ended) for began, ended, devices, _ in uses if card in devices)
        assert times, "a device was never used"
        assert all(ended <= later for (_, ended), (later, _) in itertools.pairwise(times))


async def test_workers_are_shown_with_what_they_have_and_do(store: Store) -> None:
    workers = Workers(store.pool, silence_seconds=30)
    cards = [Device(card, "cuda", "K100_AI", 64 << 30) for card in CARDS[:2]]
    known = NewWorker(new_id(), "node", 7, cards, 9, "0.1")
    await workers.beat(known)
    assert await workers.most_devices() == 2
    (shown,) = (await workers.list(page_request(9, ""))).rows
    assert (shown.state, shown.host, shown.process_id, shown.devices) == ("idle", "node", 7, cards)
    lease = lease_of(store, worker_id=known.id)
    await lease.take(CARDS[:2], 1)
    (shown,) = (await workers.list(page_request(9, ""))).rows
    assert (shown.state, shown.taken) == ("busy", {"card-0": lease.run_id})
    await store.pool.execute("UPDATE workers SET heartbeat_time = heartbeat_time - interval '1 minute'")
    (shown,) = (await workers.list(page_request(9, ""))).rows
    assert (shown.state, await workers.most_devices()) == ("lost", 0)
    await workers.beat(known)
    (shown,) = (await workers.list(page_request(9, ""))).rows
    assert shown.state == "busy"
    await workers.leave(known.id)
    assert (await workers.list(page_request(9, ""))).rows == []


@pytest.mark.full
async def test_events_of_an_engine_stand_once(store: Store) -> None:
    run, events = await new_run(store), RunEvents(store.pool)
    told = [RunEvent("resumed", "goes on", {"step": "4"}, "10@1.5", NOW)]
    await events.add(run.id, told)
    await events.add(run.id, [*told, RunEvent("leased", "has cpu")])
    await events.add(run.id, [RunEvent("leased", "has cpu")])
    await events.add(new_id(), [RunEvent("leased", "of a run that is gone")])
    first = await events.list(page_request(2, "", run.id), run.id)
    rest = await events.list(page_request(2, first.next_token, run.id), run.id)
    found = [*first.rows, *rest.rows]
    assert [(one.kind, one.message, one.details) for one in found] == [
        ("resumed", "goes on", {"step": "4"}),
        ("leased", "has cpu", {}),
        ("leased", "has cpu", {}),
    ]


@pytest.mark.full
async def test_less_memory_is_planned_once(store: Store) -> None:
    run, plans = await new_run(store, batch_tokens=1024), MemoryPlans(store.pool)
    assert await plans.get(run.id) is None
    plan = await plans.make(run.id, run.config)
    assert plan is not None
    assert plan.spec() == {"micro_tokens": 256, "gradient_checkpointing": True}
    assert await plans.get(run.id) == plan
    assert await plans.make(run.id, run.config) is None


async def test_a_run_is_paused_resumed_and_cancelled_by_its_id(store: Store) -> None:
    run, control = await new_run(store), RunControl(store)
    assert (await control.resume(run.id)).state == "pending"
    assert (await control.pause(run.id)).state == "paused"
    assert (await store.count_runs()) == {"paused": 1}
    assert (await control.pause(run.id)).phase == ""
    assert (await control.resume(run.id)).job.state == "running"
    assert (await control.cancel(run.id)).state == "cancelled"
    assert (await control.cancel(run.id)).state == "cancelled"
    for change in (control.pause, control.resume):
        with pytest.raises(FailedPrecondition) as caught:
            await change(run.id)
        assert caught.value.reason == "TRAINING_RUN_ENDED"
    with pytest.raises(FailedPrecondition) as caught:
        await control.retry(run.id, "")
    assert caught.value.reason == "JOB_CANCELLED"


@dataclass
class Bucket:
    """A bucket that is away when it is told to be."""

    storage: Storage
    away: int = 0
    """So many calls fail."""

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.storage, name)

        async def tried(*values: Any) -> Any:
            if self.away:
                self.away -= 1
                raise Unavailable("STORAGE_UNAVAILABLE", "the S3 server cannot be reached now")
            return await call(*values)

        return tried


@dataclass
class Machine:
    """A machine that trains a run: its folder, and what goes into the bucket."""

    store: Store
    bucket: Bucket
    run: TrainingRun
    work: Path
    told: list[RunEvent] = field(default_factory=list)

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.store.pool)

    async def tell(self, event: RunEvent) -> None:
        self.told.append(event)

    def uploader(self, holder: str) -> Uploader:
        storage = cast(Storage, self.bucket)
        return Uploader(storage, self.checkpoints, self.run, self.work, holder, self.tell)

    def fetcher(self) -> Fetcher:
        return Fetcher(cast(Storage, self.bucket), self.checkpoints, self.tell)

    def write(self, step: int, salt: str = "") -> None:
        """What an engine does after a step."""
        with checkpoint.new_checkpoint(self.work / "checkpoints", step) as folder:
            (folder / "state.json").write_text(json.dumps({"step": step, "salt": salt}))
            (folder / "parts").mkdir()
            (folder / "parts" / "rank-0").write_bytes(bytes([step]) * 1000)
        with (self.work / "events.jsonl").open("a") as events:
            events.write(json.dumps({"type": "checkpoint", "step": step, "run_id": self.run.id}) + "\n")

    def forget(self, *steps: int) -> None:
        checkpoint.drop(self.work / "checkpoints", [f"step-{step:08d}" for step in steps])

    async def stored(self) -> list[int]:
        page = await self.checkpoints.list(page_request(99, "", self.run.id), self.run.id)
        return [one.step for one in page.rows]

    async def objects(self) -> int:
        """Deletes them."""
        return await self.bucket.storage.delete_prefix(f"{self.run.files_prefix}checkpoints/")


@pytest_asyncio.fixture
async def machine(store: Store, stores: Stores, tmp_path: Path) -> AsyncIterator[Machine]:
    async with stores.storage() as storage:
        run = await new_run(store, keep_checkpoints=2, keep_best_checkpoints=1)
        work = tmp_path / "first"
        work.mkdir()
        yield Machine(store, Bucket(storage), run, work)


def other_than(machine: Machine, name: str = "second") -> Machine:
    return replace(machine, work=machine.work.parent / name, told=[])


async def measured(machine: Machine, losses: dict[int, float]) -> None:
    values = (0.1, 2.0, 1e-3, 0.5, 10, 4, 12, 0.5, 7, NOW)
    steps = [TrainingStep(step, *values, validation_loss=loss) for step, loss in losses.items()]
    await machine.store.save_progress(machine.run.id, RunLog(), steps)


async def held(machine: Machine) -> Lease:
    lease = lease_of(machine.store, machine.run.id)
    assert await lease.take((), 0)
    return lease


async def test_the_newest_and_the_best_checkpoints_are_kept(machine: Machine) -> None:
    lease = await held(machine)
    uploader = machine.uploader(lease.holder)
    await measured(machine, {2: 1.0, 4: 3.0, 8: 2.0})
    for step in (2, 4, 6, 8):
        machine.write(step)
        await uploader.catch_up()
    assert await machine.stored() == [8, 6, 2]
    told = [event.details["step"] for event in machine.told if event.kind == "checkpoint_stored"]
    assert told == ["2", "4", "6", "8"]
    # A run that went back has undone what came after.
    machine.forget(6, 8)
    await uploader.catch_up()
    assert await machine.stored() == [4, 2]
    assert [len(one.files) for one in await machine.checkpoints.of_run(machine.run.id)] == [4, 4]
    # And may make another of the same step.
    before = {one.step: one.prefix for one in await machine.checkpoints.of_run(machine.run.id)}
    machine.forget(4)
    machine.write(4, salt="other")
    await uploader.catch_up()
    after = {one.step: one.prefix for one in await machine.checkpoints.of_run(machine.run.id)}
    assert (after[2] == before[2], after[4] == before[4]) == (True, False)
    assert await machine.objects() == 2 * 4


async def test_another_machine_goes_on_from_the_newest_valid_checkpoint(machine: Machine) -> None:
    lease = await held(machine)
    for step in (2, 4):
        machine.write(step)
    await machine.uploader(lease.holder).catch_up()
    other = other_than(machine)
    await other.fetcher().bring(machine.run.id, other.work)
    assert local_steps(other.work) == [4]
    assert checkpoint.newest_valid(other.work / "checkpoints") == (
        other.work / "checkpoints" / "step-00000004",
        [],
    )
    assert (other.work / "events.jsonl").read_bytes() == (machine.work / "events.jsonl").read_bytes()
    assert [path.name for path in other.work.glob(".*")] == []
    # What is as new here is not fetched.
    (other.work / "events.jsonl").write_text("own")
    await other.fetcher().bring(machine.run.id, other.work)
    assert (other.work / "events.jsonl").read_text() == "own"
    # The first machine gets the run back, though it has a checkpoint of its own.
    other.write(6)
    await other.uploader(lease.holder).catch_up()
    await machine.fetcher().bring(machine.run.id, machine.work)
    assert local_steps(machine.work) == [6, 4, 2]


@pytest.mark.full
async def test_a_checkpoint_that_is_damaged_in_the_bucket_is_passed_over(machine: Machine) -> None:
    lease = await held(machine)
    for step in (2, 4):
        machine.write(step)
        await machine.uploader(lease.holder).catch_up()
    newest, _ = await machine.checkpoints.of_run(machine.run.id)
    await machine.bucket.storage.put_bytes(f"{newest.prefix}checkpoint/parts/rank-0", b"spoilt")
    other = other_than(machine)
    await other.fetcher().bring(machine.run.id, other.work)
    assert local_steps(other.work) == [2]
    assert [event.kind for event in other.told] == ["checkpoint_damaged", "checkpoint_fetched"]
    assert await machine.stored() == [2]


async def test_what_could_not_be_uploaded_is_tried_again_and_half_of_it_never_counts(
    machine: Machine,
) -> None:
    lease = await held(machine)
    uploader = machine.uploader(lease.holder)
    machine.write(2)
    machine.bucket.away = 1
    with pytest.raises(Unavailable):
        await uploader.catch_up()
    # As after a kill: begun, some objects there, never completed.
    (begun,) = await machine.checkpoints.of_run(machine.run.id)
    assert not begun.complete
    await machine.bucket.storage.put_bytes(f"{begun.prefix}checkpoint/state.json", b"{}")
    other = other_than(machine)
    await other.fetcher().bring(machine.run.id, other.work)
    assert local_steps(other.work) == []
    await uploader.catch_up()
    (complete,) = await machine.checkpoints.of_run(machine.run.id)
    assert (complete.complete, complete.id != begun.id) == (True, True)
    assert await machine.objects() == 4, "what was half-written is there still"


async def test_a_bucket_that_is_away_is_waited_for_and_told_once(machine: Machine) -> None:
    lease = await held(machine)
    machine.write(2)
    machine.bucket.away = 2
    assert await machine.uploader(lease.holder).finish(20)
    assert [event.kind for event in machine.told] == ["upload_failed", "checkpoint_stored"]
    assert await machine.stored() == [2]
    machine.write(4)
    machine.bucket.away = 1000
    assert not await machine.uploader(lease.holder).finish(0.2)


async def test_a_run_is_not_done_before_the_bucket_has_what_it_keeps(machine: Machine) -> None:
    lease = await held(machine)
    uploader = machine.uploader(lease.holder)
    for step in (2, 4, 6):
        machine.write(step)
    await uploader.catch_up()
    assert await machine.stored() == [6, 4]
    # Which of them was the best is known only now.
    await measured(machine, {2: 1.0, 6: 2.0})
    await uploader.catch_up()
    assert await machine.stored() == [6, 4]
    machine.bucket.away = 1
    await uploader.settle(20)
    assert await machine.stored() == [6, 4, 2]
    machine.write(8)
    machine.bucket.away = 1000
    with pytest.raises(Unavailable):
        await uploader.settle(0.1)
    kinds = [event.kind for event in machine.told]
    assert (kinds.count("upload_failed"), kinds.count("checkpoint_stored")) == (2, 3)


async def test_checkpoints_of_a_cancelled_run_that_no_worker_holds_are_swept(machine: Machine) -> None:
    others = replace(machine, run=await new_run(machine.store), work=machine.work.parent / "other")
    for each in (machine, others):
        lease = await held(each)
        each.write(2)
        await each.uploader(lease.holder).catch_up()
    patient, quick = (
        CheckpointSweeper(machine.store, machine.bucket.storage, seconds) for seconds in (30.0, 0.2)
    )
    # A paused run goes on some day, and a worker that has one deletes what it has stored itself.
    await machine.store.jobs.pause(machine.run.job.id)
    await asyncio.sleep(0.3)
    assert not await quick.sweep()
    await machine.store.jobs.cancel(machine.run.job.id)
    assert not await patient.sweep()
    assert await machine.stored() == [2]
    # As a worker leaves it that was killed after it had said what it would store.
    await machine.bucket.storage.put_bytes(f"{machine.run.checkpoints_prefix}step-9/late", b"late")
    assert await quick.sweep()
    assert not await quick.sweep()
    assert (await machine.checkpoints.of_run(machine.run.id), await machine.objects()) == ([], 0)
    assert (await others.stored(), await others.objects()) == ([2], 4)


@pytest.mark.full
async def test_folders_of_runs_that_ended_elsewhere_are_taken_away(store: Store, tmp_path: Path) -> None:
    paused, ended = await new_run(store), await new_run(store)
    await store.jobs.pause(paused.job.id)
    await store.jobs.cancel(ended.job.id)
    names = (paused.id, ended.id, new_id(), "notes")
    for name in names:
        (tmp_path / "runs" / name / "checkpoints").mkdir(parents=True)
        (tmp_path / "runs" / name / "events.jsonl").touch()
    assert not await swept(tmp_path, store)
    left = {
        name: sorted(path.name for path in (tmp_path / "runs" / name).glob("*"))
        for name in names
        if (tmp_path / "runs" / name).exists()
    }
    both = ["checkpoints", "events.jsonl"]
    assert left == {paused.id: both, ended.id: ["events.jsonl"], "notes": both}


@pytest.mark.full
async def test_a_worker_that_lost_the_run_stores_nothing_more(machine: Machine) -> None:
    lease = await held(machine)
    machine.write(2)
    await lease.release()
    with pytest.raises(ItemClosed):
        await machine.uploader(lease.holder).catch_up()
    assert await machine.checkpoints.of_run(machine.run.id) == []
