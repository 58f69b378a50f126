from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
from openai import AsyncOpenAI
from prometheus_client import CollectorRegistry

from services.inference.deployments import Deployment
from services.inference.engine.attention import FlatBatch
from services.inference.engine.model import Model
from services.inference.engine.server import listening
from services.inference.metrics import InferenceMetrics
from services.inference.upstream import Sampling, Upstream
from services.runtime.errors import DeadlineExceeded
from tests.unit.inference.engine.tiny import ITEMS, NAME, flags

ASK: Any = [{"role": "user", "content": "Where is the river?"}]
# Nothing ends it before its budget, so tests can watch it run.
ENDLESS: Any = {
    "model": NAME,
    "messages": ASK,
    "max_tokens": 700,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"schema": {"type": "string", "minLength": 5000}},
    },
}
TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA: Any = {"type": "json_schema", "json_schema": {"name": "items", "schema": ITEMS, "strict": True}}


@pytest.fixture(scope="session")
async def client(url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30) as client:
        yield client


async def post(url: str, body: Any, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as client:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(f"{url}/v1/chat/completions", content=content, **options)


async def health(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        state: dict[str, Any] = (await client.get(f"{url}/health")).json()
        return state


async def until_active(url: str, count: int) -> None:
    async with asyncio.timeout(10):
        while (await health(url))["active"] != count:
            await asyncio.sleep(0.002)


async def test_the_openai_sdk_gets_an_answer(client: AsyncOpenAI, model: Model) -> None:
    answer = await client.chat.completions.create(model=NAME, messages=ASK, temperature=0, max_tokens=9)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(model.render(ASK))
    assert answer.usage.completion_tokens == 9
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 9
    again = await client.chat.completions.create(model=NAME, messages=ASK, temperature=0, max_tokens=9)
    assert again.choices[0].message.content == answer.choices[0].message.content


async def test_the_openai_sdk_streams_the_same_answer(client: AsyncOpenAI) -> None:
    options: Any = {"model": NAME, "messages": ASK, "temperature": 0, "max_completion_tokens": 20}
    whole = await client.chat.completions.create(**options)
    stream = await client.chat.completions.create(
        **options, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert [r for r in reasons if r] == ["length"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 20


async def test_a_stream_without_usage_has_none(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model=NAME, messages=ASK, max_tokens=2, stream=True)
    assert all(chunk.choices and chunk.usage is None for chunk in [chunk async for chunk in stream])


async def test_many_at_once_satisfy_their_schema(client: AsyncOpenAI) -> None:
    async def one(seed: int) -> str:
        answer = await client.chat.completions.create(
            model=NAME, messages=ASK, seed=seed, response_format=SCHEMA, max_tokens=300
        )
        return answer.choices[0].message.content or ""

    # The server has four slots.
    answers = await asyncio.gather(*(one(seed) for seed in range(8)))
    assert all(1 <= len(json.loads(answer)["items"]) <= 2 for answer in answers)
    assert len(set(answers)) > 4


async def test_json_object_gives_an_object(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model=NAME, messages=ASK, seed=1, response_format={"type": "json_object"}, max_tokens=60
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


async def test_models_lists_the_one_model(client: AsyncOpenAI) -> None:
    assert [entry.id async for entry in client.models.list()] == [NAME]


async def test_text_parts_and_developer_role_are_understood(url: str) -> None:
    parts = {
        "role": "user",
        "content": [{"type": "text", "text": "Where is "}, {"type": "text", "text": "it?"}],
    }
    reply = await post(
        url,
        {
            "model": NAME,
            "messages": [{"role": "developer", "content": "Be brief."}, parts],
            "max_tokens": 1,
            "n": 1,
            "presence_penalty": 0,
            "tools": [],
            "user": "u1",
        },
    )
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": "other"}, 404, "model_not_found", "model"),
        ({"n": 129}, 400, "invalid_value", "n"),
        ({"temperature": -1}, 400, "invalid_value", "temperature"),
        ({"temperature": "hot"}, 400, "invalid_value", "temperature"),
        ({"top_p": 0}, 400, "invalid_value", "top_p"),
        ({"max_tokens": 0}, 400, "invalid_value", "max_tokens"),
        ({"messages": []}, 400, "invalid_value", "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "invalid_value", "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "invalid_messages", "messages"),
        ({"frequency_penalty": 2.5}, 400, "invalid_value", "frequency_penalty"),
        ({"top_logprobs": 3}, 400, "invalid_value", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "invalid_value", "top_logprobs"),
        ({"tools": [{"type": "function"}]}, 400, "invalid_value", "tools"),
        ({"logit_bias": {"1": 500}}, 400, "invalid_value", "logit_bias"),
        ({"top_n": 5}, 400, "unsupported_field", "top_n"),
        ({"stream_options": {"include_usage": True}}, 400, "invalid_value", "stream_options"),
        ({"tool_choice": "required"}, 400, "invalid_value", "tool_choice"),
        ({"tools": [TOOL]}, 400, "tools_unsupported", "tools"),
        ({"stop": ["a"] * 17}, 400, "invalid_value", "stop"),
        ({"max_tokens": 5000}, 400, "context_length_exceeded", "messages"),
        (
            {"messages": [{"role": "user", "content": "river " * 2000}], "max_tokens": None},
            400,
            "context_length_exceeded",
            "messages",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "strin"}}}},
            400,
            "invalid_schema",
            "response_format",
        ),
        ({"response_format": {"type": "yaml"}}, 400, "invalid_value", "response_format"),
    ],
)
async def test_a_wrong_request_is_answered_with_openais_error_object(
    url: str, change: dict[str, Any], status: int, code: str, param: str
) -> None:
    reply = await post(url, {"model": NAME, "messages": ASK, "max_tokens": 4, **change})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    assert error["message"]


