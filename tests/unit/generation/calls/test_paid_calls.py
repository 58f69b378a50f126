"""Which calls that failed count as paid: all that a server may have begun to work on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web

from services.generation.calls.llm import Llm
from services.generation.calls.replies import usage_of
from services.generation.calls.transport import Transport
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint
from services.generation.questions.writing import parse_answer, strict_object
from services.runtime.errors import SishuError
from tests.support.alone import llm_alone
from tests.support.mock_llm import mock_llm
from tests.support.web_server import served

SCHEMA = strict_object({"quote": {"type": "string"}, "answer": {"type": "string"}})
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HALF = BEGUN + b'Content-Length: 1000\r\n\r\n{"choices": [{"message": {"content": "{'


@pytest_asyncio.fixture
async def llm() -> AsyncIterator[Llm]:
    made = llm_alone(Transport(5))
    yield made
    await made.transport.close()


async def failure(llm: Llm, base_url: str) -> SishuError:
    endpoint = Endpoint(base_url, "mock-model", streaming="never")
    with pytest.raises(SishuError) as raised:
        await llm.ask(
            [endpoint], Prompt("answer.en@1", ["You answer.", "How long?"]), SCHEMA, parse_answer, {}
        )
    return raised.value


@asynccontextmanager
async def said(reply: bytes) -> AsyncIterator[str]:
    """A server that reads a request, says some bytes and resets the connection; yields its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        # The bytes are read before the reset takes what was not.
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"", "PROVIDER_UNREACHABLE"),
        (b"HTTP/1.1 200 OK\r\n", "PROVIDER_UNREACHABLE"),
        (HALF, "PROVIDER_BROKE_OFF"),
        (BEGUN + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{    \r\n", "PROVIDER_BROKE_OFF"),
        (BEGUN + b"Content-Length: 3\r\n\r\n{,}", "PROVIDER_FAILED"),
        (BEGUN + b"Content-Length: 0\r\n\r\n", "PROVIDER_FAILED"),
        (b"no HTTP at all\r\n\r\n", "PROVIDER_FAILED"),
    ],
)
async def test_what_breaks_after_the_request_went_out_counts_as_paid(
    llm: Llm, reply: bytes, reason: str
) -> None:
    async with said(reply) as url:
        error = await failure(llm, url)
    assert (error.code, error.reason, usage_of(error).calls) == ("UNAVAILABLE", reason, 1)
    assert "cannot be reached" not in error.message


async def test_an_answer_that_is_dropped_after_it_was_paid_counts(llm: Llm) -> None:
    async with mock_llm() as server:
        await server.control(next_faults=["drop"])
        error = await failure(llm, server.base_url)
        assert (await server.stats())["paid"] == usage_of(error).calls == 1


@pytest.mark.parametrize(("status", "calls"), [(500, 0), (503, 0), (429, 0), (502, 1), (504, 1), (408, 1)])
async def test_a_server_that_answers_with_an_error_is_not_paid_unless_it_speaks_for_another(
    llm: Llm, status: int, calls: int
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with served(answer) as url:
        assert usage_of(await failure(llm, url)).calls == calls


@pytest.mark.parametrize(
    "reply",
    [
        b"Content-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        b'Content-Type: application/json\r\nContent-Length: 23\r\n\r\n{"error": "overloaded"}',
    ],
)
async def test_a_web_page_and_an_error_in_place_of_an_answer_are_not_paid(llm: Llm, reply: bytes) -> None:
    async with said(b"HTTP/1.1 200 OK\r\n" + reply) as url:
        error = await failure(llm, url)
    assert (error.reason, usage_of(error).calls) == ("PROVIDER_FAILED", 0)


@pytest.mark.parametrize(
    "address",
    [
        lambda port: f"http://127.0.0.1:{port}/v1",
        lambda port: f"https://127.0.0.1:{port}/v1",
        lambda _: "http://no-such-host.invalid/v1",
    ],
)
async def test_what_never_reached_a_server_counts_nothing(llm: Llm, address: Callable[[int], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    error = await failure(llm, address(port))
    assert (error.code, usage_of(error).calls) == ("UNAVAILABLE", 0)


async def test_a_handshake_that_comes_to_nothing_counts_nothing(llm: Llm) -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        error = await failure(llm, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    assert usage_of(error).calls == 0
