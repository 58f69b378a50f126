"""`sishu run watch` and `sishu run get`: a run while it goes on, and what its curves say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sishu.cli.context import with_client
from sishu.cli.failures import failure_in_words
from sishu.cli.options import IdArgument
from sishu.cli.output import CONSOLE, as_json, show_fields, show_one, value_at
from sishu.cli.settings import SETTINGS, Interrupted
from sishu.cli.terminal_curve import loss_curve
from sishu.cli.texts import say
from sishu.cli.verdict_words import verdict_in_words
from sishu.client import Client
from sishu.learn.curves import Curves, Pace, clock, watched_run
from sishu.trainer.v1.training_run_pb2 import TrainingRun, TrainingRunState
from sishu.trainer.v1.training_service_pb2 import GetTrainingRunRequest, WatchTrainingRunResponse

LINE_SECONDS = 5.0
"""Between two lines where there is no terminal."""
CURVE_SECONDS = 1.0
"""Between two drawings of the curves."""
BAR_COLUMNS = 30
WAITS = ("", "waiting", "preparing")
"""Phases of which the run's job says more."""
RUNNING = (TrainingRunState.TRAINING_RUN_STATE_PENDING, TrainingRunState.TRAINING_RUN_STATE_RUNNING)


def get_run(_resource: object) -> Callable[..., None]:
    """`sishu run get`: a run whole, and the verdict on it in words."""

    def get(run_id: IdArgument) -> None:
        async def work(client: Client) -> TrainingRun:
            answer = await client.training.GetTrainingRun(GetTrainingRunRequest(id=run_id))
            return answer.training_run

        show_run(with_client(work))

    return get


def show_run(run: TrainingRun) -> None:
    """Print a run whole; the figures of its verdict stand in a sentence."""
    if SETTINGS.json:
        show_one(run)
        return
    shown = TrainingRun()
    shown.CopyFrom(run)
    shown.ClearField("verdict")
    show_one(shown)
    show_verdict(run)


def show_verdict(run: TrainingRun) -> None:
    """Print the verdict on a run in words, if there is one."""
    words = verdict_in_words(run)
    if words:
        name = say("watch_verdict_so_far" if run.state in RUNNING else "watch_verdict")
        CONSOLE.print(f"{name}: {words}", markup=False, highlight=False, soft_wrap=True)


def watch_run(
    run_id: IdArgument,
    from_step: Annotated[int, typer.Option(min=1, help=say("watch_from"))] = 1,
    no_curve: Annotated[bool, typer.Option("--no-curve", help=say("watch_no_curve"))] = False,
) -> None:
    """`sishu run watch`: show a run until it has ended."""
    watch = Watch(with_curve=not no_curve)

    async def work(client: Client) -> None:
        with watch.shown():
            async for sight in watched_run(client, run_id, from_step - 1):
                watch.take(sight)
            watch.hurry()

    try:
        with_client(work)
    except Interrupted:
        raise Interrupted(say("watch_left").format(run_id, watch.run.job.id or "ID")) from None
    watch.end()


class Watch:
    """What is seen of a run, and how it is shown: live in a terminal, else line by line.

    Args:
        with_curve: whether a terminal shows the curves.
    """

    def __init__(self, *, with_curve: bool) -> None:
        self.run = TrainingRun()
        self._curves = Curves()
        self._with_curve = with_curve
        self._live: Live | None = None
        self._pace = Pace(LINE_SECONDS)
        self._printed = ""
        self._curve = Text()
        self._curve_pace = Pace(CURVE_SECONDS)

    def shown(self) -> AbstractContextManager[Any]:
        """Show the run while the block runs."""
        if SETTINGS.json or not CONSOLE.is_terminal:
            return nullcontext()
        self._live = Live(get_renderable=self.picture, console=CONSOLE, refresh_per_second=4)
        return self._live

    def take(self, sight: WatchTrainingRunResponse) -> None:
        """Take note of what was sent."""
        changed = sight.training_run.summary.phase != self.run.summary.phase
        self.run = sight.training_run
        self._curves.add(sight.training_steps)
        if SETTINGS.json:
            print(as_json(sight), flush=True)
        elif self._live is None and (self._pace.due() or changed):
            self._print_new(self.line())

    def hurry(self) -> None:
        """Show the whole run in the last picture."""
        self._curve_pace.hurry()

    def end(self) -> None:
        """Say how the run ended.

        Raises:
            typer.Exit: it failed.
        """
        if not SETTINGS.json:
            self._print(f"{self.line()} ({value_at(self.run, 'state')})")
            show_verdict(self.run)
        if self.run.state == TrainingRunState.TRAINING_RUN_STATE_FAILED:
            if not SETTINGS.json:
                show_fields([(self.run.failure.reason, failure_in_words(self.run.failure))])
            raise typer.Exit(1)

    def picture(self) -> RenderableType:
        """The curves above the progress bar."""
        if self._with_curve and self._curve_pace.due():
            coloured = CONSOLE.color_system is not None
            self._curve = Text.from_ansi(loss_curve(self._curves, CONSOLE.width, coloured))
        parts: list[RenderableType] = [self._curve] if self._curve else []
        summary = self.run.summary
        row = Table.grid(padding=(0, 1))
        bar = ProgressBar(
            total=summary.steps_total or None,
            completed=summary.steps,
            width=BAR_COLUMNS,
            pulse=not summary.steps_total,
        )
        row.add_row(bar, Text(self.line()))
        return Group(*parts, row)

    def line(self) -> str:
        """How far the run is, in a line."""
        summary = self.run.summary
        words = [summary.phase] if summary.phase and summary.phase != "training" else []
        if self.run.state in RUNNING and self.run.job.progress and summary.phase in WAITS:
            words = [self.run.job.progress]
        if summary.steps_total:
            share = 100 * summary.steps / summary.steps_total
            words.append(say("watch_step").format(summary.steps, summary.steps_total, share))
        if summary.HasField("loss_last"):
            words.append(say("watch_loss").format(summary.loss_last))
        if summary.HasField("validation_loss"):
            words.append(say("watch_validation").format(summary.validation_loss))
        if summary.HasField("tokens_per_second"):
            words.append(say("watch_rate").format(summary.tokens_per_second))
        left = self._curves.seconds_per_step() * (summary.steps_total - summary.steps)
        if left > 0 and self.run.state in RUNNING:
            words.append(say("watch_left_time").format(clock(left)))
        return ", ".join(words) or value_at(self.run, "state")

    def _print_new(self, line: str) -> None:
        """A line that says what the one before said already says nothing."""
        if line != self._printed:
            self._printed = line
            self._print(line)

    def _print(self, line: str) -> None:
        CONSOLE.print(line, markup=False, highlight=False, soft_wrap=True)
