from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletionChunk
from prometheus_client import CollectorRegistry

from services.inference.deployments import Deployment
from services.inference.metrics import InferenceMetrics
from services.inference.upstream import Piece, Sampling, Upstream, piece_of, refusal
from services.runtime.errors import SishuError
from services.runtime.faults import RETRYABLE
from tests.support.llm_faults import Settings
from tests.support.mock_llm import MockServer, mock_llm

MESSAGES = [{"role": "user", "content": "How deep is the lake?"}]


@pytest_asyncio.fixture(scope="module")
async def process() -> AsyncIterator[MockServer]:
    async with mock_llm() as running:
        yield running


@pytest_asyncio.fixture
async def server(process: MockServer) -> MockServer:
    await process.control(**dataclasses.asdict(Settings()))
    await process.reset()
    return process


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest_asyncio.fixture
async def upstream(registry: CollectorRegistry) -> AsyncIterator[Upstream]:
    upstream = Upstream(InferenceMetrics(registry), seconds=30.0)
    yield upstream
    await upstream.close()


def deployment_at(base_url: str, state: str = "ready", name: str = "mock-model") -> Deployment:
    now = datetime.now(UTC)
    return Deployment("d1", "p1", "m1", state, None, "builtin", base_url, name, 0, now, now)


async def ask(upstream: Upstream, deployment: Deployment) -> list[Piece]:
    return [piece async for piece in upstream.ask(deployment, MESSAGES, Sampling())]


async def failure(upstream: Upstream, deployment: Deployment) -> SishuError:
    with pytest.raises(SishuError) as caught:
        await ask(upstream, deployment)
    return caught.value


def outcomes(registry: CollectorRegistry) -> dict[str, float]:
    names = ("done", "failed", "cancelled")
    found = {
        name: registry.get_sample_value("sishu_inference_chat_requests_total", {"outcome": name})
        for name in names
    }
    return {name: value for name, value in found.items() if value}


async def test_an_answer_comes_in_pieces_and_the_last_one_says_how_it_ended(
    server: MockServer, upstream: Upstream, registry: CollectorRegistry
) -> None:
    pieces = await ask(upstream, deployment_at(server.base_url))
    assert len([piece for piece in pieces if piece.content]) > 2
    *before, last = pieces
    assert all(not piece.finish_reason and piece.usage is None for piece in before)
    assert (last.finish_reason, last.content) == ("stop", "")
    assert last.usage is not None
    assert last.usage.prompt_tokens > 0
    assert outcomes(registry) == {"done": 1.0}
    counted = registry.get_sample_value("sishu_inference_chat_tokens_total", {"kind": "completion"})
    assert counted == last.usage.completion_tokens
    assert registry.get_sample_value("sishu_inference_first_token_seconds_count") == 1


async def test_an_answer_cut_short_says_length(server: MockServer, upstream: Upstream) -> None:
    await server.control(next_faults=["truncated"])
    assert (await ask(upstream, deployment_at(server.base_url)))[-1].finish_reason == "length"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("429", "DEPLOYMENT_BUSY"),
        ("500", "ENGINE_FAILED"),
        ("503", "ENGINE_FAILED"),
        ("drop", "ENGINE_LOST"),
    ],
)
async def test_failures_of_the_engine_are_named(
    server: MockServer, upstream: Upstream, registry: CollectorRegistry, fault: str, reason: str
) -> None:
    await server.control(next_faults=[fault])
    error = await failure(upstream, deployment_at(server.base_url))
    assert error.reason == reason
    assert error.code in RETRYABLE
    assert outcomes(registry) == {"failed": 1.0}
    assert len(await ask(upstream, deployment_at(server.base_url))) > 1


async def test_an_engine_that_is_gone_is_lost(upstream: Upstream) -> None:
    assert (await failure(upstream, deployment_at("http://127.0.0.1:1/v1"))).reason == "ENGINE_LOST"


