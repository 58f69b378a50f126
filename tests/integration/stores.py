"""Real servers and real room processes for integration tests; `conftest.py` makes fixtures of them.

The servers are those of `services.local`, on free loopback ports in a temporary folder. One pair serves the
whole test session; every test gets a database and a bucket of its own.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from minio import Minio
from minio.error import S3Error

from services.local import postgres, s3
from services.local.config import port_variables
from services.local.health import check_http
from services.local.ports import Ports
from services.local.postgres import Postgres
from services.local.processes import Command, Steps
from services.local.s3 import S3Server
from services.local.secrets import StackSecrets, ensure_key_file
from services.runtime.config import ROOMS
from services.runtime.db import Pool, migrate, open_pool
from services.runtime.queue import install_queue
from services.runtime.room import RUNTIME_MIGRATIONS
from services.runtime.storage import Storage
from sishu.client import Client
from tests.integration.processes import Process

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
TEMPLATE = "sishu_template"
START_SECONDS = 120.0
ROOM_STOP: Steps = ((signal.SIGTERM, 40.0),)
# No test cuts the power: a killed server loses nothing that the kernel has.
UNSAFE_BUT_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off")


class Server:
    """An embedded server that a test may stop and start again."""

    def __init__(
        self, command: Command, log: Path, steps: Steps, checks: tuple[Callable[[], Awaitable[None]], ...]
    ) -> None:
        self._process = Process(command, log, steps)
        self._checks = checks

    async def start(self) -> None:
        """Start it unless it runs; return when it does its work."""
        if not self._process.running:
            await self._process.start(self._healthy)

    async def stop(self) -> None:
        """Stop it unless it is stopped; its data stay."""
        if self._process.running:
            await self._process.stop()

    async def _healthy(self) -> None:
        for check in self._checks:
            await check()


@dataclass(frozen=True)
class Servers:
    """Postgres and S3 of a test session.

    Args:
        postgres: the embedded Postgres; holds a migrated template database.
        s3: the embedded SeaweedFS.
        admin_url: connection string of a database that no test uses.
        env: variables by which programs find the S3 server and the key file.
        folder: for logs and state directories.
    """

    postgres: Server
    s3: Server
    admin_url: str
    env: Mapping[str, str]
    folder: Path

    def database_url(self, name: str) -> str:
        """Connection string of a database."""
        return self.admin_url.rpartition("/")[0] + f"/{name}"


@asynccontextmanager
async def started_servers(folder: Path, *, fast: bool = True) -> AsyncIterator[Servers]:
    """Start Postgres and S3 under a folder, make the template database; stop both at the end.

    A fast Postgres does not wait for the disk.
    """
    ports = Ports(HOST)
    ports.choose(["postgres", *s3.PORTS], {}, {})
    keys = StackSecrets(secrets.token_urlsafe(24), secrets.token_hex(10), secrets.token_urlsafe(30))
    database = Postgres(folder, ports.numbers["postgres"], keys.postgres_password, sys.executable, os.environ)
    storage = S3Server(folder, ports.numbers, keys, "sishu", os.environ)
    (folder / "logs").mkdir()
    with warnings.catch_warnings():
        # initdb's log is closed by the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        await database.prepare(str)  # type: ignore[arg-type]  # wider than the stubs say
        gc.collect()
    await storage.prepare(str)  # type: ignore[arg-type]  # wider than the stubs say
    ports.release()
    command = database.command()
    command = replace(command, argv=(*command.argv, *(UNSAFE_BUT_FAST if fast else ())))
    servers = Servers(
        Server(command, folder / "logs" / "postgres.out", postgres.STOP, (database.check,)),
        Server(storage.command(), folder / "logs" / "s3.out", s3.STOP, (storage.check, storage.settle)),
        database.url,
        {
            "SISHU_S3_URL": storage.url,
            "SISHU_S3_ACCESS_KEY": keys.s3_access_key,
            "SISHU_S3_SECRET_KEY": keys.s3_secret_key,
            "SISHU_SECRET_KEY_FILE": str(ensure_key_file(folder)),
        },
        folder,
    )
    try:
        await asyncio.gather(servers.postgres.start(), servers.s3.start())
        await make_template(servers)
        yield servers
    finally:
        await asyncio.gather(servers.postgres.stop(), servers.s3.stop())
        storage.clean()


async def make_template(servers: Servers) -> None:
    """Make the database that every test's is a copy of: the schemas of all rooms, migrated."""
    await administer(servers, f'CREATE DATABASE "{TEMPLATE}"')
    for room in ROOMS:
        migrations = ROOT / "services" / room / "sql" / "migrations"
        if migrations.is_dir():
            pool = await open_pool(servers.database_url(TEMPLATE), room, 1)
            await migrate(pool, room, [RUNTIME_MIGRATIONS, migrations])
            await install_queue(pool, room)
            await pool.close()


