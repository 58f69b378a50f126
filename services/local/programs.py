"""What the stack consists of: Postgres, the S3 server and the rooms, with their ports and environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from services.local import postgres, s3
from services.local.child import Program
from services.local.config import Launch, port_variables
from services.local.health import check_http
from services.local.ports import Ports, reachable_host
from services.local.postgres import Postgres
from services.local.processes import MARK, Command
from services.local.s3 import S3Server
from services.local.secrets import ensure_key_file, load_secrets
from services.local.state import StackState

KEYS_ROOM = "generation"


@dataclass(frozen=True)
class Plan:
    """What a supervisor is to run.

    Args:
        servers: what starts first, all at once.
        rooms: what starts when the servers are healthy, all at once.
        ports: every port by its name.
        environment: the SISHU_* variables under which the rooms run.
        release_ports: lets go of the ports that are held for the programs.
    """

    servers: tuple[Program, ...]
    rooms: tuple[Program, ...]
    ports: Mapping[str, int]
    environment: Mapping[str, str] = field(repr=False)
    release_ports: Callable[[], None]


@dataclass(frozen=True)
class Server:
    """A server and the variables by which the rooms find it."""

    program: Program
    environment: Mapping[str, str] = field(repr=False)


def make_plan(launch: Launch, before: StackState | None) -> Plan:
    """Choose ports, make secrets, and say what runs how.

    Raises:
        FailedPrecondition: a package is missing, a fixed port is taken, or a secret is lost.
        ResourceExhausted: no port is free.
    """
    ports = Ports(launch.config.host)
    ports.choose(port_names(launch), before.ports if before else {}, launch.ports)
    database = database_server(launch, ports.numbers)
    storage = storage_server(launch, ports.numbers)
    environment = {
        "SISHU_HOME": str(launch.home),
        "SISHU_HOST": launch.config.host,
        "SISHU_S3_BUCKET": launch.config.s3_bucket,
        "SISHU_SECRET_KEY_FILE": str(launch.config.secret_key_file or ensure_key_file(launch.home)),
        "SISHU_ENGINE_PYTHON": launch.config.engine_python,
        **({"SISHU_TOKEN_FILE": str(launch.config.token_file)} if launch.config.token_file else {}),
        **database.environment,
        **storage.environment,
        **room_variables(launch, ports.numbers),
    }
    inherited = {**launch.environ, **environment, MARK: str(launch.home), "PYTHONUNBUFFERED": "1"}
    if launch.config.provider_key_folder:
        inherited["SISHU_PROVIDER_KEY_FOLDER"] = str(launch.config.provider_key_folder)
    rooms = (
        room_program(launch, name, ports.numbers, room_environment(name, inherited)) for name in launch.rooms
    )
    return Plan(
        servers=(database.program, storage.program),
        rooms=tuple(rooms),
        ports=ports.numbers,
        environment=environment,
        release_ports=ports.release,
    )


async def check_given(launch: Launch) -> None:
    """Check the servers that the environment names, before anything is started.

    Raises:
        SishuError: one cannot be used; the message says which and why.
    """
    config = launch.config
    if config.database_url:
        await postgres.check_external(config.database_url)
    if config.s3_url:
        await s3.check_external(config.s3_url, config.s3_access_key, config.s3_secret_key, config.s3_bucket)


def port_names(launch: Launch) -> Iterator[str]:
    """Every port that the stack needs."""
    if not launch.config.database_url:
        yield "postgres"
    if not launch.config.s3_url:
        yield from s3.PORTS
    for room in launch.rooms:
        yield from port_variables(room)


def database_server(launch: Launch, ports: Mapping[str, int]) -> Server:
    """The embedded Postgres, or the given one."""
    url = launch.config.database_url
    if url:
        program = Program(
            "postgres", None, partial(postgres.check_database, url), address=postgres.address(url)
        )
        return Server(program, {"SISHU_DATABASE_URL": url})
    password = load_secrets(launch.home, postgres.data_folder(launch.home)).postgres_password
    server = Postgres(launch.home, ports["postgres"], password, sys.executable, launch.environ)
    program = Program(
        "postgres",
        server.command(),
        server.check,
        address=f"{postgres.HOST}:{server.port}",
        stop=postgres.STOP,
        prepare=server.prepare,
    )
    return Server(program, {"SISHU_DATABASE_URL": server.url})


def storage_server(launch: Launch, ports: Mapping[str, int]) -> Server:
    """The embedded S3 server, or the given one."""
    config = launch.config
    if config.s3_url:
        program = Program(
            "s3", None, partial(s3.check_listening, config.s3_url), address=s3.address(config.s3_url)
        )
        return Server(program, storage_variables(config.s3_url, config.s3_access_key, config.s3_secret_key))
    secrets = load_secrets(launch.home, postgres.data_folder(launch.home))
    server = S3Server(launch.home, ports, secrets, config.s3_bucket, launch.environ)
    program = Program(
        "s3",
        server.command(),
        server.check,
        address=f"{s3.HOST}:{ports['s3']}",
        stop=s3.STOP,
        prepare=server.prepare,
        settle=server.settle,
        clean=server.clean,
    )
    return Server(program, storage_variables(server.url, secrets.s3_access_key, secrets.s3_secret_key))


def storage_variables(url: str, access_key: str, secret_key: str) -> dict[str, str]:
    """The variables by which the rooms find the S3 server."""
    return {
        "SISHU_S3_URL": url,
        "SISHU_S3_ACCESS_KEY": access_key,
        "SISHU_S3_SECRET_KEY": secret_key,
    }


def room_variables(launch: Launch, ports: Mapping[str, int]) -> dict[str, str]:
    """Ports and addresses of all rooms."""
    variables = {
        variable: str(ports[name]) for room in launch.rooms for name, variable in port_variables(room).items()
    }
    addresses = {f"SISHU_{room.upper()}_ADDRESS": room_address(launch, ports[room]) for room in launch.rooms}
    return variables | addresses


def room_environment(room: str, env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a room: API keys of language models reach only the room that calls them."""
    if room == KEYS_ROOM:
        return dict(env)
    return {name: value for name, value in env.items() if not name.endswith("_API_KEY")}


def room_address(launch: Launch, port: int) -> str:
    """Where other processes reach a port of a room."""
    host = reachable_host(launch.config.host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def room_program(launch: Launch, name: str, ports: Mapping[str, int], env: Mapping[str, str]) -> Program:
    """A room; it is healthy when its side port says that it is ready."""
    host, port = reachable_host(launch.config.metrics_host), ports[f"{name}_metrics"]
    return Program(
        name,
        Command(launch.rooms[name], env, launch.home),
        partial(check_http, host, port, "/readyz"),
        address=room_address(launch, ports[name]),
        metrics=f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics",
    )
