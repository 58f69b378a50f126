"""What kill -9 costs a training run.

A run of a tiny model is killed `--kills` times, at random moments from the start of its process on: while it
imports, loads, steps and saves, with a checkpoint every other step. After every fourth kill the newest checkpoint
is spoilt: a file cut, a bit flipped, or a file deleted. A run that nobody kills is the measure. Prints one JSON
object:

- `resume_ok`: whether every process went on from the newest checkpoint that was whole, as this program sees it, and
  the losses are those of the unbroken run;
- `kills`: how many processes were killed before the run was done;
- `kills_loss_gap`: largest distance of a step's loss from that of the unbroken run, as a share; the later of a repeated
  step counts;
- `kills_while`: in which phase the processes were; `kills_spoilt`: how many checkpoints were spoilt;
- `kills_steps_again`: steps that were done more than once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from services.trainer.engine.events import read_events
from services.trainer.engine.spec import TrainSpec
from tests.bench.training_models import SHAPES, make_base
from tests.unit.trainer.engine.tiny import conversation, write_rows

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-4
ENGINE = (sys.executable, "-m", "services.trainer.engine")
SPOILT_EVERY = 4
EARLY_SHARE = 0.3
"""Of the kills how many come before a process has done a step."""
MOST_SECONDS = 1800.0


class Process(Protocol):
    """What is killed."""

    def poll(self) -> int | None:
        """Its exit code, or minus the number of the signal that ended it; nothing while it lives."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""


Start = Callable[[Path], Process]


def started(spec: Path) -> subprocess.Popen[bytes]:
    """The engine as it is shipped."""
    return subprocess.Popen([*ENGINE, str(spec)], cwd=ROOT, stdout=subprocess.DEVNULL)


@dataclass
class Killed:
    """What was seen."""

    kills: int = 0
    spoilt: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Where a process did not go on from what it should have."""


def spec_in(folder: Path, name: str, base: Path, steps: int) -> Path:
    """A spec file of a run in the folder."""
    rows = [conversation(f"Where is town {i}?", f"By the river {i}. " * (1 + i % 5)) for i in range(24)]
    train_file = folder / "rows.jsonl"
    if not train_file.exists():
        write_rows(train_file, rows)
    spec = TrainSpec(
        run_id=name,
        base_model=base,
        train_file=train_file,
        output_dir=folder / name,
        max_steps=steps,
        learning_rate=1e-2,
        lora_dropout=0.1,
        batch_tokens=256,
        precision="fp32",
        device="cpu",
        threads=1,
        checkpoint_steps=2,
        keep_checkpoints=3,
    )
    path = folder / f"{name}.json"
    path.write_text(json.dumps(asdict(spec), default=str))
    return path


def events_of(run: Path) -> list[dict[str, Any]]:
    """All events of a run's folder."""
    return [event for event, _ in read_events(run / "events.jsonl")]


def losses(run: Path) -> dict[int, float]:
    """The loss of each step; of a repeated one the later."""
    return {event["step"]: event["loss"] for event in events_of(run) if event["type"] == "step"}


def newest_whole(run: Path) -> int:
    """Step of the newest checkpoint whose files have the hashes of its manifest; 0 when there is none."""
    whole = [0]
    for folder in (run / "checkpoints").glob("step-*"):
        try:
            hashes = json.loads((folder / "manifest.json").read_bytes())["sha256"]
            found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in hashes}
        except (OSError, ValueError, KeyError):
            continue
        if found == hashes:
            whole.append(int(folder.name.removeprefix("step-")))
    return max(whole)


def spoil_newest(run: Path, dice: random.Random) -> int:
    """Cut, change or delete a file of the newest checkpoint; returns how many checkpoints that spoilt."""
    folders = sorted((run / "checkpoints").glob("step-*"))
    files = sorted(folders[-1].iterdir()) if folders else []
    if not files:
        return 0
    path = dice.choice([each for each in files if each.name != "manifest.json"] or files)
    content = bytearray(path.read_bytes())
    match dice.choice(("cut", "flip", "delete")):
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "flip":
            content[dice.randrange(len(content))] ^= 1
            path.write_bytes(content)
        case _:
            path.unlink()
    return 1


@dataclass
class Usual:
    """How long an unbroken run takes, in seconds."""

    start: float
    """Until the first step is done."""
    steps: float
    """From there on."""


