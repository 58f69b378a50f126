from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.trainer.engine.files import locked
from services.trainer.engine_events import EngineFailure
from services.trainer.engine_process import ROOT, engine, error_of, last_line

WAIT_SECONDS = 20.0

DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(60)"
)
WITH_CHILD = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print(child.pid, flush=True); time.sleep(60)"
)


async def said(work: Path) -> str:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (line := last_line(work)):
        assert time.monotonic() < deadline, "the program said nothing"
        await asyncio.sleep(0.02)
    return line


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def until_gone(pid: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        await asyncio.sleep(0.02)


async def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async with engine([sys.executable, "-c", DEAF], tmp_path, stop_seconds=0.2) as process:
        assert await said(tmp_path) == "deaf"
    assert process.returncode == -signal.SIGKILL


async def test_what_the_engine_started_ends_with_it(tmp_path: Path) -> None:
    async with engine([sys.executable, "-c", WITH_CHILD], tmp_path, stop_seconds=5) as process:
        child = int(await said(tmp_path))
    assert process.returncode == -signal.SIGTERM
    await until_gone(child)


async def test_the_engine_dies_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    worker = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from services.trainer.engine_process import start\n"
        "async def main():\n"
        "    command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "    process = await start(command, Path(sys.argv[1]))\n"
        "    print(process.pid, flush=True)\n"
        "    await process.wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", worker, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    engine_pid = int(await asyncio.wait_for(process.stdout.readline(), WAIT_SECONDS))
    # The launcher has asked for its parent's death signal once it has become the program.
    deadline = time.monotonic() + WAIT_SECONDS
    while "time.sleep" not in " ".join(psutil.Process(engine_pid).cmdline()[-1:]):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    process.kill()
    await process.wait()
    await until_gone(engine_pid)


async def test_the_engine_does_not_see_the_rooms_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SISHU_S3_SECRET_KEY", "secret")
    monkeypatch.setenv("HF_HOME", "/somewhere")
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    async with engine([sys.executable, "-c", show], tmp_path, stop_seconds=5) as process:
        await asyncio.wait_for(process.wait(), WAIT_SECONDS)
    seen = json.loads(last_line(tmp_path))
    assert seen["HF_HOME"] == "/somewhere"
    assert [name for name in seen if name.startswith("SISHU_")] == []
    assert "SISHU_S3_SECRET_KEY" in os.environ


async def test_the_engine_gets_variables_beside_those_of_the_room(tmp_path: Path) -> None:
    show = "import os; print(os.environ['NCCL_MIN_NCHANNELS'], 'PATH' in os.environ)"
    more = {"NCCL_MIN_NCHANNELS": "16"}
    async with engine([sys.executable, "-c", show], tmp_path, 5, more) as process:
        await asyncio.wait_for(process.wait(), WAIT_SECONDS)
    assert last_line(tmp_path) == "16 True"


async def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with engine([str(tmp_path / "python"), "-m", "x"], tmp_path, stop_seconds=5) as process:
        await asyncio.wait_for(process.wait(), WAIT_SECONDS)
    assert process.returncode == 1
    said = error_of(1, None, last_line(tmp_path)).message
    assert said.startswith(f"the engine failed: cannot start {tmp_path}/python: No such file")
    assert "SISHU_ENGINE_PYTHON" in said


@pytest.mark.parametrize(
    ("code", "failure", "wanted"),
    [
        (2, ("INVALID_ROW", "line 3: no answer"), "INVALID_ARGUMENT INVALID_ROW line 3: no answer"),
        (3, ("NON_FINITE_LOSS", "step 4: loss nan"), "FAILED_PRECONDITION NON_FINITE_LOSS step 4: loss nan"),
        (1, ("OUT_OF_MEMORY", "no memory"), "FAILED_PRECONDITION OUT_OF_MEMORY no memory"),
        (1, ("INTERNAL", "KeyError: x"), "INTERNAL ENGINE_FAILED the engine failed: KeyError: x"),
        (2, ("RUN_CHANGED", "other seed"), "FAILED_PRECONDITION RUN_CHANGED other seed"),
        (6, ("DISK_FULL", "no space left"), "FAILED_PRECONDITION DISK_FULL no space left"),
        (4, None, "UNAVAILABLE ENGINE_STOPPED the engine was told to stop; it goes on from its checkpoint"),
    ],
)
def test_an_end_becomes_the_engines_own_error(
    code: int, failure: tuple[str, str] | None, wanted: str
) -> None:
    error = error_of(code, EngineFailure(*failure) if failure else None, "")
    assert f"{error.code} {error.reason} {error.message}" == wanted


@pytest.mark.parametrize(
    ("code", "said", "wanted"),
    [
        (2, "error: lora_rank: must be a whole number", "INVALID_ARGUMENT lora_rank: must be a whole number"),
        (1, "ImportError: no torch", "INTERNAL the engine failed: ImportError: no torch"),
        (1, "", "INTERNAL the engine failed: exit code 1"),
    ],
)
def test_an_engine_without_a_failed_event_is_quoted(code: int, said: str, wanted: str) -> None:
    error = error_of(code, None, said)
    assert f"{error.code} {error.message}" == wanted
    assert error.reason == "ENGINE_FAILED"


def test_an_engine_that_finds_another_in_its_folder_is_started_again(tmp_path: Path) -> None:
    spec = {"run_id": "r", "base_model": ".", "train_file": "rows", "output_dir": "work"}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    for name in ("config.json", "rows"):
        (tmp_path / name).touch()
    command = [sys.executable, "-m", "services.trainer.engine", "spec.json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with locked(tmp_path / "work"):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    error = error_of(done.returncode, None, done.stderr.splitlines()[-1])
    assert (error.code, error.reason) == ("UNAVAILABLE", "OUTPUT_DIR_IN_USE")
    assert "another process is training in" in error.message


def test_a_killed_engine_is_started_again_and_memory_is_named() -> None:
    error = error_of(-9, None, "")
    assert (error.code, error.reason) == ("UNAVAILABLE", "ENGINE_KILLED")
    assert "signal 9" in error.message
    assert "memory" in error.message
