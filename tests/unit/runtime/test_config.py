from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from services.runtime.config import RuntimeConfig, read, setting
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
