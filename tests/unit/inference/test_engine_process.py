from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from services.inference.engine_process import LAUNCHER, EngineFiles, start_engine
from services.runtime.errors import SishuError

READY = """
import json, os, pathlib, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"])
print("child", child.pid, flush=True)
ready = pathlib.Path(sys.argv[sys.argv.index("--ready-file") + 1])
ready.write_text(json.dumps({"port": 4242, "pid": os.getpid()}))
time.sleep(60)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + READY
BROKEN = "import sys; print('Loading'); sys.exit('NO_CHAT_TEMPLATE: The model has no chat template.')"
SILENT = "import time; time.sleep(60)"


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], list[str]]:
    def write(text: str) -> list[str]:
        path = tmp_path / "engine.py"
        path.write_text(text, encoding="utf-8")
        return [sys.executable, str(path)]

    return write


@pytest.fixture
def files(tmp_path: Path) -> EngineFiles:
    return EngineFiles.of(tmp_path / "deployments", "d1")


def child_of(files: EngineFiles) -> int:
    return int(files.log.read_text(encoding="utf-8").split("child ")[-1].split()[0])


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def started(text: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(text)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def eventually(check: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if check():
                return
            await asyncio.sleep(0.05)


async def test_an_engine_is_stopped_with_all_that_it_started(
    program: Callable[[str], list[str]], files: EngineFiles
) -> None:
    engine = await start_engine(program(READY), files, 10)
    assert engine.base_url == "http://127.0.0.1:4242/v1"
    assert os.getpgid(engine.pid) == engine.pid
    child = child_of(files)
    assert is_alive(child)
    await engine.stop()
    assert await engine.wait() == -15
    await eventually(lambda: not is_alive(child))


async def test_an_engine_that_does_not_heed_is_killed(
    program: Callable[[str], list[str]], files: EngineFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.inference.engine_process.STOP_SECONDS", 0.3)
    engine = await start_engine(program(STUBBORN), files, 10)
    await engine.stop()
    assert await engine.wait() == -9


async def test_an_engine_that_ends_before_it_answers_tells_why(
    program: Callable[[str], list[str]], files: EngineFiles
) -> None:
    files.log.parent.mkdir()
    files.log.write_text("torch.OutOfMemoryError of the start before\n", encoding="utf-8")
    with pytest.raises(SishuError) as caught:
        await start_engine(program(BROKEN), files, 10)
    assert caught.value.reason == "NO_CHAT_TEMPLATE"
    assert "The model has no chat template." in caught.value.message


async def test_an_engine_that_never_answers_is_given_up(
    program: Callable[[str], list[str]], files: EngineFiles
) -> None:
    with pytest.raises(SishuError) as caught:
        await start_engine(program(SILENT), files, 0.5)
    assert caught.value.reason == "LOAD_TIMED_OUT"


async def test_a_ready_file_of_another_process_is_not_believed(files: EngineFiles) -> None:
    files.ready.parent.mkdir()
    files.ready.write_text('{"port": 1, "pid": 2}', encoding="utf-8")
    assert files.read_port(3) is None
    assert files.read_port(2) == 1
    files.ready.write_text('{"port"', encoding="utf-8")
    assert files.read_port(2) is None


async def test_an_engine_dies_with_the_process_that_started_it() -> None:
    starter = f"""
        import os, subprocess, sys, time
        command = [sys.executable, {str(LAUNCHER)!r}, str(os.getpid()), "sleep", "60"]
        print(subprocess.Popen(command).pid, flush=True)
        time.sleep(60)
    """
    with started(starter) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        await eventually(lambda: psutil.Process(pid).name() == "sleep")
        process.kill()
    await eventually(lambda: not is_alive(pid))


def launch(parent: int, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SISHU_S3_SECRET_KEY": "secret", "SISHU_STACK": "mark"}
    return subprocess.run(
        [sys.executable, str(LAUNCHER), str(parent), *command],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_engine_whose_starter_is_gone_is_not_started(tmp_path: Path) -> None:
    assert launch(1, "touch", str(tmp_path / "made")).returncode == 1
    assert not (tmp_path / "made").exists()


def test_an_engine_does_not_see_the_keys_of_the_room() -> None:
    seen = launch(os.getpid(), "env").stdout
    assert "secret" not in seen
    assert "SISHU_STACK=mark" in seen
    assert "PATH=" in seen


async def test_a_python_that_is_not_there_is_named(files: EngineFiles) -> None:
    with pytest.raises(SishuError) as caught:
        await start_engine(["/no/python"], files, 10)
    assert caught.value.reason == "ENGINE_NOT_FOUND"
    assert "/no/python" in caught.value.message


def test_a_large_log_begins_anew(files: EngineFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.inference.engine_process.LARGEST_LOG_BYTES", 100)
    assert files.prepare() == 0
    files.log.write_text("x" * 90, encoding="utf-8")
    assert files.prepare() == 90
    files.log.write_text("x" * 101, encoding="utf-8")
    assert files.prepare() == 0
    assert not files.log.exists()
