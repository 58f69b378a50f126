"""Follow the engine: its events become rows, metrics and words, while it works and after it has ended."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from services.runtime.errors import DeadlineExceeded, FailedPrecondition, NotFound
from services.runtime.jobs import ItemClosed
from services.trainer.engine.events import FILE_NAME
from services.trainer.engine_events import (
    Placed,
    RunLog,
    next_events,
    progress_text,
    reports_of,
    steps_of,
)
from services.trainer.guarding import AWAY, patiently
from services.trainer.metrics import TrainerMetrics
from services.trainer.row_reports import RowReports, read_report
from services.trainer.run_events import RunEvent, told_by_engine
from services.trainer.store import Store
from services.trainer.tracking.verdicts import Verdicts
from services.trainer.training_runs import TrainingRun

POLL_SECONDS = 0.5

Tell = Callable[[Sequence[RunEvent]], Awaitable[None]]

log = structlog.get_logger()


class Follower:
    """Stores what the engine of a run reports.

    The file is the buffer: while Postgres is away nothing is read on, and nothing is lost.

    Args:
        run: the run.
        work: its work folder.
        fresh_from: size of the events file before this engine was started.
        store: where steps go.
        metrics: where steps of this engine are counted.
        say: takes a line for people.
        tell: takes what happened to the run beside its steps.
    """

    def __init__(
        self,
        *,
        run: TrainingRun,
        work: Path,
        fresh_from: int,
        store: Store,
        metrics: TrainerMetrics,
        say: Callable[[str], None],
        tell: Tell | None = None,
    ) -> None:
        self._tell = tell
        self._run = run
        self._path = work / FILE_NAME
        self._offset = 0
        self._store = store
        self._metrics = metrics
        self._say = say
        self._reports = 0
        self._verdicts = Verdicts(store.pool, run.id)
        self.log = RunLog(fresh_from)

    async def until_exit(
        self,
        process: Process,
        silence_seconds: float,
        stall_seconds: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Follow until the engine has ended. Postgres may be away meanwhile.

        Args:
            process: the engine.
            silence_seconds: how long it may write nothing.
            stall_seconds: how long it may write nothing but its heartbeat.
            check: is called every half second, and ends this by what it raises.

        Raises:
            FailedPrecondition: the base model is another one than when the run was created.
            ItemClosed: the run was deleted.
            DeadlineExceeded: the engine wrote nothing for `silence_seconds`, or nothing but its heartbeat
                for `stall_seconds`.
        """
        silence = Stillness("ENGINE_SILENT", "wrote no event", silence_seconds)
        # A heartbeat comes from a thread of its own, and says nothing about the one that trains.
        stall = Stillness("ENGINE_STALLED", "did no step, no other work and began no phase", stall_seconds)
        while process.returncode is None:
            try:
                await self.catch_up()
            except AWAY as error:
                log.warning("steps_not_stored", run_id=self._run.id, error=str(error))
                # What the engine reports meanwhile is not read.
                stall.restart()
            silence.check(size_of(self._path))
            stall.check(self._reports)
            check()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), POLL_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Store what the ended engine said last; Postgres may be away for `seconds`."""
        await patiently(self.catch_up, seconds)
        await patiently(self._verdicts.refresh, seconds)

    async def catch_up(self) -> None:
        """Store everything that the file holds by now."""
        while True:
            events = await asyncio.to_thread(next_events, self._path, self._offset)
            if not events:
                return
            after, steps = self.log.after(events), steps_of(events)
            check_base(self._run, after)
            try:
                await self._store.save_progress(self._run.id, after, steps)
            except NotFound:
                raise ItemClosed from None
            await self._keep_rows(events)
            if self._tell:
                await self._tell(told_by_engine(events))
            if steps:
                await self._verdicts.refresh_when_due()
            # Only now: what was not stored is read again.
            self._reports += is_report(events, self.log, after)
            self.log, self._offset = after, events[-1][1]
            self._observe(events)
            self._say(progress_text(after.summary))

    async def _keep_rows(self, events: Sequence[Placed]) -> None:
        """Store which rows were cut or dropped, where events tell of a report."""
        for split, name in reports_of(events).items():
            rows = await asyncio.to_thread(read_report, self._path.parent / name, split)
            await RowReports(self._store.pool).replace(self._run.id, split, rows)

    def _observe(self, events: Sequence[Placed]) -> None:
        self._metrics.observe(self._run, [event for event, place in events if self.log.fresh(place)])


class Stillness:
    """Notices that a number has not changed for too long.

    Args:
        reason: reason of the error.
        what: what the engine did not do, for people.
        seconds: how long is too long.
    """

    def __init__(self, reason: str, what: str, seconds: float) -> None:
        self._reason = reason
        self._what = what
        self._seconds = seconds
        self._number = -1
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._since = asyncio.get_running_loop().time()

    def check(self, number: int) -> None:
        """Take note of the number.

        Raises:
            DeadlineExceeded: it has been the same for too long.
        """
        if number != self._number:
            self._number = number
            self.restart()
        elif asyncio.get_running_loop().time() - self._since > self._seconds:
            raise DeadlineExceeded(
                self._reason, f"the engine {self._what} for {self._seconds:.0f} s; it is started again"
            )


def is_report(events: Sequence[Placed], before: RunLog, after: RunLog) -> bool:
    """Whether events tell of more than a heartbeat that says the same as the one before."""
    known, now = ((log.summary.phase, log.worked) for log in (before, after))
    return known != now or any(event["type"] != "progress" for event, _ in events)


def size_of(path: Path) -> int:
    """Bytes in a file; 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


def check_base(run: TrainingRun, seen: RunLog) -> None:
    """Hold the base model that the engine loaded against the one that the run was created with.

    Raises:
        FailedPrecondition: it is another one.
    """
    loaded = seen.facts.get("base_model_sha256", run.base_model_sha256)
    if loaded != run.base_model_sha256:
        raise FailedPrecondition(
            "BASE_MODEL_CHANGED",
            f"the base model's weights are not those that were registered (SHA-256 {loaded[:12]}…, not "
            f"{run.base_model_sha256[:12]}…); register the model again and start a new run",
            base_model_id=run.base_model_id,
        )
