"""Objects in S3, through the `minio` SDK, off the event loop.

An object is written once, under a fresh id, and then referenced by a row; never the other way round.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import quote, urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, S3Error, ServerError

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 5
READ_SECONDS = 60
THREADS = 8
URL_LIFE = timedelta(hours=1)
BLOCK = 1 << 20
DELETED_AT_ONCE = 1000
MISSING = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchObject"})


@dataclass(frozen=True)
class ObjectInfo:
    """Size in bytes and SHA-256 of an object's content."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Link:
    """A presigned address and when it stops working."""

    url: str
    expire_time: datetime


class Storage:
    """One bucket.

    Args:
        url: `http://host:port` or `https://host[:port]` of the S3 server.
        access_key: its access key.
        secret_key: its secret key.
        bucket: the bucket; made by `ensure_bucket` when it is missing.

    Raises:
        InvalidArgument: the address is not one.
    """

    def __init__(self, url: str, access_key: str, secret_key: str, bucket: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path.strip("/"):
            raise InvalidArgument(
                "CONFIG_INVALID",
                "SISHU_S3_URL must look like http://host:port, without a path",
                "SISHU_S3_URL",
            )
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            maxsize=THREADS,
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        self._client = Minio(
            endpoint=parts.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=parts.scheme == "https",
            region="us-east-1",
            http_client=self._pool,
        )
        self._bucket = bucket
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")

    async def ensure_bucket(self) -> None:
        """Make the bucket unless it is there.

        Raises:
            Unavailable: the server cannot be reached, or refuses us.
        """
        await self._run(self._ensure_bucket)

    async def put_bytes(
        self, key: str, data: bytes, media_type: str = "application/octet-stream"
    ) -> ObjectInfo:
        """Store bytes under a key."""
        await self._run(
            self._client.put_object, self._bucket, key, io.BytesIO(data), len(data), content_type=media_type
        )
        return ObjectInfo(len(data), hashlib.sha256(data).hexdigest())

    async def put_file(
        self, key: str, path: Path, media_type: str = "application/octet-stream"
    ) -> ObjectInfo:
        """Store a file under a key, streamed."""
        info = await asyncio.to_thread(file_info, path)
        await self._run(self._client.fput_object, self._bucket, key, str(path), content_type=media_type)
        return info

    async def get_bytes(self, key: str, limit: int = 64 << 20) -> bytes:
        """Content of an object that must not be larger than `limit` bytes.

        Raises:
            NotFound: there is no such object.
            InvalidArgument: it is larger.
        """
        return await self._run(self._get_bytes, key, limit)

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """A part of an object; shorter where the object ends.

        Raises:
            NotFound: there is no such object.
        """
        return await self._run(self._get_range, key, start, length)

    async def get_file(self, key: str, path: Path) -> None:
        """Store the content of an object in a file, whole or not at all.

        Raises:
            NotFound: there is no such object.
        """
        await self._run(self._client.fget_object, self._bucket, key, str(path))

    async def size(self, key: str) -> int:
        """Size of an object in bytes, as the server knows it.

        Raises:
            NotFound: there is no such object.
        """
        found = await self._run(self._client.stat_object, self._bucket, key)
        return found.size or 0

    async def inspect(self, key: str) -> ObjectInfo:
        """Read an object through to find its size and SHA-256.

        Raises:
            NotFound: there is no such object.
        """
        return await self._run(self._inspect, key)

    async def copy(self, source_key: str, key: str) -> None:
        """Copy an object to another key, inside the server.

        Raises:
            NotFound: there is no such object.
        """
        await self._run(self._client.copy_object, self._bucket, key, CopySource(self._bucket, source_key))

    async def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        await self._run(self._client.remove_object, self._bucket, key)

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every object under a prefix that ends in `/`; return how many."""
        return await self._run(self._delete_prefix, prefix)

    async def link_to_get(self, key: str, name: str = "") -> Link:
        """A link under which the object can be read; a browser saves it as `name`."""
        # As RFC 6266 has it, for names in any language.
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        expire_time = datetime.now(UTC) + URL_LIFE
        url = await self._run(
            self._client.presigned_get_object,
            self._bucket,
            key,
            expires=URL_LIFE,
            response_headers={"response-content-disposition": disposition} if name else None,
        )
        return Link(url, expire_time)

    async def link_to_put(self, key: str) -> Link:
        """A link to which the object can be sent by HTTP PUT."""
        expire_time = datetime.now(UTC) + URL_LIFE
        url = await self._run(self._client.presigned_put_object, self._bucket, key, expires=URL_LIFE)
        return Link(url, expire_time)

    def close(self) -> None:
        """End the threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, lambda: call(*args, **kwargs))
        except S3Error as error:
            if error.code in MISSING:
                missing = error.object_name or error.resource
                raise NotFound(
                    "OBJECT_NOT_FOUND", f"the bucket {self._bucket} has no object {missing}"
                ) from error
            raise Unavailable(
                "STORAGE_REFUSED",
                f"the S3 server refused: {error.code}; check SISHU_S3_ACCESS_KEY, SISHU_S3_SECRET_KEY and "
                "the bucket",
            ) from error
        except (
            urllib3.exceptions.HTTPError,
            InvalidResponseError,
            ServerError,
            ConnectionError,
            TimeoutError,
        ) as error:
            raise Unavailable("STORAGE_UNAVAILABLE", unavailable_because(error)) from error
        except OSError as error:
            raise FailedPrecondition(
                "DISK_UNUSABLE",
                f"{error.filename or 'a local file'}: {error.strerror}; see that this machine's disk has "
                "room and the folder is ours",
            ) from error

    def _ensure_bucket(self) -> None:
        if not self._client.bucket_exists(self._bucket):
            try:
                self._client.make_bucket(self._bucket)
            except S3Error as error:
                # Another room may have made it between the two calls.
                if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise

    def _get_bytes(self, key: str, limit: int) -> bytes:
        response = self._client.get_object(self._bucket, key)
        try:
            data: bytes = response.read(limit + 1)
        finally:
            response.close()
            response.release_conn()
        if len(data) > limit:
            raise InvalidArgument("OBJECT_TOO_LARGE", f"the object {key} is larger than {limit} bytes")
        return data

    def _get_range(self, key: str, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        response = self._client.get_object(self._bucket, key, offset=start, length=length)
        try:
            data: bytes = response.read()
        finally:
            response.close()
            response.release_conn()
        return data

    def _inspect(self, key: str) -> ObjectInfo:
        response = self._client.get_object(self._bucket, key)
        digest, size = hashlib.sha256(), 0
        try:
            for block in response.stream(BLOCK):
                digest.update(block)
                size += len(block)
        finally:
            response.close()
            response.release_conn()
        return ObjectInfo(size, digest.hexdigest())

    def _delete_prefix(self, prefix: str) -> int:
        count = 0
        found = self._client.list_objects(self._bucket, prefix, recursive=True)
        names = (DeleteObject(item.object_name) for item in found if item.object_name)
        while some := list(itertools.islice(names, DELETED_AT_ONCE)):
            for error in self._client.remove_objects(self._bucket, some):
                raise Unavailable(
                    "STORAGE_REFUSED", f"the S3 server did not delete {error.name}: {error.code}"
                )
            count += len(some)
        return count


def file_info(path: Path) -> ObjectInfo:
    """Size and SHA-256 of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return ObjectInfo(path.stat().st_size, digest.hexdigest())


def unavailable_because(error: Exception) -> str:
    """What to tell of an S3 server that did not do its work: it answered with a fault, or not at all."""
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    if isinstance(reason, (urllib3.exceptions.ResponseError, ServerError)):
        return "the S3 server answers with errors of its own; see its log, and that its disk has room"
    return "the S3 server cannot be reached now; check that it runs and that SISHU_S3_URL is right"
