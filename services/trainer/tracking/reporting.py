"""Experiment trackers beside the engine: each a process of its own, none of which a run waits for long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from services.runtime.db import Pool
from services.runtime.sql import Statements
from services.trainer.engine_process import LAUNCHER, ROOT, stop
from services.trainer.guarding import AWAY
from services.trainer.tracking.trackers.state import INFO, read_state
from services.trainer.training_runs import TrainingRun

SQL = Statements(Path(__file__).parents[1] / "sql" / "trackers.sql")

PROJECT = "sishu"
NOTE_SECONDS = 5.0
LEAVE_SECONDS = 60.0
"""How long trackers may take to send the last steps; then they are ended. To read a library takes some."""
STOP_SECONDS = 2.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Trackers:
    """Where trackers run.

    Args:
        pool: of the room's database.
        home: state folder of this machine.
        python: Python that has their libraries.
    """

    pool: Pool
    home: Path
    python: Path

    @asynccontextmanager
    async def reporting(self, run: TrainingRun, work: Path) -> AsyncIterator[None]:
        """Tell the run's trackers of what happens in the block; what goes wrong with them is noted only."""
        names = run.config.trackers
        if not names:
            yield
            return
        processes = await self._start(run, work, names)
        noting = asyncio.create_task(self._note_often(run, work, names))
        try:
            yield
        finally:
            await leave(processes)
            noting.cancel()
            await asyncio.wait({noting})
            with contextlib.suppress(*AWAY):
                await self._note(run, work, names)

    async def _start(self, run: TrainingRun, work: Path, names: Sequence[str]) -> list[Process]:
        try:
            await asyncio.to_thread((work / INFO).write_text, info_of(run), "utf-8")
            return [await self._start_one(name, work) for name in names]
        except OSError as error:
            log.warning("trackers_not_started", run_id=run.id, error=str(error))
            return []

    async def _start_one(self, name: str, work: Path) -> Process:
        output = await asyncio.to_thread((work / f"tracker-{name}.log").open, "ab")
        program = [str(self.python), "-m", "services.trainer.tracking.trackers", name, str(work)]
        with output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", str(LAUNCHER), str(os.getpid())),
                *program,
                str(self.home / "trackers" / name),
                cwd=ROOT,
                stdin=PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _note_often(self, run: TrainingRun, work: Path, names: Sequence[str]) -> None:
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            with contextlib.suppress(*AWAY):
                await self._note(run, work, names)

    async def _note(self, run: TrainingRun, work: Path, names: Sequence[str]) -> None:
        """Store what became of the trackers."""
        found = await asyncio.to_thread(reports, work, names)
        await self.pool.execute(SQL.set_trackers, run.id, found)


def reports(work: Path, names: Sequence[str]) -> list[dict[str, object]]:
    """Where trackers show the run, how far they are, and what went wrong with them."""
    states = [(name, read_state(work, name)) for name in names]
    return [
        {"name": name, "url": state.url, "reported_step": state.reported, "message": state.message}
        for name, state in states
    ]


def info_of(run: TrainingRun) -> str:
    """What trackers are told of a run first."""
    config = {name: value for name, value in run.config.as_json().items() if value not in ("", [])}
    info = {
        "run_id": run.id,
        "name": run.name,
        "project": run.config.tracker_project or PROJECT,
        "config": {
            **config,
            "base_model_id": run.base_model_id,
            "dataset_version_id": run.dataset_version_id,
        },
    }
    return json.dumps(info, ensure_ascii=False)


async def leave(processes: Sequence[Process]) -> None:
    """Let trackers send what they have; end those that do not get done."""
    for process in processes:
        if process.stdin:
            process.stdin.close()
    if processes:
        waits = [asyncio.create_task(process.wait()) for process in processes]
        _, late = await asyncio.wait(waits, timeout=LEAVE_SECONDS)
        for wait in late:
            wait.cancel()
    for process in processes:
        with contextlib.suppress(TimeoutError):
            await stop(process, STOP_SECONDS)