async def administer(servers: Servers, statement: str) -> None:
    """Run a statement that needs a connection outside the tests' databases."""
    connection = await asyncpg.connect(servers.admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@dataclass(frozen=True)
class Stores:
    """A database, a bucket and the ports of a stack of a test's own.

    Args:
        servers: where they are; a test may stop and start them.
        env: the `SISHU_*` variables of every room: stores, ports, addresses, home.
    """

    servers: Servers
    env: Mapping[str, str]

    @property
    def addresses(self) -> dict[str, str]:
        """Where each room is reached once it is started."""
        return {room: self.env[f"SISHU_{room.upper()}_ADDRESS"] for room in ROOMS}

    @property
    def home(self) -> Path:
        """State directory of this stack."""
        return Path(self.env["SISHU_HOME"])

    def client(self) -> Client:
        """A client of the rooms; close it, or use it as a context."""
        return Client(self.addresses)

    @asynccontextmanager
    async def pool(self, schema: str, connections: int = 8) -> AsyncIterator[Pool]:
        """Connections with a room's schema as search path."""
        pool = await open_pool(self.env["SISHU_DATABASE_URL"], schema, connections)
        try:
            yield pool
        finally:
            pool.terminate()

    @asynccontextmanager
    async def storage(self) -> AsyncIterator[Storage]:
        """The bucket, made if it is missing."""
        storage = Storage(
            self.env["SISHU_S3_URL"],
            self.env["SISHU_S3_ACCESS_KEY"],
            self.env["SISHU_S3_SECRET_KEY"],
            self.env["SISHU_S3_BUCKET"],
        )
        try:
            await storage.ensure_bucket()
            yield storage
        finally:
            storage.close()


@asynccontextmanager
async def fresh_stores(servers: Servers) -> AsyncIterator[Stores]:
    """An own database and bucket, and ports for all rooms; both stores are dropped at the end."""
    await servers.postgres.start()
    await servers.s3.start()
    name = f"test_{secrets.token_hex(4)}"
    home = servers.folder / name
    home.mkdir()
    await administer(servers, f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
    ports = Ports(HOST)
    variables = {port: variable for room in ROOMS for port, variable in port_variables(room).items()}
    ports.choose(variables, {}, {})
    ports.release()
    env = {
        **servers.env,
        "SISHU_DATABASE_URL": servers.database_url(name),
        "SISHU_S3_BUCKET": name.replace("_", "-"),
        "SISHU_HOME": str(home),
        "SISHU_LOG_LEVEL": "info",
        # A killed worker's items are to be taken over within the patience of a test.
        "SISHU_HEARTBEAT_SECONDS": "2",
        **{variable: str(ports.numbers[port]) for port, variable in variables.items()},
        **{f"SISHU_{room.upper()}_ADDRESS": f"{HOST}:{ports.numbers[room]}" for room in ROOMS},
    }
    try:
        yield Stores(servers, env)
    finally:
        await servers.postgres.start()
        await servers.s3.start()
        await administer(servers, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await asyncio.to_thread(
            drop_bucket,
            env["SISHU_S3_URL"],
            env["SISHU_S3_ACCESS_KEY"],
            env["SISHU_S3_SECRET_KEY"],
            env["SISHU_S3_BUCKET"],
        )


def drop_bucket(url: str, access_key: str, secret_key: str, bucket: str) -> None:
    """Remove a test's bucket with all in it, if it was made.

    Each bucket has files of its own on the server, and there may be as many as its disk has room for.
    """
    # A killed room may still be making it: what is left is gone with the server at the end.
    with suppress(S3Error):
        # SeaweedFS, unlike others, removes a bucket that is not empty.
        Minio(urlsplit(url).netloc, access_key, secret_key, secure=False).remove_bucket(bucket)


@dataclass
class Room:
    """A process of a room.

    Args:
        name: the room.
        process: the process.
        metrics_port: its side port; known once it is ready.
    """

    name: str
    process: Process
    metrics_port: int = field(default=0)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def log(self) -> str:
        """Everything it printed."""
        return self.process.output()

    async def ready(self) -> None:
        """Demand that `/readyz` answers 200."""
        if not self.metrics_port:
            _, _, rest = self.log().partition('"port": ')
            self.metrics_port = int(rest.partition(",")[0])
        await check_http(HOST, self.metrics_port, "/readyz")

    async def kill(self) -> None:
        """`kill -9`."""
        await self.process.kill()

    async def stop(self) -> int:
        """SIGTERM and wait; return the exit code."""
        return await self.process.stop()


@asynccontextmanager
async def started_room(
    stores: Stores, room: str, *arguments: str, env: Mapping[str, Any] | None = None
) -> AsyncIterator[Room]:
    """Run `python -m services.<room> <arguments>` until the end of the context; it is ready at the start."""
    command = Command(
        argv=(sys.executable, "-m", f"services.{room}", *arguments),
        env=room_environment(stores, env or {}),
        cwd=ROOT,
    )
    log = stores.home / f"{room}-{secrets.token_hex(3)}.log"
    # A worker chooses its side port itself, and says so in its log.
    port = 0 if "worker" in arguments else int(stores.env[f"SISHU_{room.upper()}_METRICS_PORT"])
    one = Room(room, Process(command, log, ROOM_STOP), port)
    try:
        await one.process.start(one.ready)
        yield one
    finally:
        if one.process.running:
            await one.process.stop()


def room_environment(stores: Stores, changes: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a room: ours without its `SISHU_*`, then the stores', then the changes."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SISHU_")}
    # Rooms start five times as fast from cached bytecode.
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    inherited["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])
    changed = {name: str(value) for name, value in changes.items()}
    return {**inherited, **stores.env, **changed}


@dataclass(frozen=True)
class Rooms:
    """Some rooms that run, with their stores and a client."""

    stores: Stores
    client: Client
    processes: Mapping[str, Room]


@asynccontextmanager
async def started_rooms(
    servers: Servers, *names: str, env: Mapping[str, Any] | None = None
) -> AsyncIterator[Rooms]:
    """Run rooms on fresh stores."""
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(fresh_stores(servers))
        contexts = [started_room(stores, name, env=env) for name in names]
        running = await asyncio.gather(*map(stack.enter_async_context, contexts))
        client = await stack.enter_async_context(stores.client())
        yield Rooms(stores, client, {room.name: room for room in running})


def shared_rooms(*names: str, **env: Any) -> Callable[[Servers], AsyncIterator[Rooms]]:
    """A fixture function that runs rooms on stores of their own; see `conftest.py`."""

    async def rooms(servers: Servers) -> AsyncIterator[Rooms]:
        async with started_rooms(servers, *names, env=env) as started:
            yield started

    return rooms
