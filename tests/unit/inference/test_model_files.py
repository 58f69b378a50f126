from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from services.inference.model_files import ModelFile, fetch_folder
from services.runtime.errors import SishuError

CONTENT = {"adapter_config.json": b"{}", "sub/adapter_model.safetensors": bytes(range(256)) * 9000}


@pytest_asyncio.fixture
async def bucket() -> AsyncIterator[str]:
    async def read(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "down":
            return web.Response(status=503)
        return web.Response(body=CONTENT[name]) if name in CONTENT else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{name:.*}", read)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def stored(bucket: str, name: str, key: str = "") -> ModelFile:
    data = CONTENT.get(name, b"")
    return ModelFile(name, f"{bucket}/{key or name}", len(data), hashlib.sha256(data).hexdigest())


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


async def test_a_model_arrives_whole(bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "adapters" / "m1"
    await fetch_folder([stored(bucket, name) for name in CONTENT], folder)
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert left_in(folder.parent) == ["m1"]


async def test_a_model_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    folder = tmp_path / "m1"
    folder.mkdir()
    await fetch_folder([ModelFile("x", "http://127.0.0.1:1/x", 1, "")], folder)
    assert left_in(folder) == []


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("adapter_config.json", "MODEL_FILE_DAMAGED"),
        ("nothing", "MODEL_FILE_MISSING"),
        ("down", "STORAGE_UNAVAILABLE"),
    ],
)
async def test_a_model_that_cannot_be_fetched_leaves_nothing(
    bucket: str, tmp_path: Path, key: str, reason: str
) -> None:
    good = stored(bucket, "adapter_config.json")
    bad = stored(bucket, "sub/adapter_model.safetensors", key)
    with pytest.raises(SishuError) as caught:
        await fetch_folder([good, bad], tmp_path / "m1")
    assert caught.value.reason == reason
    assert left_in(tmp_path) == []


async def test_a_bucket_that_is_away_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(SishuError) as caught:
        await fetch_folder([ModelFile("x", "http://127.0.0.1:1/x", 1, "")], tmp_path / "m1")
    assert caught.value.reason == "STORAGE_UNAVAILABLE"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ""])
async def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(SishuError) as caught:
        await fetch_folder([ModelFile(name, "http://127.0.0.1:1/x", 1, "")], tmp_path / "m1")
    assert caught.value.reason == "MODEL_FILE_INVALID"
    assert left_in(tmp_path) == []


async def test_what_a_killed_download_left_is_cleared_away(bucket: str, tmp_path: Path) -> None:
    (tmp_path / ".m1.dead").mkdir()
    (tmp_path / ".m2.alive").mkdir()
    await fetch_folder([stored(bucket, "adapter_config.json")], tmp_path / "m1")
    assert left_in(tmp_path) == [".m2.alive", "m1"]


async def test_a_model_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SishuError) as caught:
        await fetch_folder([], tmp_path / "m1")
    assert caught.value.reason == "MODEL_FILES_MISSING"
