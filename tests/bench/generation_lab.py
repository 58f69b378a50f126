"""What the measurements of the generation room share: a mock model server, the rooms, and counting."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sishu.client import Client
from sishu.common.v1 import job_service_pb2
from sishu.generation.v1 import generation_pb2, provider_pb2
from tests.integration.documents import parsed_project
from tests.integration.generations import ONLY_THE_FACT, handbook, new_provider, start_generation
from tests.integration.stores import ROOT, Rooms, Servers, started_rooms, started_servers
from tests.support.mock_llm import MockServer, mock_llm

FORMS = 4
CALLS_PER_FACT = 1 + FORMS


@dataclass(frozen=True)
class Figures:
    """What one side did in its window."""

    calls_per_s: float
    cpu_ms_per_call: float


@dataclass(frozen=True)
class Lab:
    """A mock model server, stores, and the rooms on them."""

    mock: MockServer
    servers: Servers
    rooms: Rooms

    @property
    def client(self) -> Client:
        """A client of the rooms."""
        return self.rooms.client

    @property
    def generation_pid(self) -> int:
        """The process of the generation room."""
        return self.rooms.processes["generation"].pid

    async def project(self, calls: int) -> str:
        """A project whose generation makes so many calls: one question call a fact, then its answers."""
        facts = -(-calls // CALLS_PER_FACT)
        return await parsed_project(self.client, {"a.md": handbook(facts)}, min_size=1, max_size=100)

    async def start(self, project: str, slots: int = 0, **options: Any) -> generation_pb2.Generation:
        """Start a generation over a project, whose calls are of one fact each.

        Args:
            project: its project.
            slots: calls that the provider bears at once; 0 where that is to be found.
            options: the generation's.
        """
        limits = provider_pb2.ProviderLimits(calls_in_flight=slots)
        provider = await new_provider(self.client, project, self.mock.base_url, limits=limits)
        made = generation_pb2.GenerationOptions(
            chars_per_fact=1, forms_per_fact=FORMS, facts_per_call=1, context_chars=ONLY_THE_FACT, **options
        )
        return await start_generation(self.client, project, provider, made)

    async def cancel(self, generation: generation_pb2.Generation) -> None:
        """Stop a generation, and wait until no call is under way."""
        request = job_service_pb2.CancelJobRequest(id=generation.job.id)
        await self.client.jobs("generation").CancelJob(request)
        await until(lambda: is_idle(self.mock))


@asynccontextmanager
async def lab(settings: dict[str, Any], **env: Any) -> AsyncIterator[Lab]:
    """Start all; `settings` are the mock server's, `env` the rooms'."""
    with tempfile.TemporaryDirectory(prefix="sishu-bench-") as folder:
        async with AsyncExitStack() as stack:
            mock = await stack.enter_async_context(mock_llm(**settings))
            servers = await stack.enter_async_context(started_servers(Path(folder), fast=False))
            room = {
                "SISHU_INGEST_CONCURRENCY": 1,
                "SISHU_LOG_LEVEL": "warning",
                "SISHU_HEARTBEAT_SECONDS": 10,
                **env,
            }
            rooms = await stack.enter_async_context(started_rooms(servers, "ingest", "generation", env=room))
            yield Lab(mock, servers, rooms)


@asynccontextmanager
async def bare_loop(mock: MockServer, slots: int, kind: str) -> AsyncIterator[int]:
    """A plain loop of so many calls at once in a process of its own, whose id is yielded; see `bare_loop`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bare_loop", mock.base_url, str(slots), kind), cwd=ROOT
    )
    try:
        await until(lambda: is_asked(mock))
        yield process.pid
    finally:
        process.kill()
        await process.wait()
        await until(lambda: is_idle(mock))


async def window(mock: MockServer, pid: int, seconds: float) -> Figures:
    """Count answered calls and CPU time of a process for a while."""
    process = psutil.Process(pid)
    calls, cpu, started = await answered(mock), cpu_seconds(process), time.monotonic()
    await asyncio.sleep(seconds)
    calls, cpu = await answered(mock) - calls, cpu_seconds(process) - cpu
    return Figures(calls / (time.monotonic() - started), 1000 * cpu / max(calls, 1))


async def answered(mock: MockServer, status: str = "200") -> int:
    """Calls answered so far."""
    return int((await mock.stats())["statuses"].get(status, 0))


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of a process so far."""
    times = process.cpu_times()
    return times.user + times.system


async def is_asked(mock: MockServer) -> bool:
    """Whether calls are under way."""
    return bool((await mock.stats())["in_flight"])


async def is_idle(mock: MockServer) -> bool:
    """Whether no call is under way."""
    return not await is_asked(mock)


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 120.0) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come.
    """
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.05)


def tell(line: str) -> None:
    """Progress, for people."""
    sys.stderr.write(line + "\n")


def parser_of(name: str) -> argparse.ArgumentParser:
    """Command line of a measurement."""
    return argparse.ArgumentParser(prog=f"python -m tests.bench.{name}")
