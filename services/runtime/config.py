"""Read a program's configuration from the environment, once, into a frozen dataclass.

A config class declares its fields with `setting`; `read` fills it. In a name, `{ROOM}` stands for the
room that reads it, so that one class serves every room.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from services.runtime.errors import InvalidArgument

T = TypeVar("T")

ROOMS = ("ingest", "generation", "dataset", "trainer", "inference")
"""Names of the rooms, in the order in which data passes them."""


SOME = 0.001
"""The least of what must be more than nothing, such as a time."""


def setting(name: str, default: object = dataclasses.MISSING, least: float | None = None) -> Any:
    """Declare a field that is read from the environment variable `name`; without a default it must be set.

    Args:
        name: the variable.
        default: its value where it is not set.
        least: of a number, the least that it may be.
    """
    metadata = {"env": name, "least": least}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def read(cls: type[T], environ: Mapping[str, str], room: str = "") -> T:
    """Fill a config class from the environment.

    Raises:
        InvalidArgument: a variable is missing, cannot be read, or is too small; the message names it.
    """
    hints = typing.get_type_hints(cls)
    values: dict[str, object] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # T is always a dataclass
        if "env" not in field.metadata:
            continue
        name = field.metadata["env"].replace("{ROOM}", room.upper())
        text = environ.get(name, "")
        if text != "":
            values[field.name] = cast(name, text, hints[field.name])
            check_least(name, values[field.name], field.metadata.get("least"))
        elif field.default is dataclasses.MISSING:
            raise InvalidArgument("CONFIG_MISSING", f"the environment variable {name} is not set", name)
    return cls(**values)


def cast(name: str, text: str, hint: object) -> object:
    """Turn the text of a variable into the field's type.

    Raises:
        InvalidArgument: the text does not fit; the message names the variable, never its value.
    """
    kind = base_type(hint)
    try:
        return CASTS[kind](text)
    except ValueError as error:
        raise InvalidArgument(
            "CONFIG_INVALID", f"the environment variable {name} is not a valid {kind.__name__}", name
        ) from error


def check_least(name: str, value: object, least: float | None) -> None:
    """Refuse a number that is too small, or none.

    Raises:
        InvalidArgument: it is; the message names the variable.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return
    if not math.isfinite(value) or (least is not None and value < least):
        raise InvalidArgument(
            "CONFIG_INVALID",
            f"the environment variable {name} must be a number"
            + (f" of at least {least:g}" if least is not None else ""),
            name,
        )


def base_type(hint: object) -> type:
    """`int` of `int | None`; the type itself otherwise."""
    if isinstance(hint, types.UnionType):
        hint = next(option for option in typing.get_args(hint) if option is not types.NoneType)
    assert isinstance(hint, type)  # noqa: S101  # config classes are ours
    return hint


def to_bool(text: str) -> bool:
    """`1`, `true`, `yes`, `on` and their opposites, in any case."""
    lowered = text.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError(text)


def to_path(text: str) -> Path:
    """A path with `~` expanded."""
    return Path(text).expanduser()


CASTS: dict[type, Callable[[str], object]] = {str: str, int: int, float: float, bool: to_bool, Path: to_path}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """What every room needs to know about the world around it."""

    host: str = setting("SISHU_HOST", "127.0.0.1")
    """Address that the gRPC server listens on. Anything but loopback demands a token."""
    port: int = setting("SISHU_{ROOM}_PORT", 0, least=0)
    """Port of the gRPC server; 0 lets the system choose."""
    metrics_host: str = setting("SISHU_METRICS_HOST", "127.0.0.1")
    """Address of the side port, which asks for no token: open it to the network of your monitoring only."""
    metrics_port: int = setting("SISHU_{ROOM}_METRICS_PORT", 0, least=0)
    """Port of `/metrics`, `/livez` and `/readyz`; 0 lets the system choose."""
    token_file: Path | None = setting("SISHU_TOKEN_FILE", None)
    """File that holds the bearer token which callers must show; unset means no token, on loopback only."""
    database_url: str = setting("SISHU_DATABASE_URL")
    """Postgres connection string."""
    database_connections: int = setting("SISHU_DATABASE_CONNECTIONS", 16, least=1)
    """Most connections that one process holds."""
    s3_url: str = setting("SISHU_S3_URL")
    """`http://` or `https://` address of the S3 server."""
    s3_access_key: str = setting("SISHU_S3_ACCESS_KEY", "")
    """Access key of the S3 server."""
    s3_secret_key: str = setting("SISHU_S3_SECRET_KEY", "")
    """Secret key of the S3 server."""
    s3_bucket: str = setting("SISHU_S3_BUCKET", "sishu")
    """Bucket that holds all objects; made when it is missing."""
    home: Path = setting("SISHU_HOME", Path.home() / ".sishu")
    """State directory of this machine: caches and work folders."""
    log_level: str = setting("SISHU_LOG_LEVEL", "info")
    """`debug`, `info`, `warning` or `error`."""
    concurrency: int = setting("SISHU_{ROOM}_CONCURRENCY", 16, least=0)
    """Items that the serving process works on at once; 0 leaves all work to worker processes."""
    heartbeat_seconds: float = setting("SISHU_HEARTBEAT_SECONDS", 30.0, least=SOME)
    """A worker silent for this long counts as dead, and its items go to another; shorter than a restart of
    Postgres or a pause of a busy machine, what it has in work is done, and paid, twice."""
    patience_seconds: float = setting("SISHU_PATIENCE_SECONDS", 120.0, least=0)
    """How long work is tried again while what it needs is away; rate limits get thirty times that."""
    ingest_address: str = setting("SISHU_INGEST_ADDRESS", "127.0.0.1:7010")
    """Where other processes reach the ingest room."""
    generation_address: str = setting("SISHU_GENERATION_ADDRESS", "127.0.0.1:7020")
    """Where other processes reach the generation room."""
    dataset_address: str = setting("SISHU_DATASET_ADDRESS", "127.0.0.1:7030")
    """Where other processes reach the dataset room."""
    trainer_address: str = setting("SISHU_TRAINER_ADDRESS", "127.0.0.1:7040")
    """Where other processes reach the trainer room."""
    inference_address: str = setting("SISHU_INFERENCE_ADDRESS", "127.0.0.1:7050")
    """Where other processes reach the inference room."""

    @property
    def addresses(self) -> dict[str, str]:
        """Address of every room, by its name."""
        return {room: getattr(self, f"{room}_address") for room in ROOMS}
