from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import openai
import pytest
import pytest_asyncio
from aiohttp import web

from services.generation.calls import streams
from services.generation.calls.llm import Completion, Llm
from services.generation.calls.modes import Habits
from services.generation.calls.replies import Reply, Usage, usage_of
from services.generation.calls.streams import MOST_CHARACTERS, Events
from services.generation.calls.transport import Transport
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint
from services.generation.questions.writing import WrittenAnswer, parse_answer, strict_object
from services.runtime.errors import SishuError
from tests.support.alone import Alone, llm_alone
from tests.support.mock_llm import mock_llm
from tests.support.web_server import served

PROMPT = Prompt("answer.en@1", ["You answer.", "Question: How long? As JSON."])
SCHEMA = strict_object({"quote": {"type": "string"}, "answer": {"type": "string"}})
GOOD = '{"quote": "a", "answer": "b"}'
MESSAGES = [{"role": "user", "content": "Say yes."}]
USED = {"prompt_tokens": 10, "completion_tokens": 3}

Step = bytes | float | None
"""Bytes to send, seconds to wait, or nothing to reset the connection."""


def piece(finish: str | None = None, **delta: Any) -> bytes:
    return event({"model": "m-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def event(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


USAGE = event({"choices": [], "usage": USED})
DONE = b"data: [DONE]\n\n"
WHOLE = [piece(role="assistant", content=""), piece(content=GOOD), piece("stop"), USAGE, DONE]


@asynccontextmanager
async def server(steps: Sequence[Step]) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A server that streams by steps; yields its address and the requests that it got."""
    bodies: list[dict[str, Any]] = []

    async def complete(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with suppress(ConnectionError):
            for step in steps:
                match step:
                    case bytes():
                        await response.write(step)
                    case float():
                        await asyncio.sleep(step)
                    case None:
                        assert request.transport
                        request.transport.abort()
        return response

    async with served(complete) as url:
        yield url, bodies


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport(10, idle_seconds=0.5)
    yield made
    await made.close()


async def streamed(transport: Transport, url: str, **parameters: Any) -> Reply:
    return await transport.complete(Endpoint(url, "m"), MESSAGES, parameters, stream=True)


async def failure(transport: Transport, steps: Sequence[Step]) -> SishuError:
    async with server(steps) as (url, _):
        with pytest.raises(SishuError) as raised:
            await streamed(transport, url)
    return raised.value


async def test_a_streamed_answer_is_what_a_whole_one_is(transport: Transport) -> None:
    steps = [
        piece(role="assistant", content=""),
        piece(reasoning_content="Let me "),
        piece(reasoning="see."),
        *(piece(content=char) for char in GOOD),
        piece("stop"),
        USAGE,
        DONE,
    ]
    async with server(steps) as (url, bodies):
        reply = await streamed(transport, url, temperature=0)
    assert (reply.text, reply.reasoning, reply.model, reply.finish_reason) == (
        GOOD,
        "Let me see.",
        "m-1",
        "stop",
    )
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.calls) == (10, 3, 1)
    assert bodies[0]["stream"] is True
    assert bodies[0]["stream_options"] == {"include_usage": True}
    assert bodies[0]["temperature"] == 0


async def test_a_stream_may_come_in_portions_of_any_size(transport: Transport) -> None:
    whole = b"".join([b": hello\r\n\r\n", b"event: message\n", *WHOLE]).replace(b"\n", b"\r\n")
    async with server([whole[at : at + 7] for at in range(0, len(whole), 7)]) as (url, _):
        assert (await streamed(transport, url)).text == GOOD


async def test_signs_of_other_planes_survive_being_parted_between_pieces(transport: Transport) -> None:
    halves = [event({"choices": [{"delta": {"content": half}}]}) for half in ("\ud83d", "\ude00")]
    async with server([*halves, piece("stop"), DONE]) as (url, _):
        assert (await streamed(transport, url)).text == "\N{GRINNING FACE}"


async def test_a_slow_answer_is_not_cut_while_pieces_come(transport: Transport) -> None:
    slow = [step for char in GOOD for step in (piece(content=char), 0.05)]
    async with server([*slow, piece("stop"), USAGE, DONE]) as (url, _):
        reply = await streamed(transport, url)
    assert reply.text == GOOD
    assert reply.usage.seconds > 1


async def test_a_server_that_comes_to_a_call_late_is_waited_for(transport: Transport) -> None:
    async with server([b": wait\n\n", 1.0, piece(content=GOOD), piece("stop"), USAGE, DONE]) as (url, _):
        assert (await streamed(transport, url)).text == GOOD


async def test_a_server_that_never_comes_to_a_call_is_not_waited_for_longer_than_for_a_whole_answer() -> None:
    transport = Transport(0.5, idle_seconds=0.1)
    error = await failure(transport, [5.0, piece(content=GOOD), DONE])
    await transport.close()
    assert error.reason == "PROVIDER_TIMED_OUT"


@pytest.mark.parametrize(
    "sign",
    [b": OPENROUTER PROCESSING\n\n", b"\n", b"data:\n\n", piece(content=""), piece(role="assistant")],
    ids=["comment", "blank", "no_data", "empty_piece", "role"],
)
async def test_signs_of_life_without_a_piece_do_not_keep_a_call_going(
    transport: Transport, sign: bytes
) -> None:
    started = time.monotonic()
    signs: list[Step] = [sign, 0.05]
    error = await failure(transport, [piece(content="{"), *(signs * 400)])
    assert (error.code, error.reason) == ("DEADLINE_EXCEEDED", "PROVIDER_TIMED_OUT")
    assert time.monotonic() - started < 15


async def test_pieces_without_end_end_at_the_overall_limit() -> None:
    transport = Transport(10, idle_seconds=0.5, stream_seconds=0.6)
    error = await failure(transport, [piece(content="x"), 0.05] * 30)
    await transport.close()
    assert error.reason == "PROVIDER_TIMED_OUT"


@pytest.mark.parametrize(
    "end",
    [[None], [b"data: {"], [b"data: {\n\n"], [event({"error": {"message": "out of memory"}})]],
    ids=["reset", "half_a_piece", "no_json", "error"],
)
async def test_a_stream_that_breaks_off_is_never_a_whole_answer(
    transport: Transport, end: list[Step]
) -> None:
    error = await failure(transport, [piece(content=GOOD), 0.05, *end])
    assert (error.code, error.reason) == ("UNAVAILABLE", "PROVIDER_BROKE_OFF")
    assert ("out of memory" in error.message) == ("out of memory" in str(end))


async def test_a_limit_of_the_rate_may_show_in_the_middle(transport: Transport) -> None:
    error = await failure(transport, [piece(content="{"), event({"error": {"message": "slow", "code": 429}})])
    assert (error.code, error.reason) == ("RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED")


@pytest.mark.parametrize("end", [[], [None], [60.0]], ids=["closed", "reset", "left_open"])
async def test_an_answer_is_whole_once_the_model_ended(
    transport: Transport, end: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.generation.calls.transport.LAST_WORDS_SECONDS", 0.2)
    async with server([piece(content=GOOD), piece("stop"), 0.05, *end]) as (url, _):
        async with asyncio.timeout(30):
            assert (await streamed(transport, url)).text == GOOD


async def test_an_answer_without_end_is_cut_and_says_so(transport: Transport) -> None:
    endless = [piece(content="x" * 50_000)] * (MOST_CHARACTERS // 50_000 + 2)
    async with server([*endless, 0.5]) as (url, _):
        reply = await streamed(transport, url)
    assert reply.finish_reason == "length"
    assert MOST_CHARACTERS < len(reply.text) <= MOST_CHARACTERS + 100_000


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_LINE_BYTES", 1000)
    events = Events()
    with pytest.raises(streams.StreamFailed, match="too long"):
        for _ in range(100):
            list(events.of(b"data: " + b"x" * 100))


async def test_a_server_is_asked_for_no_more_than_it_takes(transport: Transport) -> None:
    bodies: list[dict[str, Any]] = []

    async def picky(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        for name in ("stream_options", "stream"):
            if name in bodies[-1]:
                error = {"message": f"the field {name} is not supported"}
                return web.json_response({"error": error}, status=400)
        message = {"role": "assistant", "content": GOOD}
        return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}]})

    async with served(picky) as url:
        for _ in range(2):
            assert (await streamed(transport, url)).text == GOOD
    asked = [{"stream", "stream_options"} & set(body) for body in bodies]
    assert asked == [{"stream", "stream_options"}, {"stream"}, set(), set()]


ONLY_STREAMS = "This model only support stream mode, please enable the stream parameter to access the model."


@asynccontextmanager
async def stream_only(in_detail: bool = False) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A server that refuses to answer whole, and everything where the prompt is bad."""
    bodies: list[dict[str, Any]] = []

    async def complete(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        refused = ONLY_STREAMS if not bodies[-1].get("stream") else ""
        if bodies[-1].get("user") == "bad":
            refused = "a bad request that speaks of a stream"
        if refused:
            told = {"detail": refused} if in_detail else {"error": {"message": refused}}
            return web.json_response(told, status=400)
        return web.Response(body=b"".join(WHOLE), content_type="text/event-stream")

    async with served(complete) as url:
        yield url, bodies


@pytest.mark.parametrize("in_detail", [False, True])
async def test_a_server_that_only_streams_is_asked_to_once_it_says_so(in_detail: bool) -> None:
    llm = llm_alone(Transport(10))
    async with stream_only(in_detail) as (url, bodies):
        for _ in range(3):
            completion = await asked(llm, url)
            assert (completion.value.quote, completion.usage.calls) == ("a", 1)
        asked_for = [body.get("stream", False) for body in bodies]
        assert asked_for == [False, True, True, True]
        with pytest.raises(SishuError, match="only support stream mode"):
            await asked(llm, url, "never")
        assert not bodies[-1].get("stream")
    await llm.transport.close()


async def test_a_refusal_that_only_speaks_of_streams_changes_nothing(transport: Transport) -> None:
    async with stream_only() as (url, bodies):
        with pytest.raises(openai.BadRequestError):
            await transport.complete(Endpoint(url, "m"), MESSAGES, {"user": "bad"})
        bodies.clear()
        with pytest.raises(openai.BadRequestError):
            await transport.complete(Endpoint(url, "m"), MESSAGES, {"user": "bad"})
        assert not bodies[0].get("stream")


async def test_a_server_that_knows_no_streams_may_answer_whole(transport: Transport) -> None:
    async def whole(_: web.Request) -> web.StreamResponse:
        return web.json_response({"choices": [{"message": {"content": GOOD}}], "usage": USED})

    async with served(whole) as url:
        reply = await streamed(transport, url)
    assert (reply.text, reply.usage.prompt_tokens) == (GOOD, 10)


async def test_connections_of_streams_are_used_again(transport: Transport) -> None:
    seen = set()

    async def complete(request: web.Request) -> web.StreamResponse:
        assert request.transport
        seen.add(request.transport.get_extra_info("peername"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for step in WHOLE:
            await response.write(step)
        return response

    async with served(complete) as url:
        for _ in range(3):
            await streamed(transport, url)
    assert len(seen) == 1


async def asked(llm: Llm, url: str, streaming: str = "auto") -> Completion[WrittenAnswer]:
    endpoint = Endpoint(url, "mock-model", streaming=streaming)
    return await llm.ask([endpoint], PROMPT, SCHEMA, parse_answer, {})


@pytest.mark.parametrize(
    ("streaming", "known", "streams"),
    [("auto", False, False), ("auto", True, True), ("always", False, True), ("never", True, False)],
)
async def test_answers_are_streamed_as_the_provider_says_or_once_the_server_is_slow(
    streaming: str, known: bool, streams: bool
) -> None:
    llm = llm_alone(Transport(10))
    async with server(WHOLE) as (url, bodies):
        llm.know(Endpoint(url, "mock-model"), Habits(streams=known))
        # A server that only streams gives no usable answer to a call that is not streamed.
        with suppress(SishuError):
            await asked(llm, url, streaming)
    await llm.transport.close()
    assert bodies[0].get("stream", False) == streams


async def test_a_server_that_timed_out_is_asked_for_a_stream_and_that_is_told() -> None:
    class Lossy(Alone):
        async def remember(self, endpoint: Endpoint, habits: Habits) -> None:
            await super().remember(endpoint, habits)
            raise OSError("what is told may be lost")

    memory = Lossy()
    llm = llm_alone(Transport(0.4, idle_seconds=5), memory=memory)
    async with mock_llm(latency_ms=700) as mock:
        with pytest.raises(SishuError) as raised:
            await asked(llm, mock.base_url)
        assert (raised.value.reason, usage_of(raised.value).calls) == ("PROVIDER_TIMED_OUT", 1)
        completion = await asked(llm, mock.base_url)
        await llm.transport.close()
    assert completion.usage.calls == 1
    assert completion.usage.seconds > 0.5
    assert list(memory.habits.values()) == [Habits(streams=True)]


def test_usage_adds_up() -> None:
    assert Usage(1, 2, 3, 0.5) + Usage(10, 20, 30, 0.25) == Usage(11, 22, 33, 0.75)


@pytest.mark.parametrize("before", ["", "<think>{</think>\n"])
async def test_a_stream_that_is_closed_after_whole_json_without_a_word_is_an_answer(
    transport: Transport, before: str
) -> None:
    async with server([piece(content=before), piece(content=GOOD[:9]), piece(content=GOOD[9:])]) as (
        url,
        bodies,
    ):
        reply = await streamed(transport, url)
    assert (reply.text, reply.finish_reason, len(bodies)) == (GOOD, "", 1)


@pytest.mark.parametrize("text", [GOOD[:-1], "yes", "12", '"yes"', f"<think>{GOOD}", f"{GOOD} and"])
async def test_of_a_stream_that_is_closed_after_anything_else_nobody_knows_whether_it_is_whole(
    transport: Transport, text: str
) -> None:
    error = await failure(transport, [piece(content=text)])
    assert (error.code, error.reason) == ("UNAVAILABLE", "PROVIDER_BROKE_OFF")


async def test_a_stream_that_nobody_asked_for_is_read(transport: Transport) -> None:
    async with server(WHOLE) as (url, bodies):
        reply = await transport.complete(Endpoint(url, "m"), MESSAGES, {})
    assert (reply.text, reply.finish_reason, reply.usage.prompt_tokens) == (GOOD, "stop", 10)
    assert "stream" not in bodies[0]


async def test_a_stream_that_nobody_asked_for_ends_with_what_was_heard_last() -> None:
    slow = Transport(0.5, idle_seconds=0.5)
    async with server([piece(content=GOOD[:9]), 0.3, piece(content=GOOD[9:]), 0.3, piece("stop")]) as (
        url,
        _,
    ):
        reply = await slow.complete(Endpoint(url, "m"), MESSAGES, {})
    async with server([piece(content=GOOD[:9]), None]) as (url, _):
        with pytest.raises(SishuError) as raised:
            await slow.complete(Endpoint(url, "m"), MESSAGES, {})
    await slow.close()
    assert (reply.text, raised.value.reason) == (GOOD, "PROVIDER_BROKE_OFF")
