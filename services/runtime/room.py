"""A room's process: configuration, stores, server, worker, signals. Every `__main__` calls `run_room`.

python -m services.<room>                             serve, and work on the queue
python -m services.<room> worker --concurrency N      only work on the queue
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import asyncpg
import structlog
import uvloop

from services.runtime.auth import read_token
from services.runtime.config import RuntimeConfig, read
from services.runtime.db import DATABASE_AWAY, Pool, migrate, open_pool
from services.runtime.endurance import Endurance
from services.runtime.errors import SishuError, Unavailable
from services.runtime.job_service import JobServicer
from services.runtime.jobs import Jobs
from services.runtime.logs import configure_logs
from services.runtime.metrics import RuntimeMetrics
from services.runtime.project_data import ProjectData, ProjectDataServicer
from services.runtime.queue import install_queue
from services.runtime.server import Server, Servicer
from services.runtime.side_port import SidePort
from services.runtime.storage import Storage
from services.runtime.worker import Handler, Worker
from sishu.client import Client
from sishu.common.v1 import job_service_pb2_grpc, project_data_service_pb2_grpc

STORES_SECONDS = 60.0
CHECK_SECONDS = 3.0
YOUNG_OBJECTS = 10_000
"""So many new objects are looked through at once for those that nobody uses."""
RUNTIME_MIGRATIONS = Path(__file__).parent / "sql" / "migrations"

T = TypeVar("T")

log = structlog.get_logger()

Background = Callable[[asyncio.Event], Coroutine[None, None, None]]
"""Runs beside the server until the event is set."""


@dataclass(frozen=True)
class Parts:
    """What a room is built from."""

    config: RuntimeConfig
    pool: Pool
    jobs: Jobs
    storage: Storage
    client: Client
    metrics: RuntimeMetrics
    stop: asyncio.Event
    """Set when the process is to end, whether it serves or only works."""


@dataclass(frozen=True)
class Built:
    """What a room is made of.

    Args:
        servicers: the services it serves, those that every room has left out.
        handlers: what its worker does, by kind of item.
        project_data: what it holds for projects; nothing in the room that keeps the projects themselves.
        background: what runs beside the server in the serving process only.
        working: what runs beside the worker, in every process that works on the queue.
        closing: what is closed when everything else has ended.
        endurance: what trouble its items put up with for longer than any other.
    """

    servicers: Sequence[Servicer]
    handlers: Mapping[str, Handler]
    project_data: ProjectData | None = None
    background: Sequence[Background] = field(default_factory=list)
    working: Sequence[Background] = field(default_factory=list)
    closing: Sequence[Callable[[], Awaitable[None]]] = field(default_factory=list)
    endurance: Endurance = Endurance()  # noqa: RUF009  # frozen


@dataclass(frozen=True)
class Room:
    """A room.

    Args:
        name: its name: schema, metric prefix, log field.
        folder: its folder, which holds `sql/migrations`.
        build: wires it.
        concurrency: items in work at once in the serving process, unless configured.
    """

    name: str
    folder: Path
    build: Callable[[Parts], Built]
    concurrency: int = 16


def run_room(room: Room) -> None:
    """Run the process until SIGTERM or SIGINT; a known error ends it with one line and code 1."""
    arguments = parse_arguments(room.name)
    try:
        defaults = {f"SISHU_{room.name.upper()}_CONCURRENCY": str(room.concurrency)}
        config = read(RuntimeConfig, {**defaults, **os.environ}, room.name)
        if arguments.concurrency is not None:
            config = replace(config, concurrency=arguments.concurrency)
        if arguments.mode == "worker":
            config = replace(config, metrics_port=0)
        configure_logs(room.name, config.log_level)
        # Calls to models and statements cost a fifth less of the processor's time on this loop.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(RoomProcess(room, config, serve=arguments.mode == "serve").run())
    except SishuError as error:
        print(f"sishu {room.name}: {error.message}", file=sys.stderr)
        sys.exit(1)


def spare_collector() -> None:
    """Keep the garbage collector from what lives as long as the process, such as modules.

    It looked through all of that every two seconds of work, in which nothing else could run for 0.2 s.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def parse_arguments(name: str) -> argparse.Namespace:
    """Command line of a room."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}")
    parser.add_argument("mode", nargs="?", choices=["serve", "worker"], default="serve")
    parser.add_argument("--concurrency", type=int, help="items in work at once")
    return parser.parse_args()


class RoomProcess:
    """One process of a room, from start to drain."""

    def __init__(self, room: Room, config: RuntimeConfig, serve: bool) -> None:
        self._room = room
        self._config = config
        self._serve = serve
        self._token = read_token(config.token_file, config.host)
        self._metrics = RuntimeMetrics(room.name)
        self._stop = asyncio.Event()
        self._ready = False

    async def run(self) -> None:
        """Start everything, wait for the signal, drain."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        side_port = SidePort(self._metrics.registry, lambda: self._ready and not self._stop.is_set())
        port = await side_port.start(self._config.metrics_host, self._config.metrics_port)
        log.info("side_port_listening", port=port)
        try:
            async with contextlib.AsyncExitStack() as stack:
                parts = await self._open_stores(stack)
                await self._run_parts(parts)
        finally:
            await side_port.stop()

    async def _open_stores(self, stack: contextlib.AsyncExitStack) -> Parts:
        config, name = self._config, self._room.name
        storage = Storage(config.s3_url, config.s3_access_key, config.s3_secret_key, config.s3_bucket)
        stack.callback(storage.close)
        pool = await self._patiently(
            lambda: open_pool(config.database_url, name, config.database_connections)
        )
        stack.callback(pool.terminate)
        await migrate(pool, name, [RUNTIME_MIGRATIONS, self._room.folder / "sql" / "migrations"])
        await install_queue(pool, name)
        await self._patiently(storage.ensure_bucket)
        client = await stack.enter_async_context(Client(config.addresses, self._token))
        return Parts(config, pool, Jobs(pool, name), storage, client, self._metrics, self._stop)

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try again while a store is away: at a start of the whole stack it may come up after us."""
        deadline = asyncio.get_running_loop().time() + STORES_SECONDS
        while True:
            try:
                return await attempt()
            except Unavailable as error:
                if self._stop.is_set() or asyncio.get_running_loop().time() > deadline:
                    raise
                log.warning("store_away", reason=error.reason, error=error.message)
                await asyncio.sleep(1)

    async def _run_parts(self, parts: Parts) -> None:
        built = self._room.build(parts)
        server = self._server(parts, built) if self._serve else None
        if server:
            port = await server.start(self._config.host, self._config.port)
            log.info("listening", host=self._config.host, port=port)
        tasks = [asyncio.create_task(self._watch_stores(parts, server), name="watch_stores")]
        if built.handlers and self._config.concurrency > 0:
            worker = Worker(
                parts.jobs,
                built.handlers,
                self._config.concurrency,
                self._config.heartbeat_seconds,
                self._metrics,
                self._config.patience_seconds,
                built.endurance,
            )
            tasks.append(asyncio.create_task(worker.run(self._stop), name="worker"))
            tasks += [asyncio.create_task(job(self._stop), name="working") for job in built.working]
        if self._serve:
            tasks += [asyncio.create_task(job(self._stop), name="background") for job in built.background]
        spare_collector()
        await self._until_stopped(tasks)
        log.info("draining")
        if server:
            await server.drain()
        await asyncio.gather(*tasks)
        for close in built.closing:
            await close()

    async def _until_stopped(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the signal; a task that ends before it has failed, and ends the process."""
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        self._stop.set()
        await stopping
        for task in done - {stopping}:
            task.result()

    def _server(self, parts: Parts, built: Built) -> Server:
        jobs = Servicer(
            "sishu.common.v1.JobService",
            job_service_pb2_grpc.add_JobServiceServicer_to_server,
            JobServicer(parts.jobs),
        )
        servicers = [*built.servicers, jobs]
        if built.project_data:
            data = ProjectDataServicer(self._room.name, built.project_data, parts.storage)
            add = project_data_service_pb2_grpc.add_ProjectDataServiceServicer_to_server
            servicers.append(Servicer("sishu.common.v1.ProjectDataService", add, data))
        return Server(servicers, self._token, self._metrics)

    async def _watch_stores(self, parts: Parts, server: Server | None) -> None:
        """Be ready while Postgres answers; a bucket away for a while is a matter of single calls."""
        while not self._stop.is_set():
            try:
                await parts.pool.fetchval("SELECT 1", timeout=CHECK_SECONDS)
                self._ready = True
            except (*DATABASE_AWAY, asyncpg.PostgresError, OSError, TimeoutError) as error:
                if self._ready:
                    log.warning("database_away", error=str(error))
                self._ready = False
            if server:
                await server.set_serving(self._ready)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), CHECK_SECONDS)
