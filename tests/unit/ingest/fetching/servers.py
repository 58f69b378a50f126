"""Servers, resolvers and fetchers for the tests of fetching."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from services.ingest.config import FetchConfig
from services.ingest.fetching.fetcher import Fetcher
from services.runtime.errors import SishuError
from tests.support.web_server import served as served_under

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK = "127.0.0.1/32"
"""The one address that good cases allow: all others of the machine stay private."""
PAGE = b"<h1>Returns</h1>"


def fetcher(private_addresses: str = LOOPBACK, resolve: object = None, **settings: float) -> Fetcher:
    config = FetchConfig(private_addresses=private_addresses, **settings)  # type: ignore[arg-type]  # one is whole
    return Fetcher(config, resolve) if resolve else Fetcher(config)  # type: ignore[arg-type]  # see `answering`


def answering(*answers: Sequence[str]) -> tuple[Callable[[str, int], Awaitable[Sequence[str]]], list[str]]:
    """A resolver that gives these answers in turn, the last for ever; and the hosts that it was asked for."""
    left, asked = list(answers), []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve, asked


async def failure(fetching: Fetcher, url: str, path: Path) -> SishuError:
    with pytest.raises(SishuError) as raised:
        await fetching.fetch(url, path)
    assert not path.exists()
    return raised.value


def page(body: bytes = PAGE, status: int = 200, **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": "text/html", **named})

    return answer


def moved(location: str, status: int = 302) -> Handler:
    return page(b"", status, Location=location)


@asynccontextmanager
async def served(answer: Handler) -> AsyncIterator[str]:
    async with served_under(answer) as url:
        yield f"{url}/"


@asynccontextmanager
async def raw_server(answer: bytes, pause: float = 0.0) -> AsyncIterator[str]:
    """A server that sends these bytes whatever is asked, one by one if there is a pause between them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in [answer] if not pause else [bytes([byte]) for byte in answer]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
