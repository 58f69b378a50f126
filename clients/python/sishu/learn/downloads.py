"""Large files from links: what was broken off goes on, and nothing is there before its SHA-256 is right."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from sishu.common.v1.object_pb2 import StoredObject
from sishu.errors import ApiError
from sishu.loopback import WITHOUT_PROXY

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
TRIES = 3
PARTIAL = 206

Advance = Callable[[int], None]
"""Is told of bytes that are there."""


async def download_all(
    objects: Sequence[StoredObject], folder: Path, advance: Advance = lambda count: None
) -> list[Path]:
    """Have objects in a folder under their names; those that are there already are not fetched again.

    Raises:
        ApiError: an object does not come, or other bytes come.
    """
    async with httpx.AsyncClient(timeout=TIMEOUT, mounts=WITHOUT_PROXY) as http:
        return [await download_one(http, one, place_in(folder, one.name), advance) for one in objects]


def place_in(folder: Path, name: str) -> Path:
    """Where an object goes.

    Raises:
        ApiError: its name leads out of the folder.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ApiError("DATA_LOSS", "DOWNLOAD_MISMATCH", f"{name} is no name of a file in the folder")
    return path


async def download_one(http: httpx.AsyncClient, source: StoredObject, path: Path, advance: Advance) -> Path:
    """Have one object at a path."""
    if await asyncio.to_thread(is_there, source, path):
        advance(source.size_bytes)
        return path
    # Named after its content, so that only bytes of the same file are gone on with.
    part = path.with_name(f".{path.name}.{source.sha256[:16]}.part")
    with locked(part) as stream:
        await fetch(http, source, stream, advance)
        part.replace(path)
    return path


def is_there(source: StoredObject, path: Path) -> bool:
    """Whether an object is at a path already, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = path.exists() and path.stat().st_size == source.size_bytes
    return found and digest_of(path) == source.sha256


async def fetch(http: httpx.AsyncClient, source: StoredObject, stream: Any, advance: Advance) -> None:
    """Fill a file with what is missing of an object, in some tries.

    Raises:
        ApiError: the bytes do not come, or are not those that were announced.
    """
    told = 0
    for attempt in range(1, TRIES + 1):
        try:
            async for there in missing(http, source, stream):
                advance(there - told)
                told = there
        except httpx.HTTPError as error:
            # What came is kept for the next try, and for the next call.
            if attempt == TRIES:
                raise failed(source, error) from error
            continue
        if digest_of_stream(stream) == source.sha256:
            return
        stream.truncate(0)
    raise ApiError("DATA_LOSS", "DOWNLOAD_MISMATCH", f"{source.name} came with other bytes; try again")


async def missing(http: httpx.AsyncClient, source: StoredObject, stream: Any) -> Any:
    """Fetch what is missing; tell how many bytes are there."""
    stream.seek(0, 2)
    start = stream.tell()
    if start >= source.size_bytes:
        yield start
        return
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    async with http.stream("GET", source.url, headers=headers) as answer:
        answer.raise_for_status()
        if answer.status_code != PARTIAL:
            # It sends everything, whatever was asked for.
            stream.truncate(0)
            stream.seek(0)
        # As they come: what is still being gathered would be lost where the connection is.
        async for block in answer.aiter_raw():
            stream.write(block)
            yield stream.tell()
    stream.flush()


@contextmanager
def locked(path: Path) -> Iterator[Any]:
    """A file to go on with that nobody else writes at the same time.

    Raises:
        ApiError: somebody does.
    """
    with path.open("a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ApiError(
                "ABORTED", "DOWNLOAD_RUNNING", f"another command downloads {path} now; wait for it to end"
            ) from error
        yield stream


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of_stream(stream: Any) -> str:
    """SHA-256 of an open file."""
    stream.flush()
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()


def failed(source: StoredObject, error: httpx.HTTPError) -> ApiError:
    """The error for bytes that did not come."""
    return ApiError(
        "UNAVAILABLE",
        "DOWNLOAD_FAILED",
        f"{source.name} could not be read from the S3 server ({str(error) or type(error).__name__}); "
        "the same command goes on where this one stopped",
    )
