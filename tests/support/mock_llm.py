"""A language model server for tests: the OpenAI chat protocol, invented answers, faults on demand.

`python -m tests.support.mock_llm --port 0 --latency-ms 500` prints one JSON line, {"base_url", "pid"}, once
it listens on loopback. Besides /v1/models and /v1/chat/completions it serves

- `GET /stats`: what was asked and answered; `?prompts=1` adds {prompt hash: [calls, paid calls]}.
- `DELETE /stats`: start counting anew.
- `GET /control`, `POST /control`: read or change the settings (`llm_faults.Settings`) during calls.

A call is *paid* once its service has begun, unless it ends in a 500: a vendor charges for such a call even
when the caller is gone before the answer. Tests use the helper `mock_llm`, which runs the server as a
process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web

from tests.support.llm_faults import HINTS, SettingError, Settings
from tests.support.llm_server import MockLlm

ROOT = Path(__file__).resolve().parents[2]
START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 5.0
CALL_DEADLINE = aiohttp.ClientTimeout(total=10)


@dataclasses.dataclass(frozen=True)
class MockServer:
    """A running mock, as its starter sees it."""

    base_url: str
    """What an OpenAI client takes, ending in /v1."""
    pid: int
    session: aiohttp.ClientSession

    async def stats(self, *, prompts: bool = False) -> dict[str, Any]:
        """Return the counts, with one entry for each prompt if asked."""
        return await self._call("GET", "/stats?prompts=1" if prompts else "/stats")

    async def reset(self) -> None:
        """Start counting anew."""
        await self._call("DELETE", "/stats")

    async def control(self, **changes: Any) -> dict[str, Any]:
        """Change settings and return all of them.

        Raises:
            SettingError: if the server refuses a change; nothing is changed then.
        """
        return await self._call("POST", "/control", changes)

    async def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        url = self.base_url.removesuffix("/v1") + path
        async with self.session.request(method, url, json=body) as response:
            content: dict[str, Any] = await response.json()
        if "error" in content:
            raise SettingError(content["error"]["message"])
        return content


@contextlib.asynccontextmanager
async def mock_llm(*, port: int = 0, prompt_cap: int = 200_000, **settings: Any) -> AsyncIterator[MockServer]:
    """Run the server as a process on loopback for the time of the context.

    Raises:
        SettingError: if a setting is unknown or does not fit.
        RuntimeError: if the server does not start.
    """
    Settings().changed(settings)
    flags = ["--port", str(port), "--prompt-cap", str(prompt_cap), "--settings", json.dumps(settings)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.mock_llm", "--exit-with-stdin", *flags),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        ready = await _ready_line(process)
        async with aiohttp.ClientSession(timeout=CALL_DEADLINE) as session:
            yield MockServer(ready["base_url"], ready["pid"], session)
    finally:
        await _stop(process)


async def _ready_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    stdout = cast(asyncio.StreamReader, process.stdout)
    line = await asyncio.wait_for(stdout.readline(), START_DEADLINE_S)
    if not line:
        raise RuntimeError(f"the mock LLM ended with exit code {await process.wait()} before it was ready")
    return dict(json.loads(line))


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.communicate(), STOP_DEADLINE_S)
    except TimeoutError:
        process.kill()
        await process.communicate()


async def serve(settings: Settings, port: int, prompt_cap: int, *, exit_with_stdin: bool) -> None:
    """Serve on loopback until SIGTERM or SIGINT, or until stdin closes if asked."""
    app = MockLlm(settings, prompt_cap).app()
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=2048).start()
        ready = {"base_url": f"http://127.0.0.1:{runner.addresses[0][1]}/v1", "pid": os.getpid()}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await _told_to_stop(exit_with_stdin=exit_with_stdin)
    finally:
        await runner.cleanup()


async def _told_to_stop(*, exit_with_stdin: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def on_stdin() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stop.set()

    if exit_with_stdin:
        loop.add_reader(0, on_stdin)
    await stop.wait()


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _schedule(text: str) -> list[list[float]]:
    pairs = (pair.partition(":") for pair in _names(text))
    return [[float(seconds), int(capacity)] for seconds, _, capacity in pairs]


PARSERS: Mapping[Any, Callable[[str], Any]] = {
    list[str]: _names,
    list[list[float]]: _schedule,
    dict[str, Any]: json.loads,
}


def parse_flags(argv: list[str] | None) -> argparse.Namespace:
    """Read the flags: one for each setting, and those of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.mock_llm",
        description="A mock of an OpenAI-compatible LLM server.",
        epilog="The settings are explained in tests/support/llm_faults.py. Lists are written a,b; "
        "a capacity schedule 0:32,10:8 (seconds:capacity).",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--prompt-cap", type=int, default=200_000, help="prompts whose calls are counted singly"
    )
    parser.add_argument("--exit-with-stdin", action="store_true", default=False, help="end when stdin closes")
    parser.add_argument("--settings", type=json.loads, default={}, help="settings as a JSON object")
    for name, kind in HINTS.items():
        parser.add_argument("--" + name.replace("_", "-"), type=PARSERS.get(kind, kind))
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the server; a setting that does not fit ends it with one line on stderr."""
    flags = vars(parse_flags(argv))
    process = {name: flags.pop(name) for name in ("port", "prompt_cap", "exit_with_stdin")}
    try:
        settings = Settings().changed(flags.pop("settings") | flags)
    except SettingError as error:
        sys.exit(f"mock_llm: {error}")
    asyncio.run(serve(settings, **process))


if __name__ == "__main__":
    main()
