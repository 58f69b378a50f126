"""Objects in S3, against the embedded SeaweedFS and against a real MinIO: the same results."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from services.local.health import check_http
from services.local.ports import Ports
from services.local.processes import Command
from services.runtime.errors import InvalidArgument, NotFound, Unavailable
from services.runtime.storage import Storage
from tests.integration.stores import HOST, Server, Servers, drop_bucket

LARGE = 6 << 20
"""More than the 5 MiB from which the SDK sends an object in parts."""
NAMES = ["a/plain.txt", "a/退货 政策.md", "a/ümläut+plus&and=is#hash%20.md", "a/" + "n" * 200, "a/b/c/d/e/f"]


@dataclass(frozen=True)
class S3:
    """An S3 server under test."""

    server: Server
    url: str
    access_key: str
    secret_key: str

    def storage(self, bucket: str) -> Storage:
        return Storage(self.url, self.access_key, self.secret_key, bucket)


def minio_binary() -> Path | None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = Path(os.environ.get("SISHU_TEST_MINIO") or cache / "sishu" / "bin" / "minio")
    return path if path.is_file() else None


@asynccontextmanager
async def started_minio(folder: Path) -> AsyncIterator[S3]:
    binary = minio_binary()
    if binary is None:
        reason = "MinIO is not installed: run scripts/install_minio.sh or set SISHU_TEST_MINIO"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    ports = Ports(HOST)
    ports.choose(["minio"], {}, {})
    ports.release()
    port, keys = ports.numbers["minio"], (secrets.token_hex(8), secrets.token_hex(16))
    env = {
        "MINIO_ROOT_USER": keys[0],
        "MINIO_ROOT_PASSWORD": keys[1],
        "MINIO_BROWSER": "off",
        "HOME": str(folder),
    }
    command = Command(
        (str(binary), "server", "--address", f"{HOST}:{port}", str(folder / "data")), env, folder
    )

    async def ready() -> None:
        await check_http(HOST, port, "/minio/health/ready")

    server = Server(command, folder / "minio.log", ((signal.SIGTERM, 10.0),), (ready,))
    await server.start()
    try:
        yield S3(server, f"http://{HOST}:{port}", *keys)
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="module", params=["seaweedfs", "minio"])
async def s3(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[S3]:
    if request.param == "minio":
        async with started_minio(tmp_path_factory.mktemp("minio")) as minio:
            yield minio
    else:
        env = servers.env
        yield S3(servers.s3, env["SISHU_S3_URL"], env["SISHU_S3_ACCESS_KEY"], env["SISHU_S3_SECRET_KEY"])


@pytest_asyncio.fixture
async def storage(s3: S3) -> AsyncIterator[Storage]:
    bucket = f"test-{secrets.token_hex(4)}"
    made = s3.storage(bucket)
    await made.ensure_bucket()
    yield made
    made.close()
    await asyncio.to_thread(drop_bucket, s3.url, s3.access_key, s3.secret_key, bucket)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_a_bucket_is_made_once_however_many_want_it(s3: S3) -> None:
    bucket = f"test-{secrets.token_hex(4)}"
    several = [s3.storage(bucket) for _ in range(4)]
    await asyncio.gather(*(one.ensure_bucket() for one in several))
    await several[0].put_bytes("a", b"1")
    await several[1].ensure_bucket()
    assert await several[2].get_bytes("a") == b"1"
    for one in several:
        one.close()


@pytest.mark.parametrize("key", NAMES)
async def test_an_object_comes_back_as_it_was_under_any_name(storage: Storage, key: str) -> None:
    data = os.urandom(3000)
    info = await storage.put_bytes(key, data)
    assert (info.size, info.sha256) == (3000, sha256(data))
    assert await storage.get_bytes(key) == data
    assert await storage.inspect(key) == info


async def test_an_empty_object_is_an_object(storage: Storage) -> None:
    await storage.put_bytes("empty", b"")
    assert await storage.get_bytes("empty") == b""
    assert await storage.inspect("empty") == await storage.put_bytes("empty too", b"")


async def test_a_large_file_goes_in_parts_and_comes_back_whole(storage: Storage, tmp_path: Path) -> None:
    data = os.urandom(LARGE)
    (tmp_path / "in").write_bytes(data)
    info = await storage.put_file("large", tmp_path / "in")
    assert await storage.inspect("large") == info
    await storage.get_file("large", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    assert info.sha256 == sha256(data)


async def test_an_object_larger_than_allowed_is_not_read(storage: Storage) -> None:
    await storage.put_bytes("a", b"12345")
    assert await storage.get_bytes("a", limit=5) == b"12345"
    with pytest.raises(InvalidArgument) as raised:
        await storage.get_bytes("a", limit=4)
    assert raised.value.reason == "OBJECT_TOO_LARGE"


async def test_a_missing_object_is_not_found_and_leaves_no_file(storage: Storage, tmp_path: Path) -> None:
    for call in (
        storage.get_bytes("nowhere/x"),
        storage.inspect("nowhere/x"),
        storage.copy("nowhere/x", "y"),
        storage.get_file("nowhere/x", tmp_path / "out"),
    ):
        with pytest.raises(NotFound, match="nowhere/x") as raised:
            await call
        assert raised.value.reason == "OBJECT_NOT_FOUND"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", NAMES)
async def test_a_copy_has_the_content_and_stays_when_its_source_changes_or_goes(
    storage: Storage, key: str
) -> None:
    data = os.urandom(LARGE)
    info = await storage.put_bytes(key, data)
    await storage.put_bytes(f"to/{key}", b"before")
    await storage.copy(key, f"to/{key}")
    await storage.put_bytes(key, b"other")
    assert await storage.inspect(f"to/{key}") == info
    await storage.delete(key)
    assert await storage.get_bytes(f"to/{key}") == data


async def test_a_deleted_object_is_gone_and_deleting_again_is_no_error(storage: Storage) -> None:
    await storage.put_bytes("a/b", b"1")
    await storage.delete("a/b")
    await storage.delete("a/b")
    with pytest.raises(NotFound):
        await storage.get_bytes("a/b")


async def test_deleting_a_prefix_takes_what_is_under_it_and_nothing_beside_it(storage: Storage) -> None:
    doomed = [f"p/{number}/x" for number in range(20)] + ["p/退货 & 政策", "p/deep/er/still"]
    kept = ["p", "p2/x", "q/p/x"]
    for key in kept:
        await storage.put_bytes(key if key != "p" else "p.txt", b"kept")
    await asyncio.gather(*(storage.put_bytes(key, b"1") for key in doomed))
    assert await storage.delete_prefix("p/") == len(doomed)
    assert await storage.delete_prefix("p/") == 0
    for key in ("p.txt", "p2/x", "q/p/x"):
        assert await storage.get_bytes(key) == b"kept"


@pytest.mark.parametrize("data", [b"sent by HTTP", b"", os.urandom(LARGE)], ids=["small", "empty", "large"])
async def test_a_link_takes_bytes_by_http_put(storage: Storage, data: bytes) -> None:
    link = await storage.link_to_put("documents/退货/file")
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        response = await http.put(link.url, content=data)
        assert response.status_code == 200, response.text
    assert (await storage.inspect("documents/退货/file")).sha256 == sha256(data)


@pytest.mark.parametrize("name", ["", "returns.md", "退货政策.md"])
async def test_a_link_gives_bytes_by_http_get(storage: Storage, name: str) -> None:
    await storage.put_bytes("a/退货", b"content", "text/markdown")
    link = await storage.link_to_get("a/退货", name)
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.get(link.url)
    assert (response.status_code, response.content) == (200, b"content")
    shown = response.headers.get("content-disposition", "")
    assert shown.rpartition("''")[2] == quote(name)


async def test_a_link_opens_nothing_else(storage: Storage) -> None:
    await storage.put_bytes("a", b"1")
    await storage.put_bytes("b", b"2")
    link = await storage.link_to_get("a")
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(link.url.replace("/a?", "/b?"))).status_code == 403
        assert (await http.put(link.url, content=b"3")).status_code == 403
        assert (await http.get(link.url.partition("?")[0])).status_code == 403
    assert await storage.get_bytes("a") == b"1"


async def test_a_wrong_key_is_refused_and_the_message_says_what_to_check(s3: S3, storage: Storage) -> None:
    for access, secret in ((s3.access_key, "wrong-secret-key"), ("nobody", s3.secret_key)):
        stranger = Storage(s3.url, access, secret, "test-anything")
        for call in (stranger.ensure_bucket(), stranger.put_bytes("a", b"1"), stranger.get_bytes("a")):
            with pytest.raises(Unavailable, match="SISHU_S3_SECRET_KEY") as raised:
                await call
            assert raised.value.reason == "STORAGE_REFUSED"
            assert "wrong-secret-key" not in raised.value.message
        stranger.close()


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "ftp://h:1", "http://", "http://h:1/path"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match="SISHU_S3_URL"):
        Storage(url, "a", "b", "c")


async def test_a_server_that_is_gone_is_unavailable_and_works_again_when_it_is_back(
    s3: S3, storage: Storage, tmp_path: Path
) -> None:
    await storage.put_bytes("a", b"1")
    await s3.server.stop()
    try:
        for call in (
            storage.get_bytes("a"),
            storage.put_bytes("b", b"2"),
            storage.get_file("a", tmp_path / "out"),
            storage.delete_prefix("a/"),
        ):
            with pytest.raises(Unavailable, match="SISHU_S3_URL") as raised:
                await call
            assert raised.value.reason == "STORAGE_UNAVAILABLE"
    finally:
        await s3.server.start()
    assert await storage.get_bytes("a") == b"1"
    assert list(tmp_path.iterdir()) == []


class Failing(BaseHTTPRequestHandler):
    """Answers as a server whose disk is full."""

    def do_PUT(self) -> None:
        """Take the object, then say that it could not be kept."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in http.server
        """Nothing."""


async def test_a_server_that_answers_with_faults_is_told_from_one_that_is_gone() -> None:
    with ThreadingHTTPServer((HOST, 0), Failing) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        storage = Storage(f"http://{HOST}:{server.server_port}", "key", "secret", "bucket")
        try:
            with pytest.raises(Unavailable, match="errors of its own; see its log") as raised:
                await storage.put_bytes("a", b"1")
            assert raised.value.reason == "STORAGE_UNAVAILABLE"
        finally:
            storage.close()
            server.shutdown()
            thread.join()
