from __future__ import annotations

import asyncio
import collections
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, Field

from tests.support.llm_answers import Prompt, answer
from tests.support.llm_faults import Draw, SettingError, Settings
from tests.support.mock_llm import ROOT, MockServer, main, mock_llm, parse_flags

SOURCE = "The heron sleeps at noon.\nIts nest holds 14 eggs! Who counts them? Nobody does."


class Question(BaseModel):
    question: str = Field(max_length=60)
    quote: str
    kind: Literal["fact", "number", "name"]


class Questions(BaseModel):
    questions: list[Question] = Field(min_length=2, max_length=4)
    score: int = Field(ge=1, le=5)
    weight: float = Field(gt=0, lt=1)
    sure: bool
    note: str | None
    steps: list[int] = Field(min_length=3, max_length=3)


@pytest_asyncio.fixture(scope="module")
async def process() -> AsyncIterator[MockServer]:
    async with mock_llm() as server:
        yield server


@pytest_asyncio.fixture
async def server(process: MockServer) -> MockServer:
    await process.control(**dataclasses.asdict(Settings()))
    await process.reset()
    return process


@pytest_asyncio.fixture(scope="module")
async def sdk(process: MockServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=process.base_url, api_key="right", max_retries=0, timeout=5) as sdk:
        yield sdk


@pytest.fixture
def client(server: MockServer, sdk: AsyncOpenAI) -> AsyncOpenAI:
    assert str(sdk.base_url).rstrip("/") == server.base_url
    return sdk


async def ask(client: AsyncOpenAI, text: str, **options: Any) -> ChatCompletion:
    made = await client.chat.completions.create(
        model=options.pop("model", "m"), messages=[{"role": "user", "content": text}], **options
    )
    assert isinstance(made, ChatCompletion)
    return made


def content(made: ChatCompletion) -> str:
    return made.choices[0].message.content or ""


def form(model: type[BaseModel]) -> dict[str, Any]:
    schema = {"name": "answer", "schema": model.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


async def eventually(condition: Callable[[dict[str, Any]], bool], server: MockServer) -> dict[str, Any]:
    deadline = time.monotonic() + 5
    while not condition(stats := await server.stats()):
        assert time.monotonic() < deadline, stats
        await asyncio.sleep(0.01)
    return stats


async def test_an_answer_fits_its_schema_and_quotes_the_prompt(client: AsyncOpenAI) -> None:
    text = (
        f"Write questions about this text.\n\n<text>\n{SOURCE}\n</text>\n\nAnswer in JSON, in no other way."
    )
    made = await ask(client, text, response_format=form(Questions))
    found = Questions.model_validate_json(content(made))
    for question in found.questions:
        assert question.quote in SOURCE
        assert len(question.quote) > 5
    assert made.choices[0].finish_reason == "stop"
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens > 20


async def test_equal_prompts_get_equal_answers_and_others_get_others(client: AsyncOpenAI) -> None:
    first = content(await ask(client, "one", response_format=form(Questions)))
    assert content(await ask(client, "one", response_format=form(Questions))) == first
    assert content(await ask(client, "two", response_format=form(Questions))) != first


def test_questions_of_many_prompts_share_few_words() -> None:
    body = {"response_format": form(Question)}
    texts = []
    for number in range(200):
        prompt = Prompt.of([{"role": "user", "content": f"Ask about fact {number}."}])
        texts.append(Question.model_validate_json(answer(body, prompt, {})).question)
    words = [set(text.lower().strip("?").split()) for text in texts]
    likeness = max(len(a & b) / len(a | b) for i, a in enumerate(words) for b in words[:i])
    assert likeness < 0.5


async def test_a_test_can_fix_the_value_of_a_property(server: MockServer, client: AsyncOpenAI) -> None:
    await server.control(fixed={"sure": True, "score": 5})
    made = [content(await ask(client, f"p{n}", response_format=form(Questions))) for n in range(5)]
    found = [Questions.model_validate_json(each) for each in made]
    assert [(each.sure, each.score) for each in found] == [(True, 5)] * 5


async def test_json_without_a_schema_has_a_text_and_other_answers_are_plain(client: AsyncOpenAI) -> None:
    assert json.loads(content(await ask(client, "x", response_format={"type": "json_object"}))).keys() == {
        "text"
    }
    assert json.loads(content(await ask(client, "Answer as JSON."))).keys() == {"text"}
    assert content(await ask(client, "Hello")).endswith(".")


async def test_a_schema_that_the_mock_cannot_satisfy_is_refused(client: AsyncOpenAI) -> None:
    schema = {"name": "a", "schema": {"type": "string", "pattern": "^a+$"}}
    with pytest.raises(openai.BadRequestError, match="pattern"):
        await ask(client, "x", response_format={"type": "json_schema", "json_schema": schema})


async def test_a_stream_adds_up_to_the_whole_answer_and_ends_with_the_usage(client: AsyncOpenAI) -> None:
    whole = await ask(client, "one", response_format=form(Questions))
    stream = await client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "one"}],
        response_format=form(Questions),  # type: ignore[call-overload]
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert len(chunks) > 5
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == content(whole)
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize(
    ("fault", "error", "counted"),
    [
        ("429", openai.RateLimitError, ({"429": 1}, 0)),
        ("500", openai.InternalServerError, ({"500": 1}, 0)),
        ("503", openai.InternalServerError, ({"503": 1}, 0)),
        ("drop", openai.APIConnectionError, ({"dropped": 1}, 1)),
        ("hang", openai.APITimeoutError, ({"left": 1}, 0)),
    ],
)
async def test_a_failing_call_raises_the_sdk_error_and_the_next_one_works(
    server: MockServer,
    client: AsyncOpenAI,
    fault: str,
    error: type[Exception],
    counted: tuple[dict[str, int], int],
) -> None:
    await server.control(next_faults=[fault], retry_after_s=7)
    with pytest.raises(error) as raised:
        await ask(client, "x", timeout=0.3)
    if isinstance(raised.value, openai.RateLimitError):
        assert raised.value.response.headers["retry-after"] == "7"
    stats = await eventually(lambda stats: stats["in_flight"] == 0, server)
    assert (stats["statuses"], stats["paid"]) == counted
    assert content(await ask(client, "x"))


