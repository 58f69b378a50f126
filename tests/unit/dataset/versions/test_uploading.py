"""What a try to make a version has uploaded is gone where it fails, and blocks are waited for."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.dataset.versions import uploading, writing
from services.dataset.versions.reading import HEADER
from services.dataset.versions.shards import SCHEMA, Shard, ShardCutter
from services.dataset.versions.uploading import GivenUp, ShardUploads
from services.dataset.versions.writing import Blocks, deal
from services.runtime.storage import ObjectInfo


class Bucket:
    """Keeps keys; a file is stored by a thread that nothing stops, as real ones are."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.may_store = threading.Event()
        self.begun = 0

    async def put_file(self, key: str, path: Path, media_type: str) -> ObjectInfo:
        self.begun += 1

        def store() -> None:
            self.may_store.wait(10)
            self.keys.add(key)

        await asyncio.to_thread(store)
        return ObjectInfo(1, "00")

    async def delete_prefix(self, prefix: str) -> None:
        self.keys = {key for key in self.keys if not key.startswith(prefix)}


def shards(folder: Path, count: int) -> list[Shard]:
    return [Shard(folder / f"train-{number:05d}.parquet", "train", 1) for number in range(count)]


async def test_shards_are_uploaded_some_at_a_time_and_listed_in_their_order(tmp_path: Path) -> None:
    bucket: Any = Bucket()
    async with ShardUploads(bucket, "v/") as uploads:
        for shard in shards(tmp_path, 5):
            await asyncio.to_thread(uploads.add, shard)
        await asyncio.sleep(0.05)
        assert bucket.begun == uploading.AT_ONCE
        bucket.may_store.set()
        assert [file.key for file in await uploads.files()] == [
            f"v/train-{at:05d}.parquet" for at in range(5)
        ]
    assert len(bucket.keys) == 5


async def test_a_try_that_is_cancelled_leaves_nothing_and_begins_nothing_more(tmp_path: Path) -> None:
    bucket: Any = Bucket()
    some = shards(tmp_path, 6)
    refused = threading.Event()

    async def work() -> None:
        async with ShardUploads(bucket, "v/") as uploads:

            def write() -> None:
                for shard in some[:5]:
                    uploads.add(shard)
                bucket.may_store.wait(10)
                with pytest.raises(GivenUp):
                    uploads.add(some[5])
                refused.set()

            await asyncio.to_thread(write)

    task = asyncio.create_task(work())
    while bucket.begun < uploading.AT_ONCE:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.05)
    bucket.may_store.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (bucket.keys, bucket.begun) == (set(), uploading.AT_ONCE)
    assert await asyncio.to_thread(refused.wait, 10)


class Reader:
    """Takes what was parsed, in its order."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def add(self, rows: Any) -> None:
        self.taken.append(rows)


async def test_blocks_are_taken_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    reader: Any = Reader()
    monkeypatch.setattr(writing, "BLOCK", 4)
    monkeypatch.setattr(writing, "parsed", lambda block: block)
    async with Blocks(reader) as blocks:
        await blocks.add(b"-" * HEADER + b"first")
        for number in range(20):
            await blocks.add(f"{number:04d}".encode())
        await blocks.add(b"x")
    assert b"".join(reader.taken) == b"first" + b"".join(f"{n:04d}".encode() for n in range(20)) + b"x"


async def test_blocks_in_work_have_ended_when_a_reading_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    reader: Any = Reader()
    go, working = threading.Event(), [0]

    def parse(block: bytes) -> bytes:
        working[0] += 1
        go.wait(10)
        working[0] -= 1
        return block

    monkeypatch.setattr(writing, "BLOCK", 4)
    monkeypatch.setattr(writing, "parsed", parse)

    async def read() -> None:
        async with Blocks(reader) as blocks:
            for _ in range(9):
                await blocks.add(b"-" * HEADER)

    task = asyncio.create_task(read())
    while working[0] < writing.STAGES:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.05)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert working[0] == 0


async def test_a_block_that_cannot_be_parsed_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    reader: Any = Reader()
    monkeypatch.setattr(writing, "BLOCK", 4)
    with pytest.raises(ValueError, match="whole rows"):
        async with Blocks(reader) as blocks:
            await blocks.add(b"-" * HEADER + b"no rows")


def test_shards_of_nothing_are_written_for_every_split(tmp_path: Path) -> None:
    cutters = {0: ShardCutter(tmp_path, "train"), 2: ShardCutter(tmp_path, "exam")}
    made = list(deal(iter(()), np.zeros(0, np.int8), cutters))
    assert [(shard.split, shard.rows, shard.path.exists()) for shard in made] == [
        ("train", 0, True),
        ("exam", 0, True),
    ]
    assert SCHEMA.names
