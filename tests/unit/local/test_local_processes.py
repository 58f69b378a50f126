from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from services.local.processes import MARK, sweep

LAUNCH = "services/local/launch.py"
ROOT = Path(__file__).resolve().parents[3]
SLEEP = "import time; time.sleep(60)"
QUITS = f"import signal; signal.signal(signal.SIGQUIT, signal.SIG_DFL); print(flush=True); {SLEEP}"
"""It ends by SIGQUIT also where whoever runs the tests ignores that, as a shell does in the background."""
NOBODY = 65534

PARENT = """
import os, subprocess, sys, time
code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
launch = [sys.executable, "-I", "-S", {launch!r}, str(os.getpid()), "9", "-1", "-1"]
child = subprocess.Popen([*launch, sys.executable, "-S", "-c", code])
time.sleep(60)
"""


def until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_launched_program_dies_with_its_killed_parent() -> None:
    code = PARENT.format(launch=str(ROOT / LAUNCH))
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.kill()
        assert until(lambda: gone(child))


def test_a_program_whose_parent_is_gone_already_does_not_start() -> None:
    argv = [
        sys.executable,
        "-I",
        "-S",
        str(ROOT / LAUNCH),
        "1",
        "9",
        "-1",
        "-1",
        sys.executable,
        "-c",
        "print(1)",
    ]
    done = subprocess.run(argv, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (126, b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_becomes_another_user_who_still_reads_below_roots_folders(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    secret = tmp_path / "private" / "binary"
    secret.write_text("content")
    secret.chmod(0o600)
    code = (
        f"import os; print(os.geteuid(), os.getegid(), os.getgroups(), open({str(secret)!r}).read())\n"
        f"try: open({str(tmp_path / 'private' / 'new')!r}, 'w')\n"
        "except PermissionError: print('may not write')"
    )
    argv = [
        *(sys.executable, "-I", "-S", str(ROOT / LAUNCH)),
        *(str(os.getpid()), "9", str(NOBODY), str(NOBODY)),
        *(sys.executable, "-S", "-c", code),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout == f"{NOBODY} {NOBODY} [] content\nmay not write\n", done.stderr


def test_a_sweep_ends_what_bears_the_mark_or_sits_in_the_data_and_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data.mkdir()
    sleep = [sys.executable, "-S", "-c", SLEEP]
    # The system names a process after the file that was started.
    server = tmp_path / "postgres.bin" / "postgres"
    server.parent.mkdir()
    server.symlink_to(sys.executable)
    with (
        subprocess.Popen(sleep, env={MARK: str(tmp_path)}) as marked,
        subprocess.Popen([server, "-S", "-c", QUITS], cwd=data, stdout=subprocess.PIPE) as inside,
        subprocess.Popen(sleep, cwd=data) as visitor,
        subprocess.Popen(sleep, env={MARK: str(tmp_path / "other")}) as other,
    ):
        try:
            # A child of `Popen` has its parent's environment until it has become the program.
            assert until(lambda: psutil.Process(other.pid).environ().get(MARK) is not None)
            assert until(lambda: psutil.Process(marked.pid).environ().get(MARK) is not None)
            assert inside.stdout and inside.stdout.readline()
            assert sorted(sweep(tmp_path, data)) == sorted([marked.pid, inside.pid])
            assert marked.wait(5) == -signal.SIGKILL
            assert inside.wait(5) == -signal.SIGQUIT
            assert other.poll() is None
            assert visitor.poll() is None
        finally:
            for process in (marked, inside, visitor, other):
                process.kill()
    assert sweep(tmp_path, data) == []
