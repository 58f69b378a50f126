from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from services.local.config import read_launch
from services.local.programs import room_environment
from services.runtime.config import ROOMS
from services.runtime.errors import FailedPrecondition, InvalidArgument

ROOT = str(Path(__file__).resolve().parents[3])


def test_by_default_the_five_rooms_run_under_this_python(tmp_path: Path) -> None:
    launch = read_launch(tmp_path, {}, None)
    assert tuple(launch.rooms) == ROOMS
    assert launch.rooms["ingest"] == (sys.executable, "-P", "-m", "services.ingest")
    assert launch.config.engine_python == sys.executable
    assert launch.config.host == "127.0.0.1"


def test_an_s3_address_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="set SISHU_S3_ACCESS_KEY and SISHU_S3_SECRET_KEY"):
        read_launch(tmp_path, {"SISHU_S3_URL": "http://127.0.0.1:9000"}, None)


def test_listening_beyond_loopback_without_a_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="SISHU_TOKEN_FILE"):
        read_launch(tmp_path, {"SISHU_HOST": "0.0.0.0"}, None)  # noqa: S104  # refused


def test_ports_may_be_fixed(tmp_path: Path) -> None:
    environ = {"SISHU_INGEST_PORT": "7010", "SISHU_INGEST_METRICS_PORT": "7011", "SISHU_DATASET_PORT": "0"}
    assert read_launch(tmp_path, environ, None).ports == {"ingest": 7010, "ingest_metrics": 7011}


def test_a_port_that_is_no_number_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="SISHU_INGEST_PORT"):
        read_launch(tmp_path, {"SISHU_INGEST_PORT": "high"}, None)


def test_the_rooms_find_the_packages_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = read_launch(tmp_path, {"PYTHONPATH": f"extra{os.pathsep}"}, None).environ["PYTHONPATH"]
    assert paths.split(os.pathsep)[0] == ROOT
    assert str(tmp_path.resolve() / "extra") in paths.split(os.pathsep)
    assert "" not in paths.split(os.pathsep)
    assert "site-packages" not in paths


def test_the_folder_of_keys_is_meant_from_where_the_stack_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    launch = read_launch(tmp_path, {"SISHU_PROVIDER_KEY_FOLDER": "keys"}, None)
    assert launch.config.provider_key_folder == tmp_path / "keys"


def test_keys_of_language_models_reach_the_room_that_calls_them_only() -> None:
    env = {"DEEPSEEK_API_KEY": "sk-planted", "PATH": "/bin"}
    assert room_environment("generation", env) == env
    for room in set(ROOMS) - {"generation"}:
        assert room_environment(room, env) == {"PATH": "/bin"}
