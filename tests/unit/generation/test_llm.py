from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.generation.calls.chain import Chain
from services.generation.calls.gate import Gate
from services.generation.calls.left_out import ECHO_SECONDS, MOST_FAILURES
from services.generation.calls.llm import Completion, Llm
from services.generation.calls.output import OutputInvalid
from services.generation.calls.replies import usage_of
from services.generation.calls.transport import Transport
from services.generation.metrics import GenerationMetrics
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint, Limits
from services.generation.questions.writing import (
    WrittenAnswer,
    parse_answer,
    questions_parser,
    questions_schema,
    strict_object,
)
from services.runtime.errors import SishuError
from services.runtime.in_work import InWork
from services.runtime.jobs import Item
from sishu.cli.failures import in_words
from tests.support.alone import Alone, llm_alone
from tests.support.mock_llm import MockServer, mock_llm
from tests.support.web_server import served

PROMPT = Prompt(
    "answer.en@1", ["You answer.", "Text:\nIt runs for nine hours.\n\nQuestion: How long? As JSON."]
)
SCHEMA = strict_object({"quote": {"type": "string"}, "answer": {"type": "string"}})
GOOD = '{"quote": "a", "answer": "b"}'

Answering = Callable[[dict[str, Any]], web.Response]


@pytest_asyncio.fixture(scope="module")
async def running() -> AsyncIterator[MockServer]:
    async with mock_llm() as server:
        yield server


@pytest_asyncio.fixture
async def mock(running: MockServer) -> MockServer:
    await running.control(next_faults=[], api_key="", models=[], hang_s=3600)
    await running.reset()
    return running


@pytest_asyncio.fixture
async def llm() -> AsyncIterator[Llm]:
    made = llm_alone(Transport(10))
    yield made
    await made.transport.close()


async def ask(llm: Llm, base_url: str, key: str = "", **sampling: Any) -> Completion[WrittenAnswer]:
    return await llm.ask([Endpoint(base_url, "mock-model", key)], PROMPT, SCHEMA, parse_answer, sampling)


async def failure(llm: Llm, base_url: str, key: str = "") -> SishuError:
    with pytest.raises(SishuError) as raised:
        await ask(llm, base_url, key)
    return raised.value


