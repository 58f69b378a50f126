from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import httpx
import pytest

from services.inference.deployments import Verdict, engine_failure, verdict
from services.inference.engine.requirements import check_requirements
from services.runtime.errors import FailedPrecondition
from tests.unit.inference.engine.tiny import NAME

ROOT = Path(__file__).resolve().parents[4]


def command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "services.inference.engine", "--model", str(folder), "--name", NAME, *more]


def test_the_program_says_when_it_is_ready_and_ends_on_sigterm(folder: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    flags = ["--precision", "fp32", "--threads", "1", "--ready-file", str(ready)]
    with subprocess.Popen(command(folder, *flags), cwd=ROOT, stderr=subprocess.PIPE) as engine:
        deadline = time.monotonic() + 120
        while not ready.exists() and engine.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        state = json.loads(ready.read_text())
        health = httpx.get(f"http://127.0.0.1:{state['port']}/health").json()
        assert state["pid"] == engine.pid
        assert health == {"status": "ok", "model": NAME, "active": 0, "waiting": 0, "max_batch": 16}
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(20) == 0
        assert engine.stderr is not None
        assert b"Traceback" not in engine.stderr.read()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ready.json"]


def test_the_program_ends_with_its_starter(folder: Path) -> None:
    starter = textwrap.dedent("""
        import os, subprocess, sys, time
        print(subprocess.Popen([*sys.argv[1:], "--parent", str(os.getpid())]).pid, flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", starter, *command(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None
        engine = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _runs(engine):
        time.sleep(0.05)
    assert not _runs(engine)


def test_wrong_flags_are_said_in_one_line(tmp_path: Path) -> None:
    run = subprocess.run(
        command(tmp_path / "nowhere"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 2
    assert "no folder" in run.stderr.splitlines()[-1]


@pytest.mark.parametrize("version", ["4.45.2+das.dtk2504", "4.55.4"])
def test_a_transformers_that_is_too_old_is_named_in_one_line(tmp_path: Path, version: str) -> None:
    installed = tmp_path / "transformers-4.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: transformers\nVersion: {version}\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    run = subprocess.run(
        command(tmp_path), cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    [line] = run.stderr.splitlines()
    assert line.startswith(
        f"ENGINE_TOO_OLD: transformers {version} is too old for the engine, which needs 4.56."
    )


def test_a_python_that_is_too_old_is_named() -> None:
    with pytest.raises(FailedPrecondition, match=r"^Python 3\.10 is too old .* needs 3\.11\.") as caught:
        check_requirements((3, 10))
    failure = engine_failure(1, f"{caught.value.reason}: {caught.value.message}", "log")
    assert (failure.reason, verdict(failure)) == ("ENGINE_TOO_OLD", Verdict.GIVE_UP)
    check_requirements()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
