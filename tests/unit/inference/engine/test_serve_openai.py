"""The official SDK against the engine, feature by feature as OpenAI documents them."""

from __future__ import annotations

import asyncio
import copy
import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
from openai import AsyncOpenAI

from services.inference.engine.model import Model
from services.inference.engine.server import listening
from services.trainer.engine.rendering import Renderer
from tests.unit.inference.engine.tiny import NAME, flags

ASK: Any = [{"role": "user", "content": "Where is the river?"}]
KEY = "sk-tiny"
TOOLED = (
    "{% if tools %}<|im_start|>system\n{{ tools | tojson }} Write <tool_call>.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% for call in message.tool_calls or [] %}<tool_call>{{ call.function.name }} "
    "{{ call.function.arguments.place }}</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if thinking %}<think>\n{% endif %}{% endif %}"
)
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"enum": ["Ostrel", "Amber"]}},
            "required": ["place"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def tooled(model: Model) -> Model:
    tokenizer = copy.deepcopy(model.tokenizer)
    tokenizer.chat_template = TOOLED
    return replace(model, tokenizer=tokenizer, renderer=Renderer(tokenizer))


@pytest.fixture(scope="module")
async def client(
    folder: Path, tooled: Model, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AsyncOpenAI]:
    key = tmp_path_factory.mktemp("key") / "key"
    key.write_text(KEY + "\n")
    async with (
        listening(flags(folder, max_batch=4, max_queue=16, api_key_file=key), tooled) as port,
        AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0, timeout=60) as client,
    ):
        yield client


async def test_n_answers_share_a_prompt_and_differ(client: AsyncOpenAI) -> None:
    options: Any = {"model": NAME, "messages": ASK, "max_tokens": 12, "seed": 5, "n": 3}
    first = await client.chat.completions.create(**options)
    again = await client.chat.completions.create(**options)
    texts = [choice.message.content for choice in first.choices]
    assert [choice.index for choice in first.choices] == [0, 1, 2]
    assert len(set(texts)) == 3
    assert texts == [choice.message.content for choice in again.choices]
    assert first.usage is not None
    assert first.usage.completion_tokens <= 36
    stream = await client.chat.completions.create(
        **options, stream=True, stream_options={"include_usage": True}
    )
    streamed: dict[int, str] = dict.fromkeys(range(3), "")
    async for chunk in stream:
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
        usage = chunk.usage
    assert list(streamed.values()) == texts
    assert usage == replace_cached(first.usage, usage)


def replace_cached(usage: Any, like: Any) -> Any:
    return usage.model_copy(update={"prompt_tokens_details": like.prompt_tokens_details})


async def test_logprobs_are_those_of_the_model(
    client: AsyncOpenAI, model: Model, reference: Any, tooled: Model
) -> None:
    options: Any = {"model": NAME, "messages": ASK, "max_tokens": 5, "temperature": 0}
    answer = await client.chat.completions.create(
        **options, logprobs=True, top_logprobs=3, presence_penalty=0.0
    )
    content = answer.choices[0].logprobs.content
    assert content is not None
    assert len(content) == 5
    prompt = tooled.render(ASK)
    with torch.inference_mode():
        expected = reference(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
    assert content[0].logprob == pytest.approx(float(expected.max()), abs=1e-3)
    assert [each.logprob for each in content[0].top_logprobs] == pytest.approx(
        expected.topk(3).values.tolist(), abs=1e-3
    )
    assert content[0].token == content[0].top_logprobs[0].token
    assert (
        b"".join(bytes(each.bytes or []) for each in content)
        .decode("utf-8", "replace")
        .startswith((answer.choices[0].message.content or "")[:1])
    )
    stream = await client.chat.completions.create(**options, logprobs=True, stream=True)
    told = [each async for chunk in stream for each in logprobs_of(chunk)]
    assert [each.token for each in told] == [each.token for each in content]
    plain = await client.chat.completions.create(**options)
    assert plain.choices[0].logprobs is None


def logprobs_of(chunk: Any) -> list[Any]:
    return [each for choice in chunk.choices if choice.logprobs for each in choice.logprobs.content or ()]


async def test_a_bias_decides_and_a_stop_text_ends(client: AsyncOpenAI, model: Model) -> None:
    token = model.tokenizer.encode("river", add_special_tokens=False)[-1]
    text = str(model.tokenizer.decode([token]))
    answer = await client.chat.completions.create(
        model=NAME, messages=ASK, max_tokens=4, logit_bias={str(token): 100}, temperature=0
    )
    assert answer.choices[0].message.content == text * 4
    stopped = await client.chat.completions.create(
        model=NAME, messages=ASK, max_tokens=4, logit_bias={str(token): 100}, stop=[text * 2]
    )
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("", "stop")


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_tool_is_called_when_it_must_be(client: AsyncOpenAI, choice: Any) -> None:
    options: Any = {
        "model": NAME,
        "messages": ASK,
        "max_tokens": 200,
        "tools": [WEATHER],
        "tool_choice": choice,
    }
    answer = await client.chat.completions.create(**options)
    (call,) = answer.choices[0].message.tool_calls or []
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.content is None
    assert call.type == "function"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments)["place"] in {"Ostrel", "Amber"}
    stream = await client.chat.completions.create(**options, stream=True)
    deltas = [chunk.choices[0] async for chunk in stream if chunk.choices]
    (called,) = [each for delta in deltas for each in delta.delta.tool_calls or []]
    assert called.index == 0
    assert called.function is not None
    assert json.loads(called.function.arguments or "")["place"] in {"Ostrel", "Amber"}
    assert deltas[-1].finish_reason == "tool_calls"


