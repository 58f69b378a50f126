"""Whether a run that is killed again and again ends as one that never was.

The engine trains a tiny model; `kill -9` comes at random moments of its steps and of its saving. Once a file of
the newest checkpoint is cut in half, as a disk may do it. Prints one JSON object:

- `resume_ok`: the run ended, with the losses of the unbroken run within a thousandth at every step; no
  checkpoint that bears its name was broken, and the one that was cut was not taken;
- `resume_kills`, `resume_lives_without_checkpoint`: killed processes, and those that began from nothing;
- `resume_broken_checkpoints`: those that were not whole though they bore their name;
- `resume_loss_error`: largest relative difference of a step's loss.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from services.trainer.engine import checkpoint
from services.trainer.engine.events import FILE_NAME, read_events
from tests.bench.training_models import SHAPES, make_base, make_rows
from tests.integration.stores import ROOT

STEPS_A_LIFE = 6
"""A life lasts for at least one step and at most twice as many."""
LIFE_SECONDS = 600.0
TOLERANCE = 1e-3


@dataclass
class Work:
    """A run's folder and spec."""

    folder: Path
    settings: dict[str, Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        """All so far."""
        return [event for event, _ in read_events(self.folder / FILE_NAME)]

    def count(self, kind: str) -> int:
        """How many events of a kind there are."""
        return sum(event["type"] == kind for event in self.events)

    @property
    def curve(self) -> dict[int, float]:
        """Loss by step; what was done anew counts last."""
        return {event["step"]: event["loss"] for event in self.events if event["type"] == "step"}

    @contextmanager
    def life(self) -> Iterator[subprocess.Popen[bytes]]:
        """The engine, killed at the end."""
        spec = self.folder.with_suffix(".json")
        spec.write_text(json.dumps({**self.settings, "output_dir": str(self.folder)}), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, "-P", "-m", "services.trainer.engine", str(spec)]
        process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.training_resume")
    parser.add_argument("--kills", type=int, default=20)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory(prefix="sishu-resume-") as name:
        folder = Path(name)
        make_base(folder / "base", SHAPES["tiny"], torch.device("cpu"), 256)
        settings = {
            "run_id": "bench",
            "base_model": str(folder / "base"),
            "train_file": str(make_rows(folder / "rows.jsonl", 200, 256)),
            "max_steps": kills * 4 * STEPS_A_LIFE,
            "batch_tokens": 512,
            "precision": "fp32",
            "device": "cpu",
            "threads": 1,
            "checkpoint_steps": 3,
        }
        print(
            json.dumps(measured(Work(folder / "whole", settings), Work(folder / "killed", settings), kills))
        )


def measured(whole: Work, killed: Work, kills: int) -> dict[str, Any]:
    """The unbroken run beside the one that is killed."""
    with whole.life() as process:
        process.wait(LIFE_SECONDS)
    draw = random.Random(0)  # noqa: S311 - repeatable, no secret
    broken, cut = 0, ""
    for number in range(kills):
        live_and_die(killed, draw)
        folders = sorted((killed.folder / "checkpoints").glob("step-*"))
        broken += sum(not checkpoint.is_valid(each) for each in folders if each.name != cut)
        if number >= kills // 2 and not cut and folders:
            cut = folders[-1].name
            halve(folders[-1] / "state.safetensors")
    with killed.life() as process:
        process.wait(LIFE_SECONDS)
    events = killed.events
    resumed = [event for event in events if event["type"] == "resumed"]
    refused = any(cut in event["damaged"] for event in resumed)
    error = max(
        (abs(killed.curve.get(step, 1e9) - loss) / loss for step, loss in whole.curve.items()), default=1e9
    )
    ended = bool(whole.count("finished") and killed.count("finished"))
    return {
        "resume_ok": ended and error <= TOLERANCE and not broken and refused,
        "resume_kills": kills,
        "resume_lives_without_checkpoint": kills + 1 - len(resumed),
        "resume_broken_checkpoints": broken,
        "resume_loss_error": float(f"{error:.2g}"),
    }


def live_and_die(work: Work, draw: random.Random) -> None:
    """Let the engine do some steps and kill it in the middle of something."""
    goal = work.count("step") + draw.randint(1, 2 * STEPS_A_LIFE)
    deadline = time.monotonic() + LIFE_SECONDS
    with work.life() as process:
        while work.count("step") < goal and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(draw.random() * 0.05)


def halve(path: Path) -> None:
    """Lose the second half of a file."""
    os.truncate(path, path.stat().st_size // 2)


if __name__ == "__main__":
    main()
