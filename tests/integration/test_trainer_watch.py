"""A run that is watched from the command line, in a terminal and without one."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from sishu.common.v1 import job_service_pb2 as job_pb
from tests.integration import trainer_school
from tests.integration.processes import eventually
from tests.integration.stores import Stores, room_environment
from tests.integration.trainer_school import LONG, RUN_SECONDS, RUNNING, School, StartTrainer

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

base_model, tokenizer = trainer_school.base_model, trainer_school.tokenizer
school, start_trainer = trainer_school.school, trainer_school.start_trainer


def environment(stores: Stores) -> dict[str, str]:
    path = os.pathsep.join(filter(None, sys.path))
    return room_environment(stores, {"COLUMNS": "100", "LINES": "40", "TERM": "xterm", "PYTHONPATH": path})


async def command(stores: Stores, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sishu.cli.main"),
        *arguments,
        env=environment(stores),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


class Terminal:
    """A terminal in which a command runs."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self.seen = b""
        asyncio.get_running_loop().add_reader(self._ours, self._read)

    def _read(self) -> None:
        try:
            self.seen += os.read(self._ours, 65536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self._ours)

    async def shows(self, words: str) -> None:
        async def there() -> bool:
            return words.encode() in self.seen

        await eventually(there, RUN_SECONDS)


async def test_ctrl_c_ends_the_watch_and_not_the_run(
    school: School, start_trainer: StartTrainer, tmp_path: Path
) -> None:
    await start_trainer()
    run = await school.create_run(await school.prepared(), **{**LONG, "max_steps": 5000})
    await school.beyond(run.id, 30)
    terminal = Terminal()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sishu.cli.main", "run", "watch", run.id),
        env=environment(school.stores),
        stdin=terminal.theirs,
        stdout=terminal.theirs,
        stderr=terminal.theirs,
    )
    await terminal.shows("tokens/s")
    await terminal.shows("training loss")
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 300) == 130
    await terminal.shows(f"the run goes on. `sishu run watch {run.id}` shows it again")
    assert terminal.seen.rindex(b"\x1b[?25h") > terminal.seen.rindex(b"\x1b[?25l")
    assert (await school.run(run.id)).state == RUNNING

    picture = tmp_path / "curve.png"
    assert (await command(school.stores, "run", "plot", run.id, "-o", str(picture)))[0] == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    code, printed = await command(school.stores, "run", "tensorboard", run.id, "-o", str(tmp_path / "logs"))
    assert code == 0, printed
    (events,) = (tmp_path / "logs").rglob("events.out.tfevents.*")
    assert events.read_bytes().count(b"train/loss") >= 30

    await school.client.jobs("trainer").CancelJob(job_pb.CancelJobRequest(id=run.job.id))
    code, printed = await command(school.stores, "run", "watch", run.id, "--from-step", "20")
    assert code == 0
    assert "(cancelled)" in printed
    assert "verdict: not validated: the training loss is" in printed
    assert "\x1b" not in printed
