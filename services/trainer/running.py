"""The engine of a run, from its start to its end: followed, watched, its checkpoints uploaded meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from services.runtime.errors import DeadlineExceeded, FailedPrecondition, SishuError
from services.runtime.jobs import ItemClosed, Jobs
from services.runtime.storage import Storage
from services.trainer import artifacts
from services.trainer.checkpoints.store import Checkpoints
from services.trainer.checkpoints.uploading import Uploader
from services.trainer.config import TrainerConfig
from services.trainer.engine.events import FILE_NAME
from services.trainer.engine_events import RunLog
from services.trainer.engine_process import engine, error_of, last_line, signal_group, stop
from services.trainer.following import Follower, size_of
from services.trainer.guarding import AWAY
from services.trainer.leases import Lease
from services.trainer.metrics import TrainerMetrics
from services.trainer.run_events import RunEvent, RunEvents
from services.trainer.store import Store
from services.trainer.tracking.run_files import RunFiles
from services.trainer.training_runs import TrainingRun
from services.trainer.watchdogs import stacks
from services.trainer.watchdogs.memory import LACK, MemoryWatch
from services.trainer.watchdogs.replanning import MemoryPlans
from services.trainer.workers.devices import Device, environment

STOPPING_SECONDS = 5.0
"""How long the last checkpoint of a process that is to end may take into the bucket."""
FAILED_SECONDS = 30.0
"""And that of a run that failed."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Desk:
    """What the work on every run needs."""

    jobs: Jobs
    store: Store
    storage: Storage
    metrics: TrainerMetrics
    config: TrainerConfig
    environment: Mapping[str, str]
    """Variables that engines get beside those of this process."""

    @property
    def events(self) -> RunEvents:
        """The table of events."""
        return RunEvents(self.store.pool)

    @property
    def checkpoints(self) -> Checkpoints:
        """The table of checkpoints."""
        return Checkpoints(self.store.pool)

    @property
    def files(self) -> RunFiles:
        """What is stored of runs beside their models."""
        return RunFiles(self.store.pool, self.storage)

    @property
    def plans(self) -> MemoryPlans:
        """The table of memory plans."""
        return MemoryPlans(self.store.pool)


@dataclass
class Ending:
    """Why the work on a run is stopped, once it is."""

    reason: str = ""
    """`paused`, `cancelled`, `lost` or `stopping`."""
    may_pause: bool = True
    """Until the engine has finished: then all that is left is to store what it made."""


