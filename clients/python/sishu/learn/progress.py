"""Say how far the main job is: bars in a terminal, lines elsewhere; never silent for ten seconds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from sishu.common.v1.job_pb2 import Job
from sishu.trainer.v1.training_run_pb2 import TrainingRun

QUIET_SECONDS = 5.0


class Stage:
    """One stage of the main job: what is done of what, and a few words."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.done = 0
        self.total = 0
        self.words = ""
        self.figures = ""
        self.started = time.monotonic()

    def set(self, done: int, total: int, words: str = "") -> None:
        """Note how far the stage is."""
        self.done, self.total, self.words = done, total, words

    @property
    def said(self) -> str:
        """The words, and what somebody measured."""
        return ", ".join(filter(None, (self.figures, self.words)))

    def line(self, end: str = "…") -> str:
        """The stage as a line of text."""
        count = f" {self.done}/{self.total}" if self.total else ""
        words = f" {self.said}" if self.said else ""
        return f"{self.name}:{count}{words} {end} {time.monotonic() - self.started:.0f} s"


class ProgressDisplay:
    """Shows stages on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @asynccontextmanager
    async def stage(self, name: str) -> AsyncIterator[Stage]:
        """Show one stage while the block runs."""
        stage = Stage(name)
        show = self._bar if self._console.is_terminal else self._lines
        showing = asyncio.create_task(show(stage))
        try:
            yield stage
        finally:
            showing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await showing
        self._print(stage.line("✓"))

    def note(self, line: str) -> None:
        """Say something beside the stages."""
        self._print(line)

    async def _lines(self, stage: Stage) -> None:
        while True:
            self._print(stage.line())
            await asyncio.sleep(QUIET_SECONDS)

    async def _bar(self, stage: Stage) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(stage.name, total=None, words="")
            while True:
                progress.update(task, completed=stage.done, total=stage.total or None, words=stage.said)
                await asyncio.sleep(0.1)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def watching(stage: Stage) -> Callable[[Job], None]:
    """Shows a job's counters in a stage."""

    def watch(job: Job) -> None:
        ended = job.counts.done + job.counts.failed + job.counts.skipped
        stage.set(ended, job.counts.total, job.progress)

    return watch


def show_training(stage: Stage, run: TrainingRun) -> None:
    """Shows a training run in a stage: steps, loss and speed, or what the engine does before them."""
    summary = run.summary
    words = summary.phase
    if summary.steps:
        words = f"loss {summary.loss_last:.3f}, {summary.tokens_per_second:.0f} tokens/s"
    stage.set(summary.steps, summary.steps_total, words)