async def test_a_conversation_with_a_tools_result_goes_through_the_template(
    client: AsyncOpenAI, tooled: Model
) -> None:
    call = {
        "id": "abc123def",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"place": "Ostrel"}'},
    }
    talk: Any = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "abc123def", "content": "rain"},
    ]
    answer = await client.chat.completions.create(model=NAME, messages=talk, tools=[WEATHER], max_tokens=2)
    assert answer.usage is not None
    arguments = {**call["function"], "arguments": {"place": "Ostrel"}}  # type: ignore[dict-item]
    plain = [
        ASK[0],
        {"role": "assistant", "content": "", "tool_calls": [{**call, "function": arguments}]},
        talk[2],
    ]
    assert answer.usage.prompt_tokens == len(tooled.render(plain, tools=[WEATHER]))
    assert "weather Ostrel" in tooled.tokenizer.decode(tooled.render(plain))


async def test_thoughts_are_kept_apart_and_a_schema_begins_after_them(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model=NAME,
        messages=ASK,
        max_tokens=24,
        seed=1,
        extra_body={"chat_template_kwargs": {"thinking": True}},
        response_format={"type": "json_object"},
    )
    message = answer.choices[0].message
    assert (message.model_extra or {})["reasoning_content"]
    assert not message.content
    assert answer.choices[0].finish_reason == "length"


async def test_texts_are_completed(client: AsyncOpenAI, model: Model) -> None:
    options: Any = {"model": NAME, "max_tokens": 6, "temperature": 0}
    one = await client.completions.create(**options, prompt="The river", echo=True)
    ids = model.tokenizer.backend_tokenizer.encode("The river").ids
    many = await client.completions.create(**options, prompt=[ids, ids], logprobs=2, n=1)
    assert one.object == "text_completion"
    assert one.choices[0].text == "The river" + many.choices[0].text
    assert [choice.index for choice in many.choices] == [0, 1]
    assert many.choices[0].text == many.choices[1].text
    logprobs = many.choices[0].logprobs
    assert logprobs is not None
    assert len(logprobs.token_logprobs or []) == 6
    assert all(value is not None and value <= 0 for value in logprobs.token_logprobs or [])
    stream = await client.completions.create(**options, prompt="The river", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == many.choices[0].text


async def test_models_are_listed_and_found(client: AsyncOpenAI) -> None:
    assert [each.id async for each in client.models.list()] == [NAME]
    assert (await client.models.retrieve(NAME)).owned_by == "sishu"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("other")


async def test_refusals_are_the_sdks_own_errors(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as unknown:
        await client.with_options(api_key="wrong").models.list()
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as missing:
        await client.completions.create(model="other", prompt="x")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as cannot:
        await client.embeddings.create(model=NAME, input="x")
    assert cannot.value.code == "embeddings_unsupported"
    with pytest.raises(openai.APIStatusError) as large:
        await client.chat.completions.create(
            model=NAME, messages=[{"role": "user", "content": "x" * 10_000_000}]
        )
    assert (large.value.status_code, large.value.code) == (413, "request_too_large")
    with pytest.raises(openai.RateLimitError) as full:
        await client.chat.completions.create(model=NAME, messages=ASK, n=17)
    assert full.value.code == "queue_full"


async def test_half_of_many_clients_leave_and_every_slot_comes_back(client: AsyncOpenAI) -> None:
    url = str(client.base_url).removesuffix("v1/")

    async def one(number: int) -> str:
        try:
            async with asyncio.timeout(0.05 if number % 2 else 60):
                await client.chat.completions.create(model=NAME, messages=ASK, max_tokens=8, seed=number)
        except TimeoutError:
            return "left"
        except openai.RateLimitError:
            return "refused"
        except openai.APITimeoutError:
            return "left"
        return "answered"

    found = [each async for each in gathered([one(number) for number in range(200)])]
    assert found.count("answered") >= 4
    assert len(found) == 200
    async with httpx.AsyncClient() as http, asyncio.timeout(20):
        while True:
            state = (await http.get(f"{url}health")).json()
            if (state["active"], state["waiting"]) == (0, 0):
                break
            await asyncio.sleep(0.02)
        metrics = (await http.get(f"{url}metrics")).text
    assert "sishu_inference_engine_first_token_seconds_count" in metrics
    assert not math.isnan(float(value_of(metrics, "sishu_inference_engine_refused_total")))


async def gathered(work: list[Any]) -> AsyncIterator[str]:
    for each in await asyncio.gather(*work):
        yield each


def value_of(metrics: str, name: str) -> str:
    return next(line.split()[1] for line in metrics.splitlines() if line.startswith(f"{name} "))
