"""Trainers in processes of their own, which do steps in turn when they are asked to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.bench.peers_environments import QUIET, PeerError, last_line
from tests.bench.training_gate import REPORTS
from tests.integration.stores import ROOT


@dataclass(frozen=True)
class Turn:
    """What a side did when it was asked for steps."""

    tokens: int
    """Real ones: no padding."""
    seconds: float
    cpu_seconds: float
    """Of all its threads."""
    peak_mb: float
    """Of the process's resident set since it began."""

    @property
    def rate(self) -> float:
        """Real tokens a second."""
        return self.tokens / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Real tokens a second of CPU time: what is left of the rate when others use the machine too."""
        return self.tokens / self.cpu_seconds


@dataclass
class Side:
    """A trainer that waits to be asked."""

    name: str
    process: subprocess.Popen[str]
    reports: IO[str]
    startup_s: float = 0.0
    """From its start until it could do its first step."""
    ended: bool = False
    """Whether it has trained all rows."""

    def wait(self) -> None:
        """Wait until it can do a step, or has ended. Raises PeerError where it ends otherwise."""
        self.ended = "ended" in self._read()

    def turn(self, steps: int = 1) -> Turn:
        """Have it do steps, fewer where its rows end. Raises PeerError."""
        commands = self.process.stdin
        assert commands is not None
        commands.write(f"{steps}\n")
        commands.flush()
        turn = Turn(**self._read())
        self.wait()
        return turn

    def finish(self) -> None:
        """Wait until it has saved what it learned. Raises PeerError."""
        if self.process.wait():
            raise PeerError(f"{self.name} failed when it saved its adapter")

    def _read(self) -> dict[str, Any]:
        line = self.reports.readline()
        if not line:
            raise PeerError(f"{self.name} ended by itself")
        found: dict[str, Any] = json.loads(line)
        return found


@dataclass(frozen=True)
class Place:
    """Where sides run.

    Args:
        folder: receives their files.
        threads: of each; 0 leaves the choice to torch.
    """

    folder: Path
    threads: int = 0


@contextmanager
def side(name: str, python: Path, module: str, arguments: dict[str, Any], place: Place) -> Iterator[Side]:
    """Start a side and wait until it can do its first step; it is ended with the context.

    Args:
        name: for messages and files.
        python: that it is run by.
        module: in tests.bench; gets the path of a file with `arguments`.
        arguments: what the module takes.
        place: where that file and the side's output go.

    Raises:
        PeerError: it did not come so far; with the last line that it wrote.
    """
    folder = place.folder
    spec, log = folder / f"{name}.json", folder / f"{name}.log"
    spec.write_text(json.dumps(arguments, default=str), encoding="utf-8")
    theirs, ours = os.pipe()
    # No accelerator: the comparison is of CPUs. No hub, no reports to others.
    environment = {**QUIET, "PATH": os.environ["PATH"], "HOME": str(folder), "CUDA_VISIBLE_DEVICES": ""}
    environment |= {REPORTS: str(ours), "PYTHONPATH": str(ROOT), "WANDB_DISABLED": "true"}
    if place.threads:
        environment["OMP_NUM_THREADS"] = str(place.threads)
    began = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(python), "-P", "-m", f"tests.bench.{module}", str(spec)],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[ours],
            text=True,
        )
    os.close(ours)
    with os.fdopen(theirs) as reports:
        waiting = Side(name, process, reports)
        try:
            waiting.wait()
            waiting.startup_s = time.perf_counter() - began
            yield waiting
        except PeerError as error:
            raise PeerError(f"{error}: {last_line(log.read_text(encoding='utf-8'))}") from error
        finally:
            process.kill()
            process.communicate()


@contextmanager
def engine_side(name: str, spec: dict[str, Any], place: Place) -> Iterator[Side]:
    """The engine as a side."""
    settings = {"run_id": name, "output_dir": place.folder / name, "device": "cpu", **spec}
    with side(name, Path(sys.executable), "training_engine", settings, place) as started:
        yield started