@dataclass
class EngineRun:
    """The engine of one run.

    Args:
        desk: what the work needs.
        run: the run.
        item_id: the item of its job.
        work: its folder, made ready.
        spec: what the engine was told there.
        lease: by which this worker has it.
        devices: that it has.
        ending: why it is stopped.
        say: takes a line for people.
    """

    desk: Desk
    run: TrainingRun
    item_id: str
    work: Path
    spec: Mapping[str, object]
    lease: Lease
    devices: Sequence[Device]
    ending: Ending
    say: Callable[[str], None]
    uploader: Uploader = field(init=False)

    def __post_init__(self) -> None:
        desk = self.desk
        self.uploader = Uploader(
            desk.storage,
            desk.checkpoints,
            self.run,
            self.work,
            self.lease.holder,
            self._tell_one,
            partial(desk.metrics.stored, "checkpoint"),
        )

    async def until_finished(self) -> RunLog:
        """Have the engine do the run, or what is left of it; with less at a time where it lacks memory.

        Raises:
            SishuError: it failed.
        """
        try:
            seen = await self._with_enough_memory()
        except asyncio.CancelledError:
            if self.ending.reason in {"paused", "stopping"}:
                await self._keep_last()
            raise
        except SishuError:
            await self._keep_last()
            raise
        self.ending.may_pause = False
        with contextlib.suppress(*AWAY):
            # What is left needs none.
            await self.lease.free_devices()
        return seen

    async def store_checkpoints(self) -> None:
        """Have the checkpoints in the bucket that a run keeps: one that succeeds has all that it promised.

        Raises:
            Unavailable: the bucket was away for too long.
            ItemClosed: another worker has the run.
            FailedPrecondition: this machine's disk has no room.
        """
        await self.uploader.settle(self.desk.config.patience_seconds)

    async def _with_enough_memory(self) -> RunLog:
        while True:
            try:
                return await self._once()
            except SishuError as error:
                if error.reason != LACK:
                    raise
                await self._plan_anew(error)

    async def _plan_anew(self, error: SishuError) -> None:
        """Have the engine begin with less at a time.

        Raises:
            FailedPrecondition: it has done so already.
        """
        plan = await self.desk.plans.make(self.run.id, self.run.config)
        if plan is None:
            before = await self.desk.plans.get(self.run.id)
            raise FailedPrecondition(LACK, f"{error.message} (tried with {before} already)") from error
        self.spec = {**self.spec, **plan.spec()}
        await asyncio.to_thread(artifacts.save_spec, self.work, self.spec)
        words = f"{error.message}; it goes on with {plan}"
        details = {name: str(value) for name, value in plan.spec().items()}
        await self._tell_one(RunEvent("memory_replanned", words, details))
        log.warning("memory_replanned", run_id=self.run.id, error=error.message, **details)

    async def _once(self) -> RunLog:
        """One process of the engine, from start to end."""
        config = self.desk.config
        follower = self._follower()
        command = [
            str(config.engine_python),
            "-m",
            "services.trainer.engine",
            str(self.work / artifacts.SPEC),
        ]
        seen = {**self.desk.environment, **environment(self.devices)}
        uploading = asyncio.create_task(self.uploader.keep_on())
        try:
            async with engine(command, self.work, config.stop_seconds, seen) as process:
                log.info("engine_started", run_id=self.run.id, pid=process.pid)
                watch = MemoryWatch(process.pid, config.memory_bytes)
                await self._followed(process, follower, watch)
            await follower.drain(config.patience_seconds)
        finally:
            uploading.cancel()
            await asyncio.wait({uploading})
            if not uploading.cancelled() and uploading.exception():
                log.warning("uploads_ended", run_id=self.run.id, error=repr(uploading.exception()))
            await self._note_end(follower)
        if process.returncode:
            await self.desk.files.keep_what_there_is(self.run)
            raise watch.explained(error_of(process.returncode, follower.log.failure, last_line(self.work)))
        return follower.log

    def _follower(self) -> Follower:
        desk = self.desk

        async def tell(events: Sequence[RunEvent]) -> None:
            await desk.events.add(self.run.id, events)

        return Follower(
            run=self.run,
            work=self.work,
            fresh_from=size_of(self.work / FILE_NAME),
            store=desk.store,
            metrics=desk.metrics,
            say=self.say,
            tell=tell,
        )

    async def _followed(self, process: Process, follower: Follower, watch: MemoryWatch) -> None:
        config = self.desk.config
        try:
            await follower.until_exit(process, config.silence_seconds, config.stall_seconds, watch.check)
        except DeadlineExceeded as error:
            await self._keep_stacks(process, error)
            raise
        except FailedPrecondition as error:
            if error.reason == LACK:
                # To write a checkpoint would take memory that others need.
                signal_group(process, signal.SIGKILL)
            raise
        except asyncio.CancelledError:
            if self.ending.reason == "paused":
                await stop(process, config.pause_seconds)
            raise

    async def _note_end(self, follower: Follower) -> None:
        """Store what a stopped engine said last; one that saved a checkpoint is in no trouble any more."""
        with contextlib.suppress(*AWAY, SishuError, ItemClosed):
            await follower.catch_up()
            if follower.log.saved:
                await self.desk.jobs.forget_trouble(self.item_id)

    async def _keep_stacks(self, process: Process, error: SishuError) -> None:
        """Have every process of a stalled engine say where it is, and keep that with the run."""
        found = await stacks.dumped(process.pid, self.work)
        name = f"stacks-{int(time.time())}.txt"
        words = f"{error.message}; {stacks.in_words(found) or 'none of its processes could say where it is'}"
        details = {
            "reason": error.reason,
            "file": name,
            **{f"rank_{rank}": stacks.place_of(text) for rank, text in found.items()},
        }
        log.warning("engine_stalled", run_id=self.run.id, **details)
        with contextlib.suppress(*AWAY, SishuError):
            await self._tell_one(RunEvent("stalled", words, details))
            text = stacks.as_file(found).encode()
            await asyncio.to_thread((self.work / name).write_bytes, text)
            await self.desk.storage.put_bytes(self.run.files_prefix + name, text, "text/plain; charset=utf-8")

    async def _keep_last(self) -> None:
        """Bring what a stopped engine wrote last into the bucket, so that any worker can go on from it."""
        reason = self.ending.reason
        if reason == "paused":
            with contextlib.suppress(*AWAY):
                await self.lease.free_devices()
        times = {"paused": self.desk.config.patience_seconds, "stopping": STOPPING_SECONDS}
        with contextlib.suppress(ItemClosed):
            await self.uploader.finish(times.get(reason, FAILED_SECONDS))

    async def _tell_one(self, event: RunEvent) -> None:
        await self.desk.events.add(self.run.id, [event])
