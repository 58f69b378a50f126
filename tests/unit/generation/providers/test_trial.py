"""What a trial finds out about servers of every kind, and in how many calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from services.generation.calls.endpoints import Endpoints
from services.generation.calls.gate import Gate
from services.generation.calls.modes import Habits
from services.generation.calls.transport import Transport
from services.generation.metrics import GenerationMetrics
from services.generation.providers.keys import Keys
from services.generation.providers.providers import Endpoint, Limits, Provider
from services.generation.providers.trial import Trial, TrialReport
from services.runtime.secrets import SecretBox
from sishu.client import Client
from tests.support.alone import Alone
from tests.support.mock_llm import mock_llm
from tests.support.web_server import served

NOW = datetime.now(UTC)
PROVIDER = Provider("id", "project", "n", "http://127.0.0.1:9/v1", None, "mock-model", None, {}, NOW, NOW)
BY_SCHEMA = '{"seat_of_government": "Paris"}'
BY_MODE = '{"capital": "Paris"}'
PROSE = "The capital of France is Paris."

Body = Mapping[str, Any]


@dataclass
class Notebook:
    """A memory of what was learned of providers, in the order in which it was."""

    notes: list[tuple[str, int]] = field(default_factory=list)

    async def recall(self, _: Endpoint) -> Habits:
        return Habits(streams=True)

    async def remember(self, endpoint: Endpoint, habits: Habits) -> None:
        assert habits.streams, "a trial does not forget what else is known"
        self.notes.append((endpoint.provider_id, habits.mode))


@dataclass(frozen=True)
class Trials:
    """A trial, and what it remembered."""

    trial: Trial
    remembered: list[tuple[str, int]]


@asynccontextmanager
async def trials(*members: Provider) -> AsyncIterator[Trials]:
    transport = Transport(60)
    stored = {member.id: member for member in members}

    async def find(ids: Sequence[str]) -> Sequence[Provider]:
        return [stored[one] for one in ids if one in stored]

    notebook, gate = Notebook(), Gate(Alone(), GenerationMetrics(CollectorRegistry()))
    async with Client({}) as rooms, asyncio.timeout(30):
        endpoints = Endpoints(rooms, Keys(SecretBox(None), {}, None), find)
        yield Trials(Trial(transport, gate, endpoints, find, notebook), notebook.notes)
        await gate.close()
        await transport.close()


@asynccontextmanager
async def server(answer: Callable[[Body], web.Response]) -> AsyncIterator[tuple[Provider, list[Body]]]:
    """A model server with one function for its answers, its provider, and the bodies that it got."""
    bodies: list[Body] = []

    async def complete(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"object": "list", "data": [{"id": "b"}, {"id": "a"}]})
        bodies.append(await request.json())
        return answer(bodies[-1])

    async with served(complete) as url:
        yield replace(PROVIDER, base_url=url), bodies


def said(text: str, finish_reason: str = "stop", **message: Any) -> web.Response:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"content": text, **message}}
    usage = {"prompt_tokens": 10, "completion_tokens": 50}
    return web.json_response({"model": "m", "choices": [choice], "usage": usage})


def streamed(*pieces: Mapping[str, str]) -> web.Response:
    choices: list[Any] = [[{"index": 0, "delta": piece}] for piece in pieces]
    choices[-1][0]["finish_reason"] = "stop"
    events = [json.dumps({"model": "m", "choices": one}) for one in choices]
    body = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
    return web.Response(text=body, content_type="text/event-stream")


def refused(message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=400)


def kind(body: Body) -> str:
    return str(body.get("response_format", {}).get("type", ""))


def only(*modes: str) -> Callable[[Body], web.Response]:
    """A server that takes only these modes, and refuses the others."""

    def answer(body: Body) -> web.Response:
        if kind(body) and kind(body) not in modes:
            return refused(f"This response_format type {kind(body)} is unavailable now")
        return said(BY_SCHEMA if kind(body) == "json_schema" else BY_MODE)

    return answer


async def tried(provider: Provider) -> tuple[TrialReport, list[tuple[str, int]]]:
    async with trials() as made:
        return await made.trial.run(provider), made.remembered


async def test_a_server_that_can_all_is_tried_in_two_calls() -> None:
    async with mock_llm(latency_ms=400) as mock:
        report, remembered = await tried(replace(PROVIDER, base_url=mock.base_url))
        assert (await mock.stats())["calls"] == 2
    assert report.failure is None
    assert (report.output_mode, remembered) == ("json_schema", [("id", 0)])
    assert report.models == ["mock-model"]
    assert 0.2 <= report.first_seconds < report.seconds
    assert report.tokens_per_second > 0
    assert not report.reasons


@pytest.mark.parametrize(
    ("answer", "mode", "calls"),
    [
        (only("json_schema"), "json_schema", 2),
        (only("json_object"), "json_object", 3),
        (only(), "text", 3),
        (lambda _: said(PROSE), "text", 3),
        (lambda _: said(f"```json\n{BY_MODE}\n```"), "text", 3),
        (lambda _: said(BY_MODE), "json_object", 3),
    ],
    ids=["schema", "mode", "neither", "prose", "fenced", "schema ignored"],
)
async def test_the_best_way_to_ask_for_json_is_found_and_remembered(
    answer: Callable[[Body], web.Response], mode: str, calls: int
) -> None:
    async with server(answer) as (provider, bodies):
        report, remembered = await tried(provider)
    assert (report.output_mode, len(bodies)) == (mode, calls)
    assert remembered == [("id", ["json_schema", "json_object", "text"].index(mode))]
    assert report.models == ["a", "b"]


async def test_a_server_that_fails_while_it_is_asked_for_json_is_asked_again_another_day() -> None:
    def answer(body: Body) -> web.Response:
        return web.Response(status=500) if kind(body) else said("1 2 3")

    async with server(answer) as (provider, bodies):
        report, remembered = await tried(provider)
    assert (report.failure, report.output_mode, remembered) == (None, "", [])
    assert len(bodies) == 2


async def test_a_server_that_sends_whole_answers_to_all_does_not_stream() -> None:
    async with server(only("json_schema")) as (provider, bodies):
        report, _ = await tried(provider)
        assert (bodies[0]["stream"], report.first_seconds) == (True, 0.0)
        await tried(replace(provider, streaming="never"))
        assert not any(body.get("stream") for body in bodies[2:])


async def test_a_server_that_only_streams_is_asked_for_json_by_streams() -> None:
    def answer(body: Body) -> web.Response:
        if not body.get("stream"):
            return refused("This model only support stream mode, please enable the stream parameter.")
        return streamed({"content": BY_SCHEMA if kind(body) == "json_schema" else "1 2 3"})

    async with server(answer) as (provider, bodies):
        report, remembered = await tried(provider)
    assert (report.failure, report.output_mode, remembered) == (None, "json_schema", [("id", 0)])
    assert len(bodies) == 3


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: streamed({"reasoning_content": "One, two"}, {"content": "1 2 3"}),
        lambda body: said(BY_SCHEMA, reasoning="Paris.") if kind(body) else said("1 2 3"),
        lambda _: said("<think>One, two</think>1 2 3"),
    ],
    ids=["streamed", "only for the question", "mark"],
)
async def test_a_model_that_thinks_is_known(answer: Callable[[Body], web.Response]) -> None:
    async with server(answer) as (provider, _):
        assert (await tried(provider))[0].reasons


@pytest.mark.parametrize(
    ("said_to_it", "mode"),
    [
        (BY_SCHEMA + "\n<think>Is {} right?</think>\n", "json_schema"),
        (BY_SCHEMA + "<THINK>One <think>two</think> three", "json_schema"),
        ('<THINK>Say {"quote": 1}.</THINK>' + BY_SCHEMA, "json_schema"),
        (BY_SCHEMA + " Is that right?", "text"),
        (BY_SCHEMA + "<think>No.</think>" + BY_SCHEMA, "text"),
        (BY_SCHEMA + "</think>", "text"),
    ],
)
async def test_thoughts_beside_the_answer_are_no_breach_of_a_schema(said_to_it: str, mode: str) -> None:
    async with server(lambda body: said(said_to_it if kind(body) else "1 2 3")) as (provider, _):
        assert (await tried(provider))[0].output_mode == mode


async def test_sampling_is_sent_with_every_call_as_the_provider_has_it_and_nothing_else() -> None:
    async with server(only("json_object")) as (provider, bodies):
        await tried(replace(provider, sampling={"temperature": 0.0}))
        assert all(body["temperature"] == 0 for body in bodies)
        bodies.clear()
        await tried(provider)
    known = {"model", "messages", "stream", "stream_options", "response_format"}
    assert all(set(body) <= known for body in bodies)


async def test_a_server_that_does_not_take_the_request_fails_the_trial_with_its_words() -> None:
    async with server(lambda _: refused("temperature must be 1")) as (provider, bodies):
        report, remembered = await tried(provider)
    assert report.failure
    assert report.failure.reason == "PROVIDER_REFUSED"
    assert "temperature must be 1" in report.failure.message
    assert (len(bodies), remembered) == (1, [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: web.json_response({"error": {"message": "lunch", "code": 502}}), "PROVIDER_FAILED"),
        (lambda: web.json_response({"error": {"message": "bad", "code": 401}}), "PROVIDER_REFUSED_KEY"),
        (lambda: web.json_response({"choices": []}), "PROVIDER_FAILED"),
        (lambda: web.json_response({"choices": None}), "PROVIDER_FAILED"),
        (lambda: said("", refusal="I can't help with that."), "LLM_REFUSED"),
        (lambda: said(""), "LLM_OUTPUT_EMPTY"),
        (lambda: said("", finish_reason="length", reasoning="hm"), "LLM_OUTPUT_CUT_OFF"),
        (lambda: said("", finish_reason="content_filter"), "LLM_CONTENT_FILTERED"),
    ],
    ids=["error", "key", "no choices", "null", "refusal", "no text", "cut off", "filter"],
)
async def test_a_server_that_answers_nothing_does_not_work(
    answer: Callable[[], web.Response], reason: str
) -> None:
    async with server(lambda _: answer()) as (provider, bodies):
        report, remembered = await tried(provider)
    assert report.failure
    assert (report.failure.reason, len(bodies), remembered) == (reason, 1, [])


async def test_a_web_page_is_told_from_a_server_that_breaks_off() -> None:
    def page(_: Body) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    async with server(page) as (provider, _):
        report, _ = await tried(provider)
    assert report.failure
    assert report.failure.reason == "PROVIDER_FAILED"


async def test_each_member_of_a_pool_is_tried() -> None:
    async with server(only("json_schema")) as (good, _), server(only("json_object")) as (other, _):
        members = replace(good, id="good"), replace(PROVIDER, id="away"), replace(other, id="other")
        async with trials(*members) as made:
            pool = replace(PROVIDER, base_url="", pool_ids=("other", "away", "good"))
            report = await made.trial.run(pool)
            lost = await made.trial.run(replace(pool, pool_ids=("away",)))
            empty = await made.trial.run(replace(pool, pool_ids=("gone",)))
    assert report.failure is None
    assert [member.output_mode for member in report.members] == ["json_object", "", "json_schema"]
    assert sorted(made.remembered) == [("good", 0), ("other", 1)]
    found = [member.failure and member.failure.reason for member in report.members]
    assert found == [None, "PROVIDER_UNREACHABLE", None]
    assert lost.failure
    assert lost.failure.reason == "PROVIDER_UNREACHABLE"
    assert empty.failure
    assert empty.failure.reason == "POOL_EMPTY"


async def test_a_trial_of_a_server_without_room_says_so() -> None:
    async with mock_llm(latency_ms=3000) as mock, trials() as made:
        provider = replace(PROVIDER, base_url=mock.base_url, limits=Limits(calls_in_flight=1))
        first = asyncio.create_task(made.trial.run(provider))
        while not (await mock.stats())["in_flight"]:
            await asyncio.sleep(0.02)
        report = await made.trial.run(provider, seconds=2)
        assert report.failure
        assert report.failure.reason == "PROVIDER_BUSY"
        assert not (await first).failure
        assert (await mock.stats())["max_in_flight"] == 1


async def test_a_trial_waits_less_long_than_a_call_may_take_and_than_the_caller_does() -> None:
    left = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await left.wait()
        return web.Response()

    async with served(hang) as url, trials() as made:
        report = await made.trial.run(replace(PROVIDER, base_url=url), seconds=1)
        left.set()
    assert report.failure
    assert (report.failure.code, report.failure.reason) == ("DEADLINE_EXCEEDED", "PROVIDER_TIMED_OUT")
    assert report.seconds < 1
