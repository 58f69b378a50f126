"""What the stack can be told, read once from the environment."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.runtime.auth import read_token
from services.runtime.config import ROOMS, cast, read, setting
from services.runtime.errors import InvalidArgument

SHARED_PACKAGES = ("services", "sishu")
"""Packages that the rooms import; in a checkout they are found by path, not by installation."""


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """Settings of the stack; what is left empty, it makes itself."""

    host: str = setting("SISHU_HOST", "127.0.0.1")
    """Address that the rooms listen on. Postgres and the S3 server listen on 127.0.0.1 whatever this says."""
    metrics_host: str = setting("SISHU_METRICS_HOST", "127.0.0.1")
    """Address of the rooms' side ports, which ask for no token."""
    token_file: Path | None = setting("SISHU_TOKEN_FILE", None)
    """File with the bearer token that the rooms demand; needed beyond loopback."""
    database_url: str = setting("SISHU_DATABASE_URL", "")
    """Postgres to use instead of the embedded one."""
    s3_url: str = setting("SISHU_S3_URL", "")
    """S3 server to use instead of the embedded one."""
    s3_access_key: str = setting("SISHU_S3_ACCESS_KEY", "")
    """Access key of that S3 server."""
    s3_secret_key: str = setting("SISHU_S3_SECRET_KEY", "")
    """Secret key of that S3 server."""
    s3_bucket: str = setting("SISHU_S3_BUCKET", "sishu")
    """Bucket that holds all objects."""
    secret_key_file: Path | None = setting("SISHU_SECRET_KEY_FILE", None)
    """Fernet key file; made in the state directory when unset."""
    provider_key_folder: Path | None = setting("SISHU_PROVIDER_KEY_FOLDER", None)
    """Folder of the files that providers name for their keys."""
    engine_python: str = setting("SISHU_ENGINE_PYTHON", sys.executable)
    """Python that runs the engines."""
    log_level: str = setting("SISHU_LOG_LEVEL", "info")
    """`debug`, `info`, `warning` or `error`."""


@dataclass(frozen=True)
class Launch:
    """Everything that a supervisor starts from.

    Args:
        home: state directory.
        config: settings.
        environ: environment that the rooms inherit.
        rooms: command line of every room.
        ports: ports that the environment fixes, by name.
    """

    home: Path
    config: StackConfig
    environ: Mapping[str, str]
    rooms: Mapping[str, tuple[str, ...]]
    ports: Mapping[str, int]


def read_launch(home: Path, environ: Mapping[str, str], rooms: Mapping[str, Sequence[str]] | None) -> Launch:
    """Read and check the configuration of the stack.

    Raises:
        InvalidArgument: a variable cannot be read or does not fit another one.
        FailedPrecondition: the rooms would listen beyond loopback without a token.
    """
    config = read(StackConfig, environ)
    if config.s3_url and not (config.s3_access_key and config.s3_secret_key):
        raise InvalidArgument(
            "CONFIG_MISSING",
            "SISHU_S3_URL is set: set SISHU_S3_ACCESS_KEY and SISHU_S3_SECRET_KEY as well",
            "SISHU_S3_ACCESS_KEY",
        )
    # The rooms run in the state directory, where a relative path would mean another file.
    config = replace(
        config,
        token_file=whole(config.token_file),
        secret_key_file=whole(config.secret_key_file),
        provider_key_folder=whole(config.provider_key_folder),
    )
    read_token(config.token_file, config.host)
    commands = rooms or {room: (sys.executable, "-P", "-m", f"services.{room}") for room in ROOMS}
    return Launch(
        home=home,
        config=config,
        environ=with_import_path(environ),
        rooms={name: tuple(argv) for name, argv in commands.items()},
        ports=fixed_ports(environ, commands),
    )


def whole(path: Path | None) -> Path | None:
    """A path from the root; nothing for nothing."""
    return path and path.absolute()


def port_variables(room: str) -> dict[str, str]:
    """Names of a room's ports, each with the variable that carries it."""
    prefix = f"SISHU_{room.upper()}"
    found = {room: f"{prefix}_PORT", f"{room}_metrics": f"{prefix}_METRICS_PORT"}
    return {**found, "inference_openai": f"{prefix}_OPENAI_PORT"} if room == "inference" else found


def fixed_ports(environ: Mapping[str, str], rooms: Mapping[str, object]) -> dict[str, int]:
    """Ports of the rooms that the environment sets; 0 and unset leave the choice to the stack."""
    found = {
        name: cast(variable, environ[variable], int)
        for room in rooms
        for name, variable in port_variables(room).items()
        if environ.get(variable)
    }
    return {name: number for name, number in found.items() if isinstance(number, int) and number}


def with_import_path(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for Python programs that are started elsewhere and must find our packages.

    Folders of installed packages stay out of it: an engine may run under another Python.
    """
    given = [str(Path(part).resolve()) for part in environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    ours = [root for package in SHARED_PACKAGES if (root := package_root(package))]
    return {**environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys([*ours, *given]))}


def package_root(package: str) -> str:
    """Folder from which a package is imported; empty if it is installed or missing."""
    spec = importlib.util.find_spec(package)
    locations = list(spec.submodule_search_locations or []) if spec else []
    if not locations:
        return ""
    root = Path(locations[0]).resolve().parent
    return "" if {"site-packages", "dist-packages"} & set(root.parts) else str(root)
