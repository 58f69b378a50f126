"""Bring a model's files from the bucket to this machine: whole and checked, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

import httpx

from services.runtime.errors import FailedPrecondition, NotFound, SishuError, Unavailable

BLOCK = 1 << 20
TIMEOUT = httpx.Timeout(60.0, connect=10.0)


@dataclass(frozen=True)
class ModelFile:
    """A file of a model folder, with a link to its bytes."""

    name: str
    url: str
    size_bytes: int
    sha256: str


async def fetch_folder(files: Sequence[ModelFile], folder: Path) -> None:
    """Download files into a folder that appears when all are there and right; one that is there is kept.

    Raises:
        FailedPrecondition: there are no files, or a name would leave the folder.
        Unavailable: the bucket cannot be reached, or sent other bytes than were stored.
        NotFound: the bucket has a file no more.
    """
    if await asyncio.to_thread(folder.is_dir):
        return
    if not files:
        raise FailedPrecondition("MODEL_FILES_MISSING", "the model has no stored files; train it again")
    partial = await asyncio.to_thread(new_partial, folder)
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
            for file in files:
                await fetch_file(client, file, place_of(file.name, partial))
        await asyncio.to_thread(partial.rename, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)


def new_partial(folder: Path) -> Path:
    """An empty folder beside the one to be made; what an earlier try left is deleted."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}."
    for leftover in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))


async def fetch_file(client: httpx.AsyncClient, file: ModelFile, path: Path) -> None:
    """Download one file and check its bytes."""
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    try:
        with Sink(path) as sink:
            async with client.stream("GET", file.url) as response:
                response.raise_for_status()
                async for block in response.aiter_bytes(BLOCK):
                    await asyncio.to_thread(sink.write, block)
            await asyncio.to_thread(sink.sync)
    except httpx.HTTPStatusError as error:
        raise refused(file, error.response.status_code) from error
    except httpx.TransportError as error:
        raise Unavailable(
            "STORAGE_UNAVAILABLE", f"{file.name} cannot be fetched now: {error or type(error).__name__}"
        ) from error
    if (sink.size, sink.sha256) != (file.size_bytes, file.sha256):
        raise Unavailable(
            "MODEL_FILE_DAMAGED",
            f"{file.name}: {sink.size} bytes came, {file.size_bytes} were stored, or their SHA-256 differs",
            name=file.name,
        )


class Sink:
    """A file being written, whose size and SHA-256 are known at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        self._stream = self._path.open("xb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, block: bytes) -> None:
        """Append bytes."""
        self._stream.write(block)
        self._digest.update(block)
        self.size += len(block)

    def sync(self) -> None:
        """Make what was written durable."""
        self._stream.flush()
        os.fsync(self._stream.fileno())


def place_of(name: str, folder: Path) -> Path:
    """Where in the folder a file goes.

    Raises:
        FailedPrecondition: the name leads out of the folder.
    """
    parts = PurePosixPath(name)
    if not parts.parts or parts.is_absolute() or ".." in parts.parts:
        raise FailedPrecondition(
            "MODEL_FILE_INVALID", f"the model has a file with the name {name!r}", name=name
        )
    return folder / parts


def refused(file: ModelFile, status: int) -> SishuError:
    """The error for what the bucket answered instead of the file."""
    if status == 404:
        return NotFound(
            "MODEL_FILE_MISSING", f"the bucket has {file.name} of the model no more; train it again"
        )
    reason = "STORAGE_UNAVAILABLE" if status >= 500 else "STORAGE_REFUSED"
    return Unavailable(reason, f"the bucket answered {status} when asked for {file.name}")
