"""What is sent to this machine does not go by a proxy that the environment names."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import httpx
import pytest

from sishu.client import Client
from sishu.errors import ApiError
from sishu.ingest.v1.project_service_pb2 import ListProjectsRequest
from sishu.loopback import WITHOUT_PROXY, is_loopback

NOBODY = "http://127.0.0.1:9"
"""The port of discarding, where nothing listens."""


@pytest.fixture(autouse=True)
def proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("grpc_proxy", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, NOBODY)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server without services."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(0)


async def test_calls_of_rooms_on_this_machine_reach_them(port: int) -> None:
    async with Client({"ingest": f"127.0.0.1:{port}"}, seconds=5, patience=1) as client:
        with pytest.raises(ApiError) as raised:
            await client.projects.ListProjects(ListProjectsRequest())
    assert raised.value.code == "UNIMPLEMENTED"


async def test_files_of_a_bucket_on_this_machine_are_fetched_from_it(port: int) -> None:
    """A server of gRPC answers a request of HTTP with bytes of its own, or ends it; no proxy is asked."""
    async with httpx.AsyncClient(mounts=WITHOUT_PROXY) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"http://127.0.0.1:{port}/x")


@pytest.mark.parametrize("address", ["127.0.0.1:5", "localhost:5", "[::1]:5", "dns:///127.1.2.3:5"])
def test_addresses_of_this_machine(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["ingest:50051", "10.0.0.1:5", "127.example.com:5", "[::2]:5"])
def test_addresses_of_others(address: str) -> None:
    assert not is_loopback(address)
