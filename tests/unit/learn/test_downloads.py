from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sishu.common.v1.object_pb2 import StoredObject
from sishu.errors import ApiError
from sishu.learn.downloads import TRIES, download_all, locked
from tests.support.range_server import RangeServer, serving

CONTENT = bytes(range(256)) * 12_000


def stored(server: RangeServer, name: str = "data/train.jsonl", content: bytes = CONTENT) -> StoredObject:
    digest = hashlib.sha256(content).hexdigest()
    return StoredObject(name=name, url=server.url, size_bytes=len(content), sha256=digest)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_a_file_comes_whole_and_is_not_fetched_twice(tmp_path: Path) -> None:
    told: list[int] = []
    with serving(RangeServer(CONTENT)) as server:
        for _ in range(2):
            (path,) = await download_all([stored(server)], tmp_path, told.append)
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == ["data/train.jsonl"]
    assert server.asked == [""]
    assert sum(told) == 2 * len(CONTENT)


async def test_what_was_broken_off_goes_on_in_the_same_call(tmp_path: Path) -> None:
    told: list[int] = []
    with serving(RangeServer(CONTENT, [1_000_000, 500_000])) as server:
        (path,) = await download_all([stored(server)], tmp_path, told.append)
    assert path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1000000-", "bytes=1500000-"]
    assert sum(told) == len(CONTENT)


async def test_what_was_broken_off_goes_on_in_the_next_call(tmp_path: Path) -> None:
    with serving(RangeServer(CONTENT, [1_000_000] + [0] * (TRIES - 1))) as server:
        with pytest.raises(ApiError) as raised:
            await download_all([stored(server)], tmp_path)
        assert raised.value.reason == "DOWNLOAD_FAILED"
        assert not (tmp_path / "data" / "train.jsonl").exists()
        (path,) = await download_all([stored(server)], tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=1000000-"
    assert files_in(tmp_path) == ["data/train.jsonl"]


async def test_a_server_that_knows_no_ranges_sends_all_again(tmp_path: Path) -> None:
    with serving(RangeServer(CONTENT, [1_000_000], ranges=False)) as server:
        (path,) = await download_all([stored(server)], tmp_path)
    assert path.read_bytes() == CONTENT


async def test_other_bytes_are_refused_and_do_not_stay(tmp_path: Path) -> None:
    with serving(RangeServer(CONTENT[:-1] + b"!")) as server:
        with pytest.raises(ApiError) as raised:
            await download_all([stored(server)], tmp_path)
        assert raised.value.reason == "DOWNLOAD_MISMATCH"
        assert not (tmp_path / "data" / "train.jsonl").exists()
        server.content = CONTENT
        (path,) = await download_all([stored(server)], tmp_path)
    assert path.read_bytes() == CONTENT


async def test_a_changed_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    with serving(RangeServer(CONTENT)) as server:
        await download_all([stored(server)], tmp_path)
        server.content = b"other"
        (path,) = await download_all([stored(server, content=b"other")], tmp_path)
    assert path.read_bytes() == b"other"


async def test_a_file_of_no_bytes_is_a_file(tmp_path: Path) -> None:
    with serving(RangeServer(b"")) as server:
        (path,) = await download_all([stored(server, content=b"")], tmp_path)
    assert path.read_bytes() == b""


async def test_two_commands_do_not_write_one_file(tmp_path: Path) -> None:
    with serving(RangeServer(CONTENT)) as server:
        source = stored(server, "train.jsonl")
        part = tmp_path / f".train.jsonl.{source.sha256[:16]}.part"
        with locked(part), pytest.raises(ApiError) as raised:
            await download_all([source], tmp_path)
    assert raised.value.reason == "DOWNLOAD_RUNNING"


async def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    with serving(RangeServer(CONTENT)) as server, pytest.raises(ApiError):
        await download_all([stored(server, "../away.jsonl")], tmp_path / "in")
    assert files_in(tmp_path) == []
