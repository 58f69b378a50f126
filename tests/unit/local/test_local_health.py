from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from services.local.health import NotReadyError, check_http, check_tcp, describe


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A probe that only connects asks nothing.
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_200_is_healthy() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\nready") as port:
        await check_http("127.0.0.1", port, "/readyz")
        await check_tcp("127.0.0.1", port)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "503 Service Unavailable"),
        (b"", "closed the connection"),
        (b"SSH-2.0-x\r\n", "SSH-2.0-x"),
    ],
)
async def test_anything_else_is_not(answer: bytes, said: str) -> None:
    async with answering(answer) as port:
        with pytest.raises(NotReadyError, match=said):
            await check_http("127.0.0.1", port, "/readyz")


async def test_nobody_there_is_not() -> None:
    async with answering(b"") as port:
        pass
    with pytest.raises(ConnectionRefusedError) as refused:
        await check_tcp("127.0.0.1", port)
    assert describe(refused.value) == "nobody listens on its port yet"


def test_causes_are_said_in_one_line() -> None:
    assert describe(TimeoutError()) == "no answer within 5 s"
    assert describe(ValueError("first\nsecond")) == "first"
    assert describe(ValueError()) == "ValueError"
