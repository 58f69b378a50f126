"""Uploads the shards of a version while others are written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from services.dataset.versions import manifest
from services.dataset.versions.shards import PARQUET_TYPE, Shard
from services.dataset.versions.versions import PARQUET, VersionFile
from services.runtime.errors import SishuError
from services.runtime.storage import Storage

AT_ONCE = 2
"""Shards that are uploaded at a time: hashing one leaves room for sending another."""


class GivenUp(Exception):  # no error: what was begun is ended
    """A version is not made any more."""


class ShardUploads:
    """What one try to make a version uploads; a block that fails leaves none of it.

    Args:
        storage: where to.
        prefix: of all keys; every try has one of its own, so that a slow double of a worker spoils nothing.
    """

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: list[asyncio.Task[VersionFile]] = []
        self._is_given_up = False

    async def __aenter__(self) -> ShardUploads:
        return self

    async def __aexit__(self, *error: object) -> None:
        if error[0] is not None:
            self._is_given_up = True
            # What is on its way is waited for: its thread would store it after the rest was deleted.
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.discard()

    def add(self, shard: Shard) -> None:
        """Upload a shard soon; called by the thread that wrote it.

        Raises:
            GivenUp: the version is not made any more.
        """
        if self._is_given_up:
            raise GivenUp
        self._loop.call_soon_threadsafe(self._begin, shard)

    async def files(self) -> list[VersionFile]:
        """All that were added, in their order, when they are uploaded.

        The loop has begun them all: it hears of each before it hears that their thread has ended.

        Raises:
            Unavailable: the bucket cannot be reached.
        """
        return await asyncio.gather(*self._tasks)

    async def put_manifest(self, content: Mapping[str, Any]) -> VersionFile:
        """Upload the manifest.

        Raises:
            Unavailable: the bucket cannot be reached.
        """
        key = self._prefix + manifest.NAME
        info = await self._storage.put_bytes(key, manifest.manifest_bytes(content), "application/json")
        return VersionFile(manifest.NAME, "", "", key, info.size, info.sha256)

    async def discard(self) -> None:
        """Delete what was uploaded; what stays goes with the version or the project."""
        with contextlib.suppress(SishuError):
            await self._storage.delete_prefix(self._prefix)

    def _begin(self, shard: Shard) -> None:
        if not self._is_given_up:
            self._tasks.append(self._loop.create_task(self._put(shard)))

    async def _put(self, shard: Shard) -> VersionFile:
        name, key = shard.path.name, self._prefix + shard.path.name
        async with self._room:
            if self._is_given_up:
                raise GivenUp
            info = await self._storage.put_file(key, shard.path, PARQUET_TYPE)
        return VersionFile(name, PARQUET, shard.split, key, info.size, info.sha256, shard.rows)
