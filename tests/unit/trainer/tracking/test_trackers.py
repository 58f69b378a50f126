"""Experiment trackers: what they are told, and that nothing of theirs can harm a run."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from services.runtime.db import Pool
from services.trainer.convert import run_to_pb
from services.trainer.tracking import reporting
from services.trainer.tracking.reporting import Trackers
from services.trainer.tracking.trackers.adapters import TRACKERS, TrackedRun
from services.trainer.tracking.trackers.report import Reporter
from services.trainer.tracking.trackers.state import read_state
from services.trainer.training_config import resolve
from services.trainer.training_runs import TrainingRun
from tests.unit.trainer.test_following import RUN

# Stands in for a library: it writes down what it is called with.
SAID = """
import json, os
def say(what, *args, **named):
    with open(os.environ["SAID"], "a") as out:
        out.write(json.dumps([what, list(args), named], default=str) + "\\n")
"""
LIBRARIES = {
    "swanlab": """
class Run:
    @property
    def url(self):
        if not os.environ.get("SWANLAB_API_KEY"):
            raise ValueError("Run url is unavailable")
        return "https://swanlab.example/r"
def init(**named):
    say("init", **named)
    return Run()
def log(values, step):
    say("log", values, step=step)
def finish(state="success"):
    say("finish", state)
""",
    "mlflow": """
class Info:
    run_id = "there"
class Run:
    info = Info()
def set_tracking_uri(uri): say("uri", uri)
def get_tracking_uri(): return "sqlite:///x"
def set_experiment(name): say("experiment", name)
def start_run(run_id, run_name):
    say("start", run_id=run_id, run_name=run_name)
    return Run()
def log_params(values): say("params", values)
def log_metrics(values, step): say("log", values, step=step)
def end_run(status): say("finish", status)
""",
    "wandb": """
class Run:
    url = None
    def define_metric(self, name, step_metric): say("metric", name, step_metric)
    def log(self, values): say("log", values)
    def finish(self, exit_code): say("finish", exit_code)
def init(**named):
    say("init", **named)
    return Run()
""",
}
KEYS = ("SWANLAB_API_KEY", "SWANLAB_MODE", "MLFLOW_TRACKING_URI", "WANDB_API_KEY", "WANDB_MODE")

Said = Callable[[], list[list[Any]]]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """The stand-ins on the path of this process and of those it starts; what they were called with."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    for name, text in LIBRARIES.items():
        (folder / f"{name}.py").write_text(SAID + text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    # A tracker's own process sets it; here it is to go again.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("SAID", str(tmp_path / "said.jsonl"))

    def read() -> list[list[Any]]:
        path = tmp_path / "said.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return read


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def step(number: int, loss: float = 1.0, **values: Any) -> dict[str, Any]:
    figures = {"epoch": 0.1, "learning_rate": 1e-4, "grad_norm": 0.5, "tokens": 10, "seconds": 2.0}
    return {"type": "step", "step": number, "loss": loss, **figures, **values}


def write(work: Path, *events: dict[str, Any]) -> None:
    with (work / "events.jsonl").open("a") as stream:
        stream.writelines(json.dumps(event) + "\n" for event in events)


def follow(name: str, work: Path) -> None:
    """Tell a tracker of what is in the folder by now."""
    run = TrackedRun("0-1", "towns", "sishu", work / "there", {"lora_rank": 4})
    Reporter(name, TRACKERS[name](), run, work).follow(lambda: True)


def test_swanlab_gets_every_step_once_under_its_keys(said: Said, work: Path) -> None:
    write(work, {"type": "started"}, step(1, 3.0), step(2, 2.0, validation_loss=2.5))
    follow("swanlab", work)
    assert (read_state(work, "swanlab").reported, read_state(work, "swanlab").ended) == (2, False)
    # The engine was started again, and did step 2 again.
    write(work, {"type": "resumed", "step": 1}, step(2, 2.0), step(3, 1.0), {"type": "finished"})
    follow("swanlab", work)
    follow("swanlab", work)
    begun, *_, last = said()
    assert begun[2] == {
        "project": "sishu",
        "name": "towns",
        "config": {"lora_rank": 4},
        "mode": "offline",
        "log_dir": str(work / "there"),
    }
    logged = [(call[2]["step"], call[1][0]) for call in said() if call[0] == "log"]
    assert [number for number, _ in logged] == [1, 2, 3]
    assert logged[1][1] == {
        "train/loss": 2.0,
        "train/grad_norm": 0.5,
        "train/learning_rate": 1e-4,
        "train/epoch": 0.1,
        "train/global_step": 2.0,
        "train/num_input_tokens_seen": 20.0,
        "train/tokens_per_second": 5.0,
        "eval/loss": 2.5,
    }
    assert logged[2][1]["train/num_input_tokens_seen"] == 30
    assert last[:2] == ["finish", ["success"]]
    state = read_state(work, "swanlab")
    assert (state.url, state.message, state.ended) == ("", "", True)


def test_swanlab_goes_on_with_its_run_online(said: Said, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWANLAB_API_KEY", "k")
    write(work, step(1))
    follow("swanlab", work)
    follow("swanlab", work)
    begun = [call[2] for call in said() if call[0] == "init"]
    assert [(one["mode"], one["id"], one["resume"]) for one in begun] == [("online", "01", "allow")] * 2
    assert [call[1] for call in said() if call[0] == "finish"] == [["crashed"], ["crashed"]]
    assert read_state(work, "swanlab").url == "https://swanlab.example/r"


def test_mlflow_goes_on_with_its_run(said: Said, work: Path) -> None:
    write(work, step(1))
    follow("mlflow", work)
    write(work, step(2), {"type": "finished"})
    follow("mlflow", work)
    calls = said()
    assert calls[0] == ["uri", [(work / "there").as_uri()], {}]
    assert [call[2] for call in calls if call[0] == "start"] == [
        {"run_id": None, "run_name": "towns"},
        {"run_id": "there", "run_name": "towns"},
    ]
    assert [call[1] for call in calls if call[0] == "params"] == [[{"lora_rank": "4", "sishu_run_id": "0-1"}]]
    assert [call[2] for call in calls if call[0] == "log"] == [{"step": 1}, {"step": 2}]
    assert [call[1] for call in calls if call[0] == "finish"] == [["FAILED"], ["FINISHED"]]


def test_wandb_counts_by_our_steps(said: Said, work: Path) -> None:
    write(work, step(1), {"type": "finished"})
    follow("wandb", work)
    begun, metric, logged, finished = said()
    assert (begun[2]["id"], begun[2]["resume"], begun[2]["mode"]) == ("0-1", "allow", "offline")
    assert metric == ["metric", ["*", "train/global_step"], {}]
    assert logged[1][0]["train/global_step"] == 1
    assert finished[1] == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def init(**named): raise SystemExit('log in first')", "SystemExit: log in first"),
        ("def init(**named): raise ValueError('no such project')", "ValueError: no such project"),
        ("import not_there_at_all", "install it for"),
        ("def init(**named): return None\ndef log(*_, **__): raise OSError('net')", "OSError: net"),
    ],
)
def test_whatever_a_library_does_is_only_noted(
    said: Said, work: Path, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "libraries" / "swanlab.py").write_text(text)
    write(work, step(1), {"type": "finished"})
    follow("swanlab", work)
    state = read_state(work, "swanlab")
    assert message in state.message
    assert (state.reported, state.ended) == (0, False)


