"""One engine as a child process: start it, wait until it answers, watch it, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.inference.config import InferenceConfig
from services.inference.deployments import Deployment, ModelFolders, engine_failure
from services.inference.preflight import check_memory
from services.runtime.errors import DeadlineExceeded

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = Path(__file__).with_name("launcher.py")
HOST = "127.0.0.1"
POLL_SECONDS = 0.1
STOP_SECONDS = 5.0
STARTS_AT_ONCE = 2
LARGEST_LOG_BYTES = 8 << 20
TAIL_BYTES = 16 << 10


@dataclass(frozen=True)
class EngineFiles:
    """Where an engine writes: its log, and the file that says that it answers."""

    log: Path
    ready: Path

    @classmethod
    def of(cls, folder: Path, deployment_id: str) -> EngineFiles:
        """The files of a deployment."""
        return cls(folder / f"{deployment_id}.log", folder / f"{deployment_id}.ready.json")

    def prepare(self) -> int:
        """Make ready for a start; return where in the log it begins. A large log begins anew."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.ready.unlink(missing_ok=True)
        size = self.log.stat().st_size if self.log.exists() else 0
        if size > LARGEST_LOG_BYTES:
            self.log.unlink()
            return 0
        return size

    def read_port(self, pid: int) -> int | None:
        """Port on which the process answers; nothing until it does."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self.ready.read_bytes())
            if found["pid"] == pid:
                return int(found["port"])
        return None

    def tail(self, start: int) -> str:
        """The end of what was logged since `start`."""
        with self.log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(start, size - TAIL_BYTES))
            return stream.read().decode("utf-8", "replace")


class EngineProcess:
    """A running engine that answers at `base_url`; made by `start_engine`."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.base_url = f"http://{HOST}:{port}/v1"

    @property
    def pid(self) -> int:
        """Process id of the engine, and id of its process group."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Wait until it ends; return its exit code."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End it with all that it started."""
        await stop(self._process)


class Engines:
    """How engines are started here.

    Args:
        config: settings of the room.
        folder: where logs and ready files lie.
    """

    def __init__(self, config: InferenceConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)

    async def start(self, deployment: Deployment, folders: ModelFolders) -> EngineProcess:
        """Start a deployment's engine and wait until it answers.

        Raises:
            SishuError: it does not; the message says why.
        """
        return await self._start(deployment, folders.model, engine_command(self._config, deployment, folders))

    async def start_shared(self, deployment: Deployment, base: Path, name: str) -> EngineProcess:
        """Start an engine with a base model of a name, into which adapters can be loaded.

        The log is the deployment's that needed it first.

        Raises:
            SishuError: it does not answer; the message says why.
        """
        named = replace(deployment, served_model_name=name)
        command = [*engine_command(self._config, named, ModelFolders(base)), "--runtime-adapters"]
        return await self._start(deployment, base, command)

    async def _start(self, deployment: Deployment, model: Path, command: Sequence[str]) -> EngineProcess:
        files = EngineFiles.of(self._folder, deployment.id)
        async with self._starts:
            await asyncio.to_thread(check_memory, model, deployment.options)
            return await start_engine(command, files, self._config.load_seconds)

    def forget_others(self, deployment_ids: Collection[str]) -> None:
        """Delete the logs and ready files of all deployments but these."""
        for path in self._folder.glob("*"):
            if path.name.partition(".")[0] not in deployment_ids:
                path.unlink(missing_ok=True)


def engine_command(config: InferenceConfig, deployment: Deployment, folders: ModelFolders) -> Sequence[str]:
    """The command line of a deployment's engine."""
    command = [str(config.engine_python), "-m", "services.inference.engine", "--model", str(folders.model)]
    if folders.adapter:
        command += ["--adapter", str(folders.adapter)]
    # With `=`, a name may begin with a dash.
    command += [f"--name={deployment.served_model_name}", "--max-batch", str(config.engine_batch)]
    for name, value in deployment.options.of_engine.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return command


async def start_engine(command: Sequence[str], files: EngineFiles, seconds: float) -> EngineProcess:
    """Start an engine and wait until it answers.

    Args:
        command: the program with its arguments; `--host`, `--port` and `--ready-file` are added.
        files: where it writes.
        seconds: longest time until it answers.

    Raises:
        SishuError: it ended before it answered; the message says what its log said last.
        DeadlineExceeded: it took too long.
    """
    start = await asyncio.to_thread(files.prepare)
    command = [*command, "--host", HOST, "--port", "0", "--ready-file", str(files.ready)]
    process = await spawn(command, files.log)
    try:
        async with asyncio.timeout(seconds):
            while (port := files.read_port(process.pid)) is None:
                if process.returncode is not None:
                    raise engine_failure(process.returncode, files.tail(start), str(files.log))
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        await stop(process)
        raise DeadlineExceeded(
            "LOAD_TIMED_OUT",
            f"the engine did not answer within {seconds:.0f} s; raise SISHU_INFERENCE_LOAD_SECONDS or use a "
            f"smaller model (log: {files.log})",
        ) from None
    except BaseException:
        await stop(process)
        raise
    return EngineProcess(process, port)


async def spawn(command: Sequence[str], log: Path) -> Process:
    """Start a program in a process group of its own, that ends with us; both its outputs go to the log."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid())),
            *command,
            cwd=ROOT,
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def stop(process: Process) -> None:
    """Ask a process group to end, and kill what is left of it after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