async def test_a_dropped_stream_breaks_off_after_its_beginning(
    server: MockServer, client: AsyncOpenAI
) -> None:
    await server.control(next_faults=["drop"])
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    seen = []
    with pytest.raises(Exception, match=r"(?i)closed|reset|incomplete|read|connection"):
        async for chunk in stream:
            seen.append(chunk)
    assert len(seen) > 2
    assert (await server.stats())["statuses"] == {"dropped": 1}


async def test_spoilt_texts_arrive_as_ordinary_answers(server: MockServer, client: AsyncOpenAI) -> None:
    whole = content(await ask(client, "x", response_format=form(Questions)))
    await server.control(next_faults=["garbage", "truncated", "think", "ok"])
    garbage, cut, think, good = [await ask(client, "x", response_format=form(Questions)) for _ in range(4)]
    with pytest.raises(json.JSONDecodeError):
        json.loads(content(garbage))
    assert whole.startswith(content(cut))
    assert len(content(cut)) < len(whole)
    assert cut.choices[0].finish_reason == "length"
    assert content(think).startswith("<think>")
    assert content(think).endswith("</think>\n" + whole)
    assert content(good) == whole


async def test_a_wrong_key_and_an_unknown_model_are_told_apart(
    server: MockServer, client: AsyncOpenAI
) -> None:
    await server.control(api_key="right", models=["small", "large"])
    assert [model.id async for model in client.models.list()] == ["small", "large"]
    assert content(await ask(client, "x", model="small"))
    with pytest.raises(openai.NotFoundError, match="huge"):
        await ask(client, "x", model="huge")
    stranger = client.with_options(api_key="wrong")
    with pytest.raises(openai.AuthenticationError):
        await ask(stranger, "x", model="small")
    with pytest.raises(openai.AuthenticationError):
        await stranger.models.list()


async def test_calls_beyond_the_capacity_wait_and_a_wider_one_frees_them(
    server: MockServer, client: AsyncOpenAI
) -> None:
    await server.control(capacity=1, latency_ms=150)
    begun = time.monotonic()
    await asyncio.gather(*(ask(client, f"a{n}") for n in range(3)))
    assert time.monotonic() - begun >= 0.45
    assert (await server.stats())["max_in_flight"] == 3
    await server.control(latency_ms=500)
    begun = time.monotonic()
    calls = asyncio.gather(*(ask(client, f"b{n}") for n in range(4)))
    await eventually(lambda stats: stats["queued"] == 3, server)
    await server.control(capacity=4)
    await calls
    assert time.monotonic() - begun < 1.8


async def test_the_capacity_follows_its_schedule(server: MockServer, client: AsyncOpenAI) -> None:
    await server.control(latency_ms=200, capacity=1, capacity_schedule=[[0.3, 8]])
    calls = asyncio.gather(*(ask(client, f"p{n}") for n in range(8)))
    assert (await eventually(lambda stats: stats["queued"] == 7, server))["busy"] == 1
    assert (await eventually(lambda stats: stats["queued"] == 0, server))["busy"] > 1
    await calls