class FakePool:
    def __init__(self) -> None:
        self.noted: list[list[dict[str, object]]] = []

    async def execute(self, _statement: str, _run_id: str, found: list[dict[str, object]]) -> None:
        self.noted.append(found)


def tracked(**config: Any) -> TrainingRun:
    return replace(RUN, config=resolve({"trackers": ("swanlab",), **config}))


async def report(work: Path, pool: FakePool, run: TrainingRun, python: str = sys.executable) -> None:
    trackers = Trackers(cast(Pool, pool), work.parent, Path(python))
    async with trackers.reporting(run, work):
        write(work, step(1), {"type": "finished"})


async def test_a_tracker_is_a_process_beside_the_engine(said: Said, work: Path) -> None:
    pool = FakePool()
    await report(work, pool, tracked(tracker_project="school"))
    (found,) = pool.noted[-1]
    assert found == {
        "name": "swanlab",
        "url": "",
        "reported_step": 1,
        "message": "",
    }
    begun = said()[0][2]
    assert (begun["project"], begun["config"]["trackers"]) == ("school", ["swanlab"])
    assert begun["log_dir"] == str(work.parent / "trackers" / "swanlab")
    shown = run_to_pb(replace(RUN, trackers=pool.noted[-1])).trackers
    assert [(one.name, one.reported_step) for one in shown] == [("swanlab", 1)]


async def test_a_tracker_that_hangs_is_left_behind(
    said: Said, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libraries" / "swanlab.py").write_text("import time\ntime.sleep(600)")
    monkeypatch.setattr(reporting, "LEAVE_SECONDS", 0.2)
    began = asyncio.get_running_loop().time()
    await report(work, FakePool(), tracked())
    assert asyncio.get_running_loop().time() - began < 60


async def test_a_run_goes_on_without_trackers(said: Said, work: Path) -> None:
    pool = FakePool()
    await report(work, pool, replace(RUN, config=resolve({})))
    assert (pool.noted, said()) == ([], [])
    await report(work, pool, tracked(), python="/nowhere/python")
    assert pool.noted[-1][0]["reported_step"] == 0
    assert said() == []