def kill_often(spec: Path, run: Path, kills: int, start: Start, dice: random.Random, usual: Usual) -> Killed:
    """Start the run until it is done, and kill it on the way.

    Args:
        spec: the spec file.
        run: its output folder.
        kills: how often to kill.
        start: starts a process.
        dice: decides when, and what is spoilt.
        usual: by which moments are chosen, so that the run is not done before it has been killed so often.
    """
    seen = Killed()
    deadline = time.monotonic() + MOST_SECONDS
    while not seen.wrong:
        expected, before = newest_whole(run), len(events_of(run))
        process = start(spec)
        if seen.kills < kills:
            wait_for_moment(process, run, kills, dice, usual)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
        code = ended(process, deadline)
        events = events_of(run)[before:]
        note_resume(seen, events, expected)
        if code != -signal.SIGKILL:
            if code:
                seen.wrong.append(f"a process ended with code {code}")
            break
        seen.kills += 1
        phases = [event["phase"] for event in events if event["type"] == "progress"]
        seen.phases[phases[-1] if phases else "starting"] += 1
        if seen.kills % SPOILT_EVERY == 0:
            seen.spoilt += spoil_newest(run, dice)
    return seen


def wait_for_moment(process: Process, run: Path, kills: int, dice: random.Random, usual: Usual) -> None:
    """Return at a random moment of a process's life, or when it has ended."""
    if dice.random() < EARLY_SHARE:
        until(lambda: False, process, dice.uniform(0, usual.start))
        return
    done = count_steps(run)
    until(lambda: count_steps(run) > done, process, MOST_SECONDS)
    # On average a kill comes before the run has got further than its share.
    until(lambda: False, process, dice.uniform(0, 2 * usual.steps / kills))


def until(is_reached: Callable[[], bool], process: Process, seconds: float) -> None:
    """Wait for something, for the end of the process, or for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None and not is_reached():
        time.sleep(0.002)


def count_steps(run: Path) -> int:
    """How many steps were done, repeated ones included."""
    path = run / "events.jsonl"
    return path.read_bytes().count(b'"type": "step"') if path.exists() else 0


def ended(process: Process, deadline: float) -> int:
    """The code with which a process ends; killed at the deadline."""
    until(lambda: False, process, deadline - time.monotonic())
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        raise SystemExit(f"not done after {MOST_SECONDS:.0f} s")
    code = process.poll()
    assert code is not None
    return code


def note_resume(seen: Killed, events: list[dict[str, Any]], expected: int) -> None:
    """Hold where a process went on against where it should have."""
    resumed = [event["step"] for event in events if event["type"] == "resumed"]
    steps = [event["step"] for event in events if event["type"] == "step"]
    if resumed and resumed != [expected]:
        seen.wrong.append(f"went on from {resumed}, not from {expected}")
    if steps and steps[0] != expected + 1:
        seen.wrong.append(f"began with step {steps[0]}, not with {expected + 1}")


def gap(one: dict[int, float], other: dict[int, float]) -> float:
    """Largest distance of losses, as a share; infinite where steps are missing."""
    if one.keys() != other.keys():
        return float("inf")
    return max(abs(one[step] - other[step]) / abs(other[step]) for step in other)


def measure(folder: Path, base: Path, kills: int, steps: int, start: Start, seed: int) -> dict[str, Any]:
    """Train unbroken and killed, and return the figures."""
    unbroken, killed = (spec_in(folder, name, base, steps) for name in ("unbroken", "killed"))
    began = time.time()
    if ended(start(unbroken), time.monotonic() + MOST_SECONDS):
        raise SystemExit("the unbroken run failed")
    times = [event["time"] for event in events_of(folder / "unbroken") if event["type"] == "step"]
    usual = Usual(times[0] - began, times[-1] - times[0])
    dice = random.Random(seed)  # noqa: S311 - no secret
    seen = kill_often(killed, folder / "killed", kills, start, dice, usual)
    for words in seen.wrong:
        sys.stderr.write(f"{words}\n")
    numbers = [event["step"] for event in events_of(folder / "killed") if event["type"] == "step"]
    apart = gap(losses(folder / "killed"), losses(folder / "unbroken"))
    return {
        "resume_ok": not seen.wrong and apart <= TOLERANCE,
        "kills": seen.kills,
        "kills_loss_gap": apart,
        "kills_while": dict(seen.phases),
        "kills_spoilt": seen.spoilt,
        "kills_steps_again": len(numbers) - len(set(numbers)),
    }


def main() -> None:
    """Measure and print."""
    import torch

    parser = argparse.ArgumentParser(prog="python -m tests.bench.training_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sishu-kills-"))
    try:
        make_base(folder / "base", SHAPES["tiny"], torch.device("cpu"), 256)
        print(json.dumps(measure(folder, folder / "base", chosen.kills, chosen.steps, started, chosen.seed)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
