"""kill -9 at random moments, and what a run is afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from services.trainer.engine import checkpoint
from services.trainer.engine.run import run
from services.trainer.engine.spec import load_spec
from services.trainer.engine.stopping import StopSignal
from tests.bench.training_kills import measure

KILLS = 20


class Forked:
    """A run in a process that has everything imported already, so that kills meet what matters."""

    def __init__(self, spec: Path) -> None:
        self._code: int | None = None
        self._pid = os.fork()
        if not self._pid:
            code = 99
            try:
                code = run(load_spec(spec), StopSignal())
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def send_signal(self, number: int, /) -> None:
        os.kill(self._pid, number)


@pytest.mark.full
# The parent's threads take no lock that a child needs: they only wait.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_run_killed_at_twenty_random_moments_is_the_run_that_nobody_kills(
    base_model: Path, tmp_path: Path
) -> None:
    found = measure(tmp_path, base_model, KILLS, 200, Forked, seed=random.randrange(2**31))  # noqa: S311
    print(found)
    assert found["resume_ok"]
    assert found["kills"] == KILLS
    assert found["kills_loss_gap"] < 1e-6
    assert found["kills_spoilt"] > 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_checkpoint_is_whole_or_not_there_whenever_its_writer_is_killed(tmp_path: Path) -> None:
    whole = 0
    for number in range(20):
        root = tmp_path / str(number)
        pid = os.fork()
        if not pid:
            write_for_ever(root)
        deadline = time.monotonic() + 30
        # Not always the first, however little the processor leaves to the writer.
        least = number % 4 + 1
        while _newest(root) < least and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.01))  # noqa: S311 - no secret
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        found, damaged = checkpoint.newest_valid(root)
        assert found is not None
        assert damaged == []
        whole += checkpoint.step_of(found)
    assert whole > 20


def _newest(root: Path) -> int:
    return max((checkpoint.step_of(each) for each in root.glob("step-*")), default=0)


def write_for_ever(root: Path) -> None:
    """Checkpoint after checkpoint, as a run writes them."""
    try:
        for step in range(1, 100_000):
            with checkpoint.new_checkpoint(root, step) as folder:
                for name in ("state", "weights", "config"):
                    (folder / name).write_bytes(os.urandom(50_000))
            checkpoint.prune(root, 2)
    finally:
        os._exit(1)