@asynccontextmanager
async def server(answer: Answering) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A model server that answers as it is told; yields its address and the requests that it got."""
    bodies: list[dict[str, Any]] = []

    async def complete(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return answer(bodies[-1])

    async with served(complete) as url:
        yield url, bodies


def said(text: str, finish_reason: str = "stop", **message: Any) -> web.Response:
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": text, **message},
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    return web.json_response(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m-1",
            "choices": [choice],
            "usage": usage,
        }
    )


def refused(
    message: str, status: int = 400, headers: dict[str, str] | None = None, code: str | None = None
) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


async def test_an_answer_comes_with_model_tokens_and_calls(llm: Llm, mock: MockServer) -> None:
    completion = await ask(llm, mock.base_url, temperature=0.5)
    assert completion.value.quote
    assert (completion.usage.calls, completion.model) == (1, "mock-model")
    assert completion.usage.prompt_tokens > 0 < completion.usage.completion_tokens
    assert completion.parameters == {"temperature": 0.5}


@pytest.mark.parametrize(
    ("settings", "code", "reason"),
    [
        ({"api_key": "the-right-key"}, "FAILED_PRECONDITION", "PROVIDER_REFUSED_KEY"),
        ({"models": ["another"]}, "NOT_FOUND", "PROVIDER_MODEL_NOT_FOUND"),
        ({"next_faults": ["429"]}, "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED"),
        ({"next_faults": ["500"]}, "UNAVAILABLE", "PROVIDER_FAILED"),
        ({"next_faults": ["503"]}, "UNAVAILABLE", "PROVIDER_OVERLOADED"),
        ({"next_faults": ["drop"]}, "UNAVAILABLE", "PROVIDER_UNREACHABLE"),
    ],
)
async def test_a_failed_call_is_made_once_and_gives_the_reason(
    llm: Llm, mock: MockServer, settings: dict[str, Any], code: str, reason: str
) -> None:
    await mock.control(**settings)
    error = await failure(llm, mock.base_url, "the-wrong-key")
    assert (error.code, error.reason) == (code, reason)
    assert mock.base_url in error.message
    assert "the-wrong-key" not in str(vars(error))
    assert (await mock.stats())["calls"] == 1


@pytest.mark.parametrize("status", [429, 503, 408])
@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("7", 7, 7),
        ("0.25", 0.25, 0.25),
        ("in ten minutes", 300, 600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("99999999", 99999999, 99999999),
    ],
)
async def test_how_long_a_server_asks_to_be_left_alone_is_told(
    llm: Llm, status: int, said: str, least: float, most: float
) -> None:
    if said == "in ten minutes":
        said = formatdate(time.time() + 600, usegmt=True)
    async with server(lambda _: refused("wait", status, {"Retry-After": said})) as (url, _):
        error = await failure(llm, url)
    assert least <= float(error.metadata["retry_after_seconds"]) <= most


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}])
async def test_a_server_that_does_not_say_how_long_to_wait_leaves_it_open(
    llm: Llm, headers: dict[str, str]
) -> None:
    async with server(lambda _: refused("wait", 429, headers)) as (url, _):
        error = await failure(llm, url)
    assert set(error.metadata) == {"base_url", "model", "told"}


async def test_a_server_that_hangs_times_out(mock: MockServer) -> None:
    impatient = llm_alone(Transport(0.3))
    await mock.control(next_faults=["hang"], hang_s=2)
    error = await failure(impatient, mock.base_url)
    await impatient.transport.close()
    assert (error.code, error.reason) == ("DEADLINE_EXCEEDED", "PROVIDER_TIMED_OUT")


async def test_blanks_that_keep_a_connection_open_give_a_call_no_more_time() -> None:
    impatient = llm_alone(Transport(0.5))

    async def blanks(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response

    async with served(blanks) as url:
        error = await failure(impatient, url)
        await impatient.transport.close()
    assert (error.code, error.reason) == ("DEADLINE_EXCEEDED", "PROVIDER_TIMED_OUT")


async def test_a_host_that_takes_no_connection_is_unreachable_long_before_a_call_times_out() -> None:
    llm = llm_alone(Transport(60, connect_seconds=0.3))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        first.connect(full.getsockname())
        async with asyncio.timeout(30):
            error = await failure(llm, f"http://127.0.0.1:{full.getsockname()[1]}/v1")
    await llm.transport.close()
    assert (error.code, error.reason) == ("UNAVAILABLE", "PROVIDER_UNREACHABLE")


async def test_an_address_where_nobody_listens_is_named(llm: Llm) -> None:
    error = await failure(llm, "http://127.0.0.1:9/v1")
    assert (error.code, error.reason) == ("UNAVAILABLE", "PROVIDER_UNREACHABLE")
    assert "http://127.0.0.1:9/v1" in error.message


async def test_invalid_output_is_asked_for_again_with_the_error(llm: Llm) -> None:
    answers = iter(["no json", '{"quote": 1}', GOOD])
    async with server(lambda _: said(next(answers))) as (url, bodies):
        completion = await ask(llm, url)
    assert completion.value == WrittenAnswer(quote="a", answer="b")
    assert (completion.usage.calls, completion.usage.prompt_tokens, completion.usage.completion_tokens) == (
        3,
        30,
        9,
    )
    assert [len(body["messages"]) for body in bodies] == [2, 4, 4]
    assert '{"quote": text, "answer": text}' in bodies[2]["messages"][-1]["content"]


async def test_output_that_stays_invalid_is_given_up_after_three_calls(llm: Llm, mock: MockServer) -> None:
    await mock.control(next_faults=["garbage"] * 9)
    error = await failure(llm, mock.base_url)
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "LLM_OUTPUT_INVALID")
    assert (await mock.stats())["calls"] == 3


async def test_answers_that_are_cut_off_are_given_up_after_the_second_with_what_to_do(
    llm: Llm, mock: MockServer
) -> None:
    cases: dict[str, dict[str, Any]] = {
        "set max_tokens": {},
        "raise max_tokens, which is 50": {"max_tokens": 50},
    }
    for advice, sampling in cases.items():
        await mock.reset()
        await mock.control(next_faults=["truncated"] * 9)
        with pytest.raises(SishuError, match=advice) as raised:
            await ask(llm, mock.base_url, **sampling)
        assert raised.value.reason == "LLM_OUTPUT_CUT_OFF"
        assert (await mock.stats())["calls"] == usage_of(raised.value).calls == 2


@pytest.mark.parametrize("finish_reason", ["stop", ""])
async def test_of_answers_that_end_in_the_middle_nobody_says_that_tokens_ran_out(
    llm: Llm, finish_reason: str
) -> None:
    cut = '{"quote": "a", "answer": "b'
    async with server(lambda _: said(cut, finish_reason=finish_reason)) as (url, bodies):
        error = await failure(llm, url)
    assert (error.reason, len(bodies)) == ("LLM_OUTPUT_CUT_OFF", 2)
    assert "in the middle in 2 tries" in error.message
    assert "max_tokens" not in error.message
    assert "中途结束" in in_words(error.reason, error.message, error.metadata, "zh")


async def test_of_answers_of_which_one_ran_out_of_tokens_that_is_said(llm: Llm) -> None:
    reasons = iter(["length", "stop"])
    async with server(lambda _: said('{"quote": "a", "answer": "b', next(reasons))) as (url, _):
        error = await failure(llm, url)
    assert "ran out of tokens in 2 tries" in error.message
    assert "词元用尽" in in_words(error.reason, error.message, error.metadata, "zh")


async def test_an_answer_that_was_cut_off_is_asked_for_in_fewer_words(llm: Llm) -> None:
    answers = iter(['{"quote": "a", "answer": "b', GOOD])
    async with server(lambda _: said(next(answers))) as (url, bodies):
        await ask(llm, url)
    assert "cut off" in bodies[1]["messages"][-1]["content"]


@pytest.mark.parametrize("text", [GOOD, ""])
async def test_what_a_filter_stopped_is_not_asked_for_again(llm: Llm, text: str) -> None:
    async with server(lambda _: said(text, finish_reason="content_filter")) as (url, bodies):
        error = await failure(llm, url)
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "LLM_CONTENT_FILTERED")
    assert (len(bodies), usage_of(error).prompt_tokens) == (1, 10)


async def test_a_request_that_a_filter_refused_says_so(llm: Llm) -> None:
    async with server(lambda _: refused("Content Exists Risk")) as (url, _):
        error = await failure(llm, url)
    assert error.reason == "LLM_CONTENT_FILTERED"


async def test_a_refusal_that_is_sent_apart_is_final(llm: Llm) -> None:
    async with server(lambda _: said("", refusal="I must not.")) as (url, bodies):
        error = await failure(llm, url)
    assert (error.reason, len(bodies)) == ("LLM_REFUSED", 1)
    assert "I must not." in error.message


async def test_an_answer_without_text_is_asked_for_again_without_an_empty_message(llm: Llm) -> None:
    answers = iter(["", GOOD])
    async with server(lambda _: said(next(answers))) as (url, bodies):
        await ask(llm, url)
    assert all(message["content"] for message in bodies[1]["messages"])


async def test_a_failure_in_the_middle_tells_what_was_used_before(llm: Llm) -> None:
    answers = iter([said("no json"), refused("wait", 429)])
    async with server(lambda _: next(answers)) as (url, _):
        error = await failure(llm, url)
    usage = usage_of(error)
    assert error.reason == "PROVIDER_RATE_LIMITED"
    assert (usage.prompt_tokens, usage.completion_tokens, usage.calls) == (10, 3, 1)


@pytest.mark.parametrize("usage", [None, 7, {"prompt_tokens": "many", "completion_tokens": -1}])
async def test_a_server_that_counts_no_tokens_is_no_failure(llm: Llm, usage: Any) -> None:
    def odd(_: dict[str, Any]) -> web.Response:
        return web.json_response({"model": 7, "choices": [{"message": {"content": GOOD}}], "usage": usage})

    async with server(odd) as (url, _):
        completion = await ask(llm, url)
    assert (completion.model, completion.usage.prompt_tokens, completion.usage.completion_tokens) == (
        "",
        0,
        0,
    )


@pytest.mark.parametrize(
    ("prompt", "completion", "known"),
    [
        ("100", "50", (100, 50)),
        ("100.0", "50.0", (100, 50)),
        ('"100"', '"50"', (100, 50)),
        ("100", "0", (100, 0)),
        ("100000000", "1", (100_000_000, 1)),
        (str(2**63 - 1), "5", (0, 0)),
        (str(10**25), "5", (0, 0)),
        ("5", str(10**300), (0, 0)),
        ("1e300", "5", (0, 0)),
        ("1e400", "NaN", (0, 0)),
        ("100.5", "5", (0, 0)),
        ("100", "-7", (0, 0)),
        ("true", "true", (0, 0)),
        (f'"{10**25}"', '"5"', (0, 0)),
        ('"１００"', '"5"', (0, 0)),
        ("[]", "{}", (0, 0)),
    ],
)
async def test_what_no_model_can_have_used_counts_as_unknown_and_loses_no_answer(
    llm: Llm, prompt: str, completion: str, known: tuple[int, int]
) -> None:
    choices = json.dumps([{"message": {"content": GOOD}}])
    usage = f'{{"prompt_tokens": {prompt}, "completion_tokens": {completion}}}'
    answer = f'{{"choices": {choices}, "usage": {usage}}}'
    async with server(lambda _: web.Response(text=answer, content_type="application/json")) as (url, _):
        done = await ask(llm, url)
    assert done.value == WrittenAnswer(quote="a", answer="b")
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == known


@pytest.mark.parametrize("key", ["a-key-that-is-long-enough", "short"])
@pytest.mark.parametrize(
    ("text", "message", "reason"),
    [
        ("You sent Bearer {key} and no JSON", {}, "LLM_OUTPUT_INVALID"),
        ("", {"refusal": "I refuse {key}"}, "LLM_REFUSED"),
        ("{{" * 9 + " {key}", {"reasoning_content": "{key}"}, "LLM_OUTPUT_INVALID"),
    ],
)
async def test_a_key_that_a_model_sends_back_is_in_no_error(
    llm: Llm, key: str, text: str, message: dict[str, str], reason: str
) -> None:
    told = {name: words.format(key=key) for name, words in message.items()}
    async with server(lambda _: said(text.format(key=key), **told)) as (url, bodies):
        error = await failure(llm, url, key)
    assert error.reason == reason
    assert key not in str(vars(error))
    assert key not in str(bodies)


async def test_a_key_in_an_answer_is_kept_nowhere(llm: Llm) -> None:
    key = "a-key-that-is-long-enough"

    def answer(_: dict[str, Any]) -> web.Response:
        message = {"content": f'{{"quote": "a", "answer": "{key}"}}', "reasoning_content": f"I have {key}"}
        return web.json_response({"model": f"m {key}" + "x" * 20_000, "choices": [{"message": message}]})

    async with server(answer) as (url, _):
        done = await ask(llm, url, key)
    assert (done.value.answer, done.reasoning) == ("***", "I have ***")
    assert done.model.startswith("m ***")
    assert len(done.model) == 200


async def test_a_key_that_is_a_word_is_left_in_answers(llm: Llm) -> None:
    async with server(lambda _: said('{"quote": "a", "answer": "It runs in ollama."}')) as (url, _):
        done = await ask(llm, url, "ollama")
    assert done.value.answer == "It runs in ollama."


async def test_a_parser_that_never_agrees_ends_in_the_parsers_words(llm: Llm, mock: MockServer) -> None:
    def never(_: Any) -> str:
        raise OutputInvalid("it must rhyme")

    with pytest.raises(SishuError, match="it must rhyme"):
        await llm.ask([Endpoint(mock.base_url, "mock-model")], PROMPT, SCHEMA, never, {})


async def test_a_server_that_takes_no_schema_is_not_asked_for_one_again_after_a_restart() -> None:
    memory = Alone()

    def no_schema(body: dict[str, Any]) -> web.Response:
        if body["response_format"]["type"] == "json_schema":
            return refused("This model does not support response format `json_schema`")
        return said(GOOD)

    async with server(no_schema) as (url, bodies):
        for _ in range(2):
            llm = llm_alone(Transport(10), memory=memory)
            for _ in range(4):
                await ask(llm, url)
            await llm.transport.close()
    kinds = [body["response_format"]["type"] for body in bodies]
    assert kinds == [*(["json_schema", "json_object"] * 3), *(["json_object"] * 5)]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_schemas_is_asked_in_simpler_modes_which_are_remembered(
    llm: Llm, status: int
) -> None:
    def only_plain(body: dict[str, Any]) -> web.Response:
        kind = body.get("response_format", {}).get("type")
        return refused(f"response_format.type {kind} is not supported", status) if kind else said(GOOD)

    async with server(only_plain) as (url, bodies):
        first = await ask(llm, url)
        for _ in range(3):
            await ask(llm, url)
    kinds = [body.get("response_format", {}).get("type") for body in bodies]
    assert kinds == [*(["json_schema", "json_object", None] * 3), None]
    assert first.usage.calls == 1


SHAPES: dict[str, Callable[[str], Any]] = {
    "error with a message": lambda words: {"error": {"message": words}},
    "error": lambda words: {"error": words},
    "message": lambda words: {"message": words},
    "detail": lambda words: {"detail": words},
    "details": lambda words: {"detail": [{"loc": ["body"], "msg": words}]},
    "text": str,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_a_refusal_is_understood_and_quoted_in_whatever_shape_a_server_puts_it(
    llm: Llm, shape: Callable[[str], Any]
) -> None:
    def refuse(words: str) -> web.Response:
        value = shape(words)
        if isinstance(value, str):
            return web.Response(text=value, status=400)
        return web.json_response(value, status=400)

    def only_plain(body: dict[str, Any]) -> web.Response:
        if "response_format" in body:
            return refuse("response_format is not supported")
        if body["model"] == "limited":
            return refuse("no more than 100 words are taken")
        return said(GOOD)

    async with server(only_plain) as (url, _):
        assert (await ask(llm, url)).usage.calls == 1
        with pytest.raises(SishuError, match="no more than 100 words are taken") as raised:
            await llm.ask([Endpoint(url, "limited")], PROMPT, SCHEMA, parse_answer, {})
    assert raised.value.reason == "PROVIDER_REFUSED"
    assert "Error code" not in raised.value.message


async def test_a_schema_that_is_refused_spoils_no_other(llm: Llm) -> None:
    def picky(body: dict[str, Any]) -> web.Response:
        asked_badly = "hard" in body["messages"][-1]["content"] and "response_format" in body
        if asked_badly and body["response_format"]["type"] == "json_schema":
            return refused("response_format: this schema is too hard")
        return said(GOOD)

    hard = Prompt("p", ["be brief", "a hard one"])
    async with server(picky) as (url, bodies):
        await ask(llm, url)
        for _ in range(4):
            await llm.ask([Endpoint(url, "mock-model")], hard, SCHEMA, parse_answer, {})
        await ask(llm, url)
    assert bodies[0]["response_format"]["type"] == bodies[-1]["response_format"]["type"] == "json_schema"


async def test_a_refused_request_that_has_nothing_to_do_with_json_is_not_repeated(llm: Llm) -> None:
    async with server(lambda _: refused("the prompt is too long")) as (url, bodies):
        error = await failure(llm, url)
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "PROVIDER_REFUSED")
    assert "the prompt is too long" in error.message
    assert len(bodies) == 1


@pytest.mark.parametrize("status", [400, 401, 422, 429, 500])
async def test_a_key_that_a_server_sends_back_is_never_shown(llm: Llm, status: int) -> None:
    async with server(lambda _: refused("the key sk-planted-123 is bad", status)) as (url, _):
        error = await failure(llm, url, "sk-planted-123")
    assert "sk-planted-123" not in str(vars(error))


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.Response(text="<html>Welcome</html>", content_type="text/html"),
        lambda _: web.Response(text="{ this is not json", content_type="application/json"),
        lambda _: web.json_response([1, 2]),
        lambda _: web.json_response({"error": "something"}),
        lambda _: web.json_response({"choices": []}),
        lambda _: web.json_response({"choices": [{"message": None}]}),
    ],
    ids=["html", "broken", "list", "error", "no_choices", "no_message"],
)
async def test_a_server_that_speaks_another_protocol_gives_no_usable_answer(
    llm: Llm, answer: Answering
) -> None:
    async with server(answer) as (url, _):
        error = await failure(llm, url)
    assert error.reason in {"PROVIDER_FAILED", "LLM_OUTPUT_INVALID"}


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        ({"message": "out to lunch", "code": 502}, "UNAVAILABLE", "PROVIDER_FAILED"),
        ({"message": "out to lunch", "code": "503"}, "UNAVAILABLE", "PROVIDER_OVERLOADED"),
        ({"message": "out to lunch", "code": 401}, "FAILED_PRECONDITION", "PROVIDER_REFUSED_KEY"),
        (
            {"message": "out to lunch", "code": "invalid_api_key"},
            "FAILED_PRECONDITION",
            "PROVIDER_REFUSED_KEY",
        ),
        ({"message": "out to lunch", "code": 404}, "NOT_FOUND", "PROVIDER_MODEL_NOT_FOUND"),
        ({"message": "out to lunch", "code": 429}, "RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED"),
        ({"message": "out to lunch", "code": 400}, "FAILED_PRECONDITION", "PROVIDER_REFUSED"),
        ({"message": "out to lunch", "code": True}, "UNAVAILABLE", "PROVIDER_FAILED"),
        ("out to lunch", "UNAVAILABLE", "PROVIDER_FAILED"),
    ],
)
@pytest.mark.parametrize("streaming", ["never", "always"])
async def test_an_error_in_place_of_an_answer_is_what_it_would_be_by_its_status(
    llm: Llm, error: Any, code: str, reason: str, streaming: str
) -> None:
    async with server(saying({"error": error}, end="")) as (url, bodies):
        with pytest.raises(SishuError, match="out to lunch") as raised:
            await llm.ask([Endpoint(url, "m", streaming=streaming)], PROMPT, SCHEMA, parse_answer, {})
    assert (raised.value.code, raised.value.reason, len(bodies)) == (code, reason, 1)
    assert usage_of(raised.value).calls == 0


def saying(value: dict[str, Any], end: str = "data: [DONE]\n\n") -> Callable[[dict[str, Any]], web.Response]:
    """A server that says the same to all, streamed where that is asked for."""

    def answer(body: dict[str, Any]) -> web.Response:
        if body.get("stream"):
            events = f"data: {json.dumps(value)}\n\n{end}"
            return web.Response(text=events, content_type="text/event-stream")
        return web.json_response(value)

    return answer


@pytest.mark.parametrize("choices", [[], None])
@pytest.mark.parametrize("streaming", ["never", "always"])
async def test_an_answer_without_choices_may_be_had_later(llm: Llm, choices: Any, streaming: str) -> None:
    async with server(saying({"choices": choices})) as (url, bodies):
        with pytest.raises(SishuError) as raised:
            await llm.ask([Endpoint(url, "m", streaming=streaming)], PROMPT, SCHEMA, parse_answer, {})
    assert (raised.value.code, raised.value.reason, len(bodies)) == ("UNAVAILABLE", "PROVIDER_FAILED", 1)


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
async def test_a_server_is_quoted_in_one_line_and_not_at_length(llm: Llm, status: int) -> None:
    async with server(lambda _: refused("so\nit   says " + "x" * 1000, status)) as (url, _):
        error = await failure(llm, url)
    assert "so it says xxx" in error.message
    assert len(error.message) < 500
    assert error.metadata["told"] in error.message


async def test_a_web_page_is_not_quoted(llm: Llm) -> None:
    async with server(lambda _: web.Response(text="<html>nginx</html>", status=404)) as (url, _):
        assert "nginx" not in (await failure(llm, url)).message


async def test_of_a_pool_the_member_is_named_that_gave_no_json(llm: Llm) -> None:
    async with server(lambda _: said("no json")) as (url, bodies):
        # The first one is tried once; then it has no room for a minute.
        pool = [Endpoint(url, "first", limits=Limits(calls_per_minute=1)), Endpoint(url, "second")]
        with pytest.raises(SishuError) as raised:
            await llm.ask(pool, PROMPT, SCHEMA, parse_answer, {})
    assert bodies[-1]["model"] == raised.value.metadata["model"] == "second"
    assert "the model second gave" in raised.value.message


@pytest.mark.parametrize(
    ("status", "message", "code", "reason"),
    [
        (401, "who?", None, "PROVIDER_REFUSED_KEY"),
        (403, "", None, "PROVIDER_REFUSED_KEY"),
        (403, "You have no permission for this model", None, "PROVIDER_REFUSED_KEY"),
        (403, "Sorry, you have been blocked", None, "PROVIDER_REFUSED"),
        (403, "Your input was flagged for violence", None, "LLM_CONTENT_FILTERED"),
        (403, "The free tier is exhausted", "AllocationQuota.FreeTierOnly", "PROVIDER_NO_CREDIT"),
        (402, "", None, "PROVIDER_NO_CREDIT"),
        (402, "Insufficient Balance", None, "PROVIDER_NO_CREDIT"),
        (400, "Access denied", "Arrearage", "PROVIDER_NO_CREDIT"),
        (400, "a question about billing and payment", None, "PROVIDER_REFUSED"),
        (429, "check your plan and billing details", "insufficient_quota", "PROVIDER_NO_CREDIT"),
        (429, "check your plan and billing details", None, "PROVIDER_NO_CREDIT"),
        (429, "您的账户已欠费，请充值后重试", "1113", "PROVIDER_NO_CREDIT"),
        (429, "账户余额不足", None, "PROVIDER_NO_CREDIT"),
        (429, "您的账户已达到速率限制", "1302", "PROVIDER_RATE_LIMITED"),
        (
            429,
            "Rate limit reached on requests per min. Please try again in 20s. You can increase your rate limit "
            "by adding a payment method at https://platform.openai.com/account/billing.",
            "rate_limit_exceeded",
            "PROVIDER_RATE_LIMITED",
        ),
        (
            429,
            "You exceeded your current quota, please check your plan and billing details. Please retry in 31s.",
            None,
            "PROVIDER_RATE_LIMITED",
        ),
        (503, "billing is overloaded", None, "PROVIDER_OVERLOADED"),
    ],
)
async def test_a_refusal_of_key_or_money_is_told_from_one_of_what_is_asked(
    llm: Llm, status: int, message: str, code: str | None, reason: str
) -> None:
    async with server(lambda _: refused(message, status, code=code)) as (url, _):
        error = await failure(llm, url)
    assert error.reason == reason
    assert reason == "LLM_CONTENT_FILTERED" or message[:200] in error.message


@pytest.mark.parametrize("status", [401, 402])
async def test_a_member_of_a_pool_that_turns_callers_away_is_left_out(llm: Llm, status: int) -> None:
    async with (
        server(lambda _: refused("no", status)) as (bad, turned),
        server(lambda _: said(GOOD)) as (url, _),
    ):
        pool = [Endpoint(bad, "m", "sk"), Endpoint(url, "m")]
        for _ in range(5):
            made = await asyncio.gather(
                *(llm.ask(pool, PROMPT, SCHEMA, parse_answer, {}) for _ in range(20)), return_exceptions=True
            )
            assert all(isinstance(one, Completion) for one in made)
    # Those that were in flight at the first refusal.
    assert 1 <= len(turned) <= 20


@pytest.mark.parametrize("kind", ["html", "stall", "500"])
async def test_a_member_of_a_pool_that_gives_no_answers_is_left_out_while_another_does(
    kind: str,
) -> None:
    asked = 0

    async def fails(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if kind == "stall":
            await asyncio.sleep(1)
        if kind == "html":
            return web.Response(text="<html>welcome</html>", content_type="text/html")
        return refused("no", 500)

    short = Transport(0.3, 0.3)
    async with served(fails) as bad, server(lambda _: said(GOOD)) as (url, _):
        llm, pool = llm_alone(short), [Endpoint(bad, "m"), Endpoint(url, "m")]
        failed = 0
        for _ in range(30):
            try:
                await llm.ask(pool, PROMPT, SCHEMA, parse_answer, {})
            except SishuError:
                failed += 1
        assert failed == asked <= MOST_FAILURES
    await short.close()


async def test_a_pool_all_of_whose_members_turn_callers_away_asks_each_and_works_once_one_does(
    llm: Llm,
) -> None:
    answers = {"first": lambda: refused("no money", 402), "second": lambda: refused("bad key", 401)}
    async with server(lambda body: answers[body["model"]]()) as (url, bodies):
        pool = [Endpoint(url, "first"), Endpoint(url, "second")]
        for _ in range(2):
            bodies.clear()
            with pytest.raises(SishuError) as raised:
                await llm.ask(pool, PROMPT, SCHEMA, parse_answer, {})
            await asyncio.sleep(ECHO_SECONDS)
            assert raised.value.reason in {"PROVIDER_REFUSED_KEY", "PROVIDER_NO_CREDIT"}
            assert sorted(body["model"] for body in bodies) == ["first", "second"]
        answers["first"] = lambda: said(GOOD)
        assert (await llm.ask(pool, PROMPT, SCHEMA, parse_answer, {})).value.quote == "a"


async def test_sampling_is_sent_as_given_and_the_rest_is_left_to_the_server(llm: Llm) -> None:
    async with server(lambda _: said(GOOD)) as (url, bodies):
        await ask(llm, url, temperature=0, seed=7, stop=["END"])
        await ask(llm, url)
    assert {name: bodies[0][name] for name in ("temperature", "seed", "stop")} == {
        "temperature": 0,
        "seed": 7,
        "stop": ["END"],
    }
    assert set(bodies[1]) == {"model", "messages", "response_format"}


@pytest.mark.parametrize(
    ("text", "message", "reasoning"),
    [
        (f"<think>\nLet me {{see}}.\n</think>\n{GOOD}", {}, "Let me {see}."),
        (f"Let me {{see}}.\n</think>\n{GOOD}", {}, "Let me {see}."),
        (GOOD, {"reasoning_content": "apart"}, "apart"),
        (GOOD, {"reasoning": "apart"}, "apart"),
        (GOOD, {}, ""),
    ],
)
async def test_reasoning_is_kept_apart_from_the_answer(
    llm: Llm, text: str, message: dict[str, Any], reasoning: str
) -> None:
    async with server(lambda _: said(text, **message)) as (url, _):
        completion = await ask(llm, url)
    assert completion.reasoning == reasoning
    assert completion.value == WrittenAnswer(quote="a", answer="b")


async def test_an_answer_cut_off_while_thinking_is_asked_for_again(llm: Llm) -> None:
    answers = iter(['<think>I could say {"quote": "x", "answer": "y"} but', GOOD])
    async with server(lambda _: said(next(answers))) as (url, _):
        completion = await ask(llm, url)
    assert (completion.value.quote, completion.usage.calls) == ("a", 2)


async def test_of_too_many_clients_those_idle_for_longest_are_closed_and_none_in_use() -> None:
    llm = llm_alone(Transport(60, most_clients=2))
    asked, answer = asyncio.Event(), asyncio.Event()
    connections: dict[str, asyncio.Transport] = {}

    async def complete(request: web.Request) -> web.Response:
        key = request.headers["Authorization"].removeprefix("Bearer ")
        assert request.transport
        connections[key] = request.transport
        if key == "slow":
            asked.set()
            await answer.wait()
        return said(GOOD)

    async with served(complete) as url:
        slow = asyncio.ensure_future(ask(llm, url, "slow"))
        await asked.wait()
        for key in ("first", "second"):
            await ask(llm, url, key)
        # Long before the transport closes it for idleness.
        async with asyncio.timeout(30):
            while not connections["first"].is_closing():
                await asyncio.sleep(0.01)
        assert not connections["slow"].is_closing()
        assert not connections["second"].is_closing()
        answer.set()
        assert (await slow).usage.calls == 1
        await llm.transport.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.json_response({"data": None}),
        lambda: web.json_response({"data": [{"name": "no id"}]}),
        lambda: web.json_response([1]),
        lambda: web.Response(text="<html>Welcome</html>", content_type="text/html"),
        lambda: web.Response(status=404),
    ],
    ids=["null", "no_id", "list", "html", "404"],
)
async def test_a_list_of_models_that_is_none_is_empty(llm: Llm, answer: Callable[[], web.Response]) -> None:
    async def models(_: web.Request) -> web.Response:
        return answer()

    async with served(models) as url:
        assert await llm.transport.models(Endpoint(url, "m")) == []


def test_an_endpoint_does_not_show_its_key() -> None:
    assert "sk-planted" not in repr(Endpoint("http://h/v1", "m", "sk-planted"))


async def test_keys_differ_by_endpoint(llm: Llm, mock: MockServer) -> None:
    await mock.control(api_key="the-right-key")
    assert (await ask(llm, mock.base_url, "the-right-key")).usage.calls == 1
    assert (await failure(llm, mock.base_url, "the-wrong-key")).reason == "PROVIDER_REFUSED_KEY"


async def test_a_call_that_is_cancelled_counts_as_that(mock: MockServer) -> None:
    registry = CollectorRegistry()
    llm = llm_alone(Transport(10), registry)
    await mock.control(next_faults=["hang"])
    call = asyncio.ensure_future(ask(llm, mock.base_url))
    async with asyncio.timeout(10):
        while (await mock.stats())["in_flight"] == 0:
            await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await llm.transport.close()
    calls = "sishu_generation_llm_calls_total"
    assert registry.get_sample_value(calls, {"outcome": "cancelled"}) == 1
    assert registry.get_sample_value(calls, {"outcome": "done"}) is None


async def test_metrics_count_calls_by_outcome(mock: MockServer) -> None:
    registry = CollectorRegistry()
    llm = llm_alone(Transport(10), registry)
    await mock.control(next_faults=["ok", "429"])
    await ask(llm, mock.base_url)
    await failure(llm, mock.base_url)
    await llm.transport.close()

    def calls(outcome: str) -> float | None:
        return registry.get_sample_value("sishu_generation_llm_calls_total", {"outcome": outcome})

    assert (calls("done"), calls("provider_rate_limited")) == (1, 1)
    assert registry.get_sample_value("sishu_generation_llm_in_flight_calls") == 0


def test_the_good_answer_of_these_tests_is_json() -> None:
    assert set(json.loads(GOOD)) == {"quote", "answer"}


async def test_a_part_is_the_answer_where_asking_for_the_rest_fails(llm: Llm) -> None:
    part = said(json.dumps({"fact_1": {"questions": ["What is A?"]}, "fact_2": {"questions": []}})).body
    answers = [web.Response(body=part, content_type="application/json"), refused("gone", 500)]
    async with server(lambda _: answers.pop(0)) as (url, bodies):
        completion = await llm.ask(
            [Endpoint(url, "m")], PROMPT, questions_schema(2, 1, "en"), questions_parser(2, 1), {}
        )
    assert (completion.value, completion.usage.calls, len(bodies)) == ([["What is A?"], []], 1, 2)


async def test_a_chain_that_has_paid_is_not_closed_while_it_waits_for_room(llm: Llm) -> None:
    works, second = InWork(), asyncio.Event()
    item = Item("item", "job", "project", "generation", "kind", "k", "", {})

    async def before(chain: Chain[WrittenAnswer]) -> None:
        if chain.usage.calls:
            second.set()

    answers = [said("no JSON"), refused("wait", 429, {"retry-after": "1"}), said(GOOD)]
    metrics = GenerationMetrics(CollectorRegistry())
    patient = Llm(llm.transport, Gate(Alone(), metrics), Alone(), metrics)
    async with server(lambda _: answers.pop(0)) as (url, _):

        async def asks() -> Completion[WrittenAnswer]:
            async with works.doing(item):
                return await patient.ask([Endpoint(url, "m")], PROMPT, SCHEMA, parse_answer, {}, before)

        asking = asyncio.create_task(asks())
        await second.wait()
        await asyncio.sleep(0.5)
        works.stop({"job": "paused"})
        assert (await asking).usage.calls == 2