async def test_a_full_queue_answers_429_and_overload_slows_service(
    server: MockServer, client: AsyncOpenAI
) -> None:
    await server.control(capacity=1, queue_limit=1, latency_ms=100)
    results = await asyncio.gather(*(ask(client, f"p{n}") for n in range(4)), return_exceptions=True)
    assert sum(isinstance(result, openai.RateLimitError) for result in results) == 2
    await server.control(queue_limit=-1, overload_penalty=4.0)
    begun = time.monotonic()
    await asyncio.gather(ask(client, "q1"), ask(client, "q2"))
    # Two calls at hand for one slot: the first that is served beside a waiting one takes five times as long.
    assert time.monotonic() - begun >= 0.2
    assert (await server.stats())["paid"] == 4


async def test_a_caller_that_leaves_gives_its_slot_back(server: MockServer, client: AsyncOpenAI) -> None:
    await server.control(capacity=1, latency_ms=30_000)
    calls = [asyncio.create_task(ask(client, f"p{n}")) for n in range(3)]
    await eventually(lambda stats: stats["queued"] == 2, server)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    stats = await eventually(lambda stats: stats["in_flight"] == 0, server)
    assert (stats["busy"], stats["queued"], stats["statuses"]) == (0, 0, {"left": 3})
    await server.control(latency_ms=0)
    assert content(await ask(client, "p0"))


async def test_stats_tell_which_prompt_was_paid_twice(server: MockServer, client: AsyncOpenAI) -> None:
    await server.control(next_faults=["503"])
    with pytest.raises(openai.InternalServerError):
        await ask(client, "a")
    for text in ("a", "b", "b"):
        await ask(client, text)
    stats = await server.stats(prompts=True)
    assert (stats["calls"], stats["paid"], stats["distinct_prompts"]) == (4, 3, 2)
    assert stats["prompts_paid_twice"] == 1
    assert sorted(stats["prompts"].values()) == [[2, 1], [2, 2]]
    assert stats["cpu_seconds"] > 0


async def test_a_setting_that_does_not_fit_changes_nothing(server: MockServer) -> None:
    wrong: list[dict[str, Any]] = [
        {"latency": 5},
        {"latency_ms": "5"},
        {"capacity": -1},
        {"next_faults": ["404"]},
        {"capacity_schedule": [[1, 2, 3]]},
        {"rate_429": 0.6, "rate_500": 0.6},
    ]
    for changes in wrong:
        with pytest.raises(SettingError):
            await server.control(jitter_ms=9, **changes)
    assert (await server.control()) == dataclasses.asdict(Settings())


async def test_the_table_of_prompts_stops_at_its_cap_and_a_later_server_takes_the_same_port() -> None:
    async with mock_llm(prompt_cap=2) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        async with AsyncOpenAI(base_url=server.base_url, api_key="k") as client:
            for text in ("a", "b", "c", "c", "a"):
                await ask(client, text)
        stats = await server.stats()
        assert (stats["distinct_prompts"], stats["prompts_untracked"], stats["paid"]) == (2, 2, 5)
    async with mock_llm(port=port, latency_ms=1) as server:
        assert server.base_url == f"http://127.0.0.1:{port}/v1"


def test_a_seed_decides_the_order_of_faults_and_the_rates_their_number() -> None:
    settings = Settings(rate_429=0.2, rate_think=0.1, seed=3)
    first, second = Draw(settings), Draw(settings)
    faults = [first.fault() for _ in range(5000)]
    assert [second.fault() for _ in range(5000)] == faults
    counts = collections.Counter(faults)
    assert counts.keys() == {"ok", "429", "think"}
    assert counts["429"] == pytest.approx(1000, rel=0.1)
    assert counts["think"] == pytest.approx(500, rel=0.15)


def test_flags_set_the_settings() -> None:
    words = '--settings {"seed":2} --latency-ms 5 --models a,b --capacity-schedule 0:4,1.5:8 --rate-think 0.1'
    flags = vars(parse_flags(words.split()))
    assert flags.pop("settings") == {"seed": 2}
    assert flags["latency_ms"] == 5
    assert flags["models"] == ["a", "b"]
    assert flags["capacity_schedule"] == [[0, 4], [1.5, 8]]
    assert flags["rate_think"] == 0.1


def test_the_process_ends_with_its_starter() -> None:
    command = [sys.executable, "-m", "tests.support.mock_llm", "--exit-with-stdin"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert json.loads(process.stdout.readline())["pid"] == process.pid
        process.stdin.close()
        assert process.wait(5) == 0


def test_a_setting_that_does_not_fit_ends_the_program_with_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^mock_llm: the rates add up to more than 1$"):
        main(["--rate-429", "0.7", "--rate-500", "0.7"])
