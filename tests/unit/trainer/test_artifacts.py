from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import cast

import pytest

from services.runtime.errors import NotFound
from services.runtime.storage import ObjectInfo, Storage, file_info
from services.trainer.artifacts import fetch_folder, upload_folder


class Bucket:
    """A folder that stands for the bucket."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put_file(self, key: str, path: Path) -> ObjectInfo:
        target = self._root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        return file_info(path)

    async def get_file(self, key: str, path: Path) -> None:
        if not (self._root / key).exists():
            raise NotFound("OBJECT_NOT_FOUND", f"there is no object {key}")
        shutil.copyfile(self._root / key, path)


def made(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model-00001-of-00001.safetensors").write_bytes(b"weights")
    return folder


async def test_what_a_run_made_comes_back_whole_and_only_once(tmp_path: Path) -> None:
    storage = cast(Storage, Bucket(tmp_path / "bucket"))
    source = made(tmp_path / "model")
    files = await upload_folder(storage, source, "models/p/m/")
    assert [(file.name, file.key) for file in files] == [
        (name, f"models/p/m/{name}") for name in ("config.json", "model-00001-of-00001.safetensors")
    ]
    target = tmp_path / "home" / "models" / "m"
    # As of two runs on the same model.
    await asyncio.gather(*(fetch_folder(storage, files, target) for _ in range(2)))
    for path in source.iterdir():
        assert (target / path.name).read_bytes() == path.read_bytes()
    assert [path.name for path in target.parent.iterdir()] == ["m"]


async def test_a_folder_with_a_missing_file_does_not_appear(tmp_path: Path) -> None:
    storage = cast(Storage, Bucket(tmp_path / "bucket"))
    files = await upload_folder(storage, made(tmp_path / "model"), "models/p/m/")
    (tmp_path / "bucket" / files[1].key).unlink()
    target = tmp_path / "models" / "m"
    with pytest.raises(NotFound):
        await fetch_folder(storage, files, target)
    assert list(target.parent.iterdir()) == []