async def test_an_engine_that_hangs_is_given_up(server: MockServer, registry: CollectorRegistry) -> None:
    upstream = Upstream(InferenceMetrics(registry), seconds=0.3)
    await server.control(next_faults=["hang"])
    error = await failure(upstream, deployment_at(server.base_url))
    await upstream.close()
    assert error.reason == "ANSWER_TIMED_OUT"


async def test_a_deployment_that_is_loading_is_not_asked(server: MockServer, upstream: Upstream) -> None:
    error = await failure(upstream, deployment_at(server.base_url, state="loading"))
    assert error.reason == "DEPLOYMENT_NOT_READY"
    assert (await server.stats())["calls"] == 0


async def test_another_model_behind_the_address_is_noticed(server: MockServer, upstream: Upstream) -> None:
    await server.control(models=["other"])
    assert (await failure(upstream, deployment_at(server.base_url))).reason == "DEPLOYMENT_NOT_READY"


async def test_closing_an_answer_closes_the_connection_at_once(
    server: MockServer, upstream: Upstream, registry: CollectorRegistry
) -> None:
    await server.control(latency_ms=8000)
    async with aclosing(upstream.ask(deployment_at(server.base_url), MESSAGES, Sampling())) as pieces:
        await anext(pieces)
        assert not await upstream.idle(0.01)
    assert await upstream.idle(0.01)
    assert await in_flight_becomes(server, 0)
    assert outcomes(registry) == {"cancelled": 1.0}


async def test_cancelling_the_asking_task_closes_the_connection_at_once(
    server: MockServer, upstream: Upstream
) -> None:
    await server.control(latency_ms=8000)
    task = asyncio.create_task(ask(upstream, deployment_at(server.base_url)))
    assert await in_flight_becomes(server, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await in_flight_becomes(server, 0)


async def in_flight_becomes(server: MockServer, wanted: int) -> bool:
    # Far less than the answers of these tests take.
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        if (await server.stats())["in_flight"] == wanted:
            return True
        await asyncio.sleep(0.02)
    return False


def chunk(delta: dict[str, str], finish_reason: str | None = None) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    values = {"id": "x", "created": 0, "model": "m", "object": "chat.completion.chunk", "choices": [choice]}
    return ChatCompletionChunk.model_validate(values)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_apart_from_the_answer(name: str) -> None:
    assert piece_of(chunk({name: "Let me see."})) == (Piece(reasoning="Let me see."), "")
    assert piece_of(chunk({"content": "42"}, "stop")) == (Piece(content="42"), "stop")
    assert piece_of(chunk({"role": "assistant"})) == (None, "")


def test_characters_that_cannot_be_stored_are_replaced() -> None:
    piece, _ = piece_of(chunk({"content": "a\0b\ud83dc 你好 😀"}))
    assert piece == Piece(content="a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c 你好 😀")


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "context_length_exceeded", "CONTEXT_TOO_LONG"),
        (413, "", "CONTEXT_TOO_LONG"),
        (400, "bad_messages", "CHAT_REFUSED"),
        (404, "model_not_found", "DEPLOYMENT_NOT_READY"),
        (504, "", "ANSWER_TIMED_OUT"),
        (0, "", "ENGINE_FAILED"),
        (0, "too_slow", "ANSWER_TIMED_OUT"),
    ],
)
def test_what_an_engine_answers_becomes_our_reason(status: int, code: str, reason: str) -> None:
    assert refusal(deployment_at("http://x/v1"), status, code, "no").reason == reason


def test_what_is_unset_is_left_to_the_engine() -> None:
    assert Sampling().as_options() == {}
    assert Sampling(extra={"top_k": 5}).as_options() == {"extra_body": {"top_k": 5}}
    given = Sampling(temperature=0.0, top_p=0.5, max_tokens=7, seed=0, stop=("###",))
    assert given.as_options() == {
        "temperature": 0.0, "top_p": 0.5, "max_tokens": 7, "seed": 0, "stop": ["###"],
    }  # fmt: skip
