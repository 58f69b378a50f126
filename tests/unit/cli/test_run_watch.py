"""`sishu run watch`, `get` and `plot`: what a screen, a pipe and a program are shown."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.console import Console

from sishu.cli import run_plot, run_watch
from sishu.cli.run_plot import told_apart
from sishu.cli.run_watch import Watch, show_run
from sishu.cli.settings import SETTINGS, Interrupted
from sishu.cli.terminal_curve import loss_curve
from sishu.cli.texts import TEXTS
from sishu.cli.verdict_words import figures, verdict_in_words
from sishu.common.v1.failure_pb2 import Failure
from sishu.common.v1.job_pb2 import Job
from sishu.errors import ApiError
from sishu.learn.curve_picture import DrawnRun
from sishu.learn.curves import Curves
from sishu.trainer.v1 import training_run_pb2 as runs
from sishu.trainer.v1 import training_service_pb2 as pb
from sishu.trainer.v1 import training_tracking_pb2 as tracking
from tests.unit.learn.test_curves import step

RUNNING = runs.TRAINING_RUN_STATE_RUNNING
SUCCEEDED = runs.TRAINING_RUN_STATE_SUCCEEDED
VERDICT = tracking.LossVerdict(
    kind=tracking.LOSS_VERDICT_KIND_OVER_FITTED,
    validated=True,
    best_step=6,
    best_loss=1.25,
    last_step=12,
    last_loss=1.5,
    rise=0.25,
    measurements=4,
    steps=12,
)


def run(steps: int, state: runs.TrainingRunState.ValueType = RUNNING, **values: Any) -> runs.TrainingRun:
    summary = runs.TrainingSummary(steps=steps, steps_total=12, tokens_per_second=5000, phase="training")
    if steps:
        summary.loss_last = 3 / steps
    return runs.TrainingRun(id="r", name="towns", state=state, job=Job(id="j"), summary=summary, **values)


def sights(last: runs.TrainingRun) -> list[pb.WatchTrainingRunResponse]:
    done = [step(number, 3 / number, validation_loss=4 / number) for number in range(1, 13)]
    return [
        pb.WatchTrainingRunResponse(training_run=run(0)),
        pb.WatchTrainingRunResponse(training_run=run(6), training_steps=done[:6], position=6),
        pb.WatchTrainingRunResponse(training_run=last, training_steps=done[6:], position=12),
    ]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], io.StringIO]:
    def make(terminal: bool) -> io.StringIO:
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=100, color_system=None)
        monkeypatch.setattr(run_watch, "CONSOLE", console)
        return out

    return make


def watched(monkeypatch: pytest.MonkeyPatch, found: Iterable[pb.WatchTrainingRunResponse]) -> list[int]:
    """Let the room send these sights; what comes back is filled with the steps that were asked for."""
    asked: list[int] = []

    async def send(
        _client: object, _run_id: str, after_step: int
    ) -> AsyncIterator[pb.WatchTrainingRunResponse]:
        asked.append(after_step)
        for sight in found:
            yield sight

    monkeypatch.setattr(run_watch, "watched_run", send)
    monkeypatch.setattr(run_watch, "with_client", at_once)
    return asked


def at_once(work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """Run what never waits."""
    try:
        work(SimpleNamespace()).send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError


def test_a_pipe_gets_plain_lines_and_the_verdict(
    monkeypatch: pytest.MonkeyPatch, screen: Callable[[bool], io.StringIO]
) -> None:
    out = screen(False)
    asked = watched(monkeypatch, sights(run(12, SUCCEEDED, verdict=VERDICT)))
    run_watch.watch_run("r", from_step=3)
    assert asked == [2]
    lines = out.getvalue().splitlines()
    assert lines[0] == "step 0/12 (0 %), 5,000 tokens/s"
    assert lines[1] == "step 12/12 (100 %), loss 0.25, 5,000 tokens/s (succeeded)"
    assert lines[2].startswith("verdict: over-fitted after step 6: the validation loss was 1.25 there")
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_curves_a_bar_and_the_time_to_go(
    monkeypatch: pytest.MonkeyPatch, screen: Callable[[bool], io.StringIO]
) -> None:
    out = screen(True)
    watched(monkeypatch, sights(run(12))[:2])
    run_watch.watch_run("r")
    shown = out.getvalue()
    assert "step 6/12 (50 %), loss 0.5, 5,000 tokens/s, 0:06 to go" in shown
    assert "training loss   ⠤o⠤ validation loss" in shown
    # The cursor is there again.
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_program_gets_a_line_a_sight(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SETTINGS, "json", True)
    failed = run(12, runs.TRAINING_RUN_STATE_FAILED, failure=Failure(reason="DISK_FULL", message="full"))
    watched(monkeypatch, sights(failed))
    with pytest.raises(typer.Exit) as ended:
        run_watch.watch_run("r")
    assert ended.value.exit_code == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(line["training_steps"]) for line in lines] == [0, 6, 6]
    assert lines[-1]["training_run"]["failure"]["reason"] == "DISK_FULL"


def test_ctrl_c_leaves_the_run_alone_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off(_work: object) -> None:
        raise Interrupted

    monkeypatch.setattr(run_watch, "with_client", broken_off)
    with pytest.raises(Interrupted, match=r"the run goes on\. `sishu run watch r` shows it again"):
        run_watch.watch_run("r")


def test_a_run_is_shown_with_its_verdict_in_words(
    screen: Callable[[bool], io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    out = screen(False)
    show_run(run(12, verdict=VERDICT))
    assert out.getvalue().startswith("verdict so far: over-fitted after step 6")
    assert "OVER_FITTED" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", list(tracking.LossVerdictKind.keys())[1:])
def test_every_verdict_has_words_in_both_languages(kind: str) -> None:
    verdict = tracking.LossVerdict(kind=tracking.LossVerdictKind.Value(kind), measurements=2)
    shown = run(12, verdict=verdict)
    shown.summary.published_step = 6
    assert verdict_in_words(shown)
    key = f"verdict_{kind.removeprefix('LOSS_VERDICT_KIND_').lower()}"
    english, chinese = (text.format(**figures(verdict)) for text in TEXTS[key])
    assert english != chinese
    assert verdict_in_words(run(12)) == ""


def test_few_steps_make_no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert loss_curve(Curves([step(1)]), 80, False) == ""
    assert "\x1b" in loss_curve(Curves([step(1), step(2)]), 80, True)
    assert max(map(len, loss_curve(Curves([step(1), step(2)]), 80, False).splitlines())) <= 80


def test_a_picture_needs_a_known_kind_and_a_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter):
        run_plot.plot_runs(["r"], tmp_path / "curve.gif")
    monkeypatch.setattr(run_plot, "with_client", lambda _: [DrawnRun("towns", Curves())])
    with pytest.raises(ApiError, match="no step is done yet"):
        run_plot.plot_runs(["r"], tmp_path / "curve.png")
    named = [DrawnRun(name, Curves()) for name in ("towns", "rivers", "towns")]
    assert [one.name for one in told_apart(named, ["000000a", "000000b", "000000c"])] == [
        "towns …00000a",
        "rivers",
        "towns …00000c",
    ]


def test_a_line_says_what_the_engine_does_before_its_first_step() -> None:
    watch = Watch(with_curve=True)
    waiting = runs.TrainingRun(state=runs.TRAINING_RUN_STATE_PENDING)
    watch.take(pb.WatchTrainingRunResponse(training_run=waiting))
    assert watch.line() == "pending"
    loading = runs.TrainingRun(state=RUNNING, summary=runs.TrainingSummary(phase="loading"))
    watch.take(pb.WatchTrainingRunResponse(training_run=loading))
    assert watch.line() == "loading"


def test_a_run_that_waits_says_for_what_and_no_line_is_repeated(
    screen: Callable[[bool], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = screen(False)
    monkeypatch.setattr(run_watch, "LINE_SECONDS", 0.0)
    watch = Watch(with_curve=True)
    words = "waiting for a device: 2 devices are needed on node, 1 free"
    waiting = runs.TrainingRun(
        state=runs.TRAINING_RUN_STATE_PENDING,
        job=Job(id="j", progress=words),
        summary=runs.TrainingSummary(phase="waiting"),
    )
    for _ in range(3):
        watch.take(pb.WatchTrainingRunResponse(training_run=waiting))
    watch.take(pb.WatchTrainingRunResponse(training_run=run(6)))
    assert out.getvalue().splitlines() == [words, "step 6/12 (50 %), loss 0.5, 5,000 tokens/s"]
