"""Servers that refuse streams, and answers that are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import openai
import pytest
import pytest_asyncio
from aiohttp import web

from services.generation.calls import transport as transports
from services.generation.calls.transport import Transport
from services.generation.providers.providers import Endpoint
from services.runtime.errors import SishuError
from tests.support.web_server import served

MESSAGES = [{"role": "user", "content": "Say yes."}]
STREAMED = 'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport(10)
    yield made
    await made.close()


def whole(text: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="application/json")

    return answer


def refused(message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=400)


async def test_calls_that_are_refused_together_switch_off_only_what_they_asked_for(
    transport: Transport,
) -> None:
    bodies: list[dict[str, Any]] = []
    together = asyncio.Barrier(2)

    async def complete(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        if "stream_options" in bodies[-1]:
            await together.wait()
            return refused("unknown field stream_options")
        return web.Response(text=STREAMED, content_type="text/event-stream")

    async with served(complete) as url:
        endpoint = Endpoint(url, "m")
        calls = (transport.complete(endpoint, MESSAGES, {}, stream=True) for _ in range(2))
        assert [reply.text for reply in await asyncio.gather(*calls)] == ["hi", "hi"]
        await transport.complete(endpoint, MESSAGES, {}, stream=True)
    assert [set(body) & {"stream", "stream_options"} for body in bodies[2:]] == [{"stream"}] * 3


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("the upstream refused the request", 1),
        ("Streaming is not supported", 3),
        ("该模型不支持stream参数", 3),
        ("该模型不支持流式输出", 3),
    ],
)
async def test_a_stream_is_given_up_where_the_server_speaks_of_it_in_whole_words(
    transport: Transport, message: str, asked: int
) -> None:
    bodies: list[dict[str, Any]] = []

    async def complete(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return refused(message)

    async with served(complete) as url:
        with pytest.raises(openai.BadRequestError):
            await transport.complete(Endpoint(url, "m"), MESSAGES, {}, stream=True)
    assert len(bodies) == asked


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_nested_without_end_is_no_usable_one(transport: Transport, stream: bool) -> None:
    async with served(whole("[" * 200_000)) as url:
        with pytest.raises(SishuError) as raised:
            await transport.complete(Endpoint(url, "m"), MESSAGES, {}, stream=stream)
    assert raised.value.reason == "PROVIDER_FAILED"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_without_end_is_not_read_to_its_end(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(transports, "MOST_ANSWER_BYTES", 1000)

    async def complete(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 1000)

    async with served(complete) as url:
        async with asyncio.timeout(30):
            with pytest.raises(SishuError) as raised:
                await transport.complete(Endpoint(url, "m"), MESSAGES, {}, stream=stream)
    assert raised.value.reason == "PROVIDER_FAILED"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("contents", "text", "reasoning"),
    [
        ([[{"type": "text", "text": "yes"}]], "yes", ""),
        ([[{"type": "output_text", "text": "y"}, "e", {"text": "s"}]], "yes", ""),
        (
            [
                [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}],
                [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "m"}], "closed": True},
                    {"type": "text", "text": "ye"},
                ],
                "s",
            ],
            "yes",
            "hm",
        ),
        ([[{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}]], "yes", "hm"),
        (
            [[{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "<think>x</think>yes"}]],
            "yes",
            "hm",
        ),
        ([[{"type": 7}, None, 5, {"type": "thinking", "thinking": 5}, {"type": "image_url"}]], "", ""),
        ([{"type": "text", "text": "no"}], "", ""),
    ],
)
async def test_an_answer_in_parts_is_read(
    transport: Transport, stream: bool, contents: list[Any], text: str, reasoning: str
) -> None:
    async def complete(_: web.Request) -> web.Response:
        if not stream:
            parts = [part for one in contents for part in (one if isinstance(one, list) else [one])]
            content = contents[0] if isinstance(contents[0], dict) else parts
            choice = {"message": {"content": content}, "finish_reason": "stop"}
            return web.json_response({"choices": [choice]})
        choices: list[dict[str, Any]] = [{"delta": {"content": one}} for one in contents]
        events = [{"choices": [one]} for one in [*choices, {"delta": {}, "finish_reason": "stop"}]]
        lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        return web.Response(text=lines, content_type="text/event-stream")

    async with served(complete) as url:
        reply = await transport.complete(Endpoint(url, "m"), MESSAGES, {}, stream=stream)
    assert (reply.text, reply.reasoning, reply.finish_reason) == (text, reasoning, "stop")