async def test_malformed_json_and_unknown_paths_are_refused(url: str) -> None:
    broken = await post(url, b'{"model": ')
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "invalid_json")
    async with httpx.AsyncClient() as client:
        lost = await client.get(f"{url}/v2/nothing")
        wrong = await client.get(f"{url}/v1/chat/completions")
    assert (lost.status_code, wrong.status_code) == (404, 405)
    assert "error" in lost.json()


async def test_the_sdk_raises_its_own_errors(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="other", messages=ASK)
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        await client.chat.completions.create(model=NAME, messages=ASK, max_tokens=10_000)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_frees_its_slot(url: str, stream: bool) -> None:
    asking = asyncio.create_task(post(url, {**ENDLESS, "stream": stream}))
    await until_active(url, 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until_active(url, 0)


async def test_a_full_queue_answers_429(folder: Path, model: Model) -> None:
    async with listening(flags(folder, max_batch=1, max_queue=1), model) as port:
        url = f"http://127.0.0.1:{port}"
        replies = await asyncio.gather(*(post(url, {**ENDLESS, "max_tokens": 50}) for _ in range(6)))
    codes = [reply.status_code for reply in replies]
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert codes.count(200) >= 1
    assert refused.json()["error"]["code"] == "queue_full"
    assert refused.headers["retry-after"]


async def test_a_completion_over_its_time_is_ended(folder: Path, model: Model) -> None:
    async with listening(flags(folder, request_seconds=0.02), model) as port:
        url = f"http://127.0.0.1:{port}"
        reply = await post(url, ENDLESS)
        assert (reply.status_code, reply.json()["error"]["code"]) == (504, "too_slow")
        await until_active(url, 0)


async def test_the_room_knows_an_answer_that_took_too_long_from_an_engine_that_failed(
    folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, steps, late = Model.logits, itertools.count(), threading.Event()

    def logits(self: Model, batch: FlatBatch) -> torch.Tensor:
        if next(steps) > 8:
            late.wait(30)
        return compute(self, batch)

    monkeypatch.setattr(Model, "logits", logits)
    upstream, pieces = Upstream(InferenceMetrics(CollectorRegistry()), 30.0), []
    async with listening(flags(folder, request_seconds=1), model) as port:
        now = datetime.now(UTC)
        address = f"http://127.0.0.1:{port}/v1"
        deployment = Deployment("d1", "p1", "m1", "ready", None, "builtin", address, NAME, 0, now, now)
        with pytest.raises(DeadlineExceeded) as caught:
            async for piece in upstream.ask(deployment, ASK, Sampling(temperature=0, max_tokens=700)):
                pieces.append(piece)
        late.set()
        await upstream.close()
    assert caught.value.reason == "ANSWER_TIMED_OUT"
    assert pieces


async def test_stopping_answers_those_in_flight(folder: Path, model: Model) -> None:
    async with listening(flags(folder), model) as port:
        url = f"http://127.0.0.1:{port}"
        asking = asyncio.create_task(post(url, ENDLESS))
        await until_active(url, 1)
    reply = await asking
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "engine_stopping")
