from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from services.runtime.config import SOME, RuntimeConfig, read, setting
from services.runtime.errors import InvalidArgument


@dataclass(frozen=True)
class Config:
    needed: str = setting("X_NEEDED")
    count: int = setting("X_{ROOM}_COUNT", 3)
    share: float | None = setting("X_SHARE", None)
    wanted: bool = setting("X_WANTED", False)
    folder: Path = setting("X_FOLDER", Path("/nowhere"))


def test_a_config_is_read_from_the_environment_of_its_room() -> None:
    environ = {"X_NEEDED": "a", "X_INGEST_COUNT": "7", "X_SHARE": "0.5", "X_WANTED": "Yes", "X_FOLDER": "~/x"}
    found = read(Config, environ, "ingest")
    assert found == Config("a", 7, 0.5, True, Path.home() / "x")


def test_an_empty_variable_counts_as_unset() -> None:
    assert read(Config, {"X_NEEDED": "a", "X_INGEST_COUNT": ""}, "ingest").count == 3


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(InvalidArgument, match="X_NEEDED is not set"):
        read(Config, {})


@pytest.mark.parametrize(
    ("name", "text"), [("X_INGEST_COUNT", "seven-secret"), ("X_WANTED", "perhaps-secret")]
)
def test_a_value_of_the_wrong_kind_names_the_variable_and_not_the_value(name: str, text: str) -> None:
    with pytest.raises(InvalidArgument, match=name) as raised:
        read(Config, {"X_NEEDED": "a", name: text}, "ingest")
    assert "secret" not in raised.value.message


def test_a_rooms_config_needs_only_the_stores() -> None:
    config = read(
        RuntimeConfig, {"SISHU_DATABASE_URL": "postgresql://x", "SISHU_S3_URL": "http://y"}, "ingest"
    )
    assert (config.host, config.port) == ("127.0.0.1", 0)
    assert set(config.addresses) == {"ingest", "generation", "dataset", "trainer", "inference"}


@dataclass(frozen=True)
class Numbers:
    count: int = setting("X_COUNT", 3, least=1)
    seconds: float = setting("X_SECONDS", 1.0, least=SOME)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("X_COUNT", "0"),
        ("X_COUNT", "-3"),
        ("X_SECONDS", "0"),
        ("X_SECONDS", "-1"),
        ("X_SECONDS", "nan"),
        ("X_SECONDS", "inf"),
    ],
)
def test_a_number_that_is_too_small_or_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} must be a number of at least") as raised:
        read(Numbers, {name: text})
    assert (raised.value.reason, raised.value.field) == ("CONFIG_INVALID", name)


def test_the_least_number_is_taken() -> None:
    assert read(Numbers, {"X_COUNT": "1", "X_SECONDS": "0.001"}) == Numbers(1, 0.001)


def rooms_configs() -> list[type]:
    folder = Path(__file__).parents[3] / "services"
    modules = [import_module(f"services.{path.parent.name}.config") for path in folder.glob("*/config.py")]
    return [
        one
        for module in modules
        for one in vars(module).values()
        if dataclasses.is_dataclass(one) and isinstance(one, type)
    ]


def test_every_number_that_a_room_is_told_has_a_least_value() -> None:
    numbers = {
        f"{one.__name__}.{field.name}": field.metadata["least"]
        for one in rooms_configs()
        for field in dataclasses.fields(one)
        if "env" in field.metadata and typing.get_type_hints(one)[field.name] in {int, float}
    }
    assert "RewriteConfig.concurrency" in numbers
    assert [name for name, least in numbers.items() if least is None] == []
