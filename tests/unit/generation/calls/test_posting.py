"""Requests go out as the SDK sends them, and its errors come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import openai
import orjson
import pytest
from openai import AsyncOpenAI, DefaultAioHttpClient

from services.generation.calls.posting import Poster, json_bytes

LIMITS = openai.Timeout(5, connect=1)
BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "null, “灰”\n"}],
    "temperature": 0.0,
    "seed": 2**63,
}


def pair(answer: Callable[[httpx2.Request], httpx2.Response]) -> tuple[AsyncOpenAI, Poster]:
    """An SDK and a poster on it, whose requests are answered here."""
    http = DefaultAioHttpClient(timeout=LIMITS, transport=httpx2.MockTransport(answer))
    sdk = AsyncOpenAI(
        base_url="http://m.test/v1?tenant=a", api_key="sk-1", max_retries=0, timeout=LIMITS, http_client=http
    )
    return sdk, Poster(sdk, http)


async def by_sdk(sdk: AsyncOpenAI, body: Mapping[str, Any]) -> None:
    """Send by the SDK alone."""
    options: Any = {"timeout": LIMITS}
    await sdk.post("/chat/completions", cast_to=httpx2.Response, body=body, options=options, stream=True)


async def test_a_request_is_that_of_the_sdk_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={}, headers={"set-cookie": "place=7"})

    sdk, poster = pair(answer)
    await by_sdk(sdk, BODY)
    await by_sdk(sdk, BODY)
    await poster.post(BODY, LIMITS)
    await poster.post(BODY, LIMITS)
    theirs, *ours = seen[1:]
    for one in ours:
        assert (one.method, one.url) == ("POST", theirs.url)
        assert sorted(one.headers.multi_items()) == sorted(theirs.headers.multi_items())
        assert one.headers["cookie"] == "place=7"
        assert one.extensions["timeout"] == theirs.extensions["timeout"]
        assert json.loads(one.content) == json.loads(theirs.content)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "text", ['{"error": {"message": "no", "code": 7}}', '["no"]', "<p>no</p>", "[" * 100_000]
)
async def test_an_error_is_that_of_the_sdk(status: int, text: str) -> None:
    sdk, poster = pair(lambda _: httpx2.Response(status, text=text, headers={"retry-after": "3"}))
    with pytest.raises(openai.APIStatusError) as theirs:
        await by_sdk(sdk, BODY)
    with pytest.raises(openai.APIStatusError) as ours:
        await poster.post(BODY, LIMITS)
    assert type(ours.value) is type(theirs.value)
    assert ours.value.body == theirs.value.body
    assert ours.value.response.text == text
    assert ours.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx2.ReadTimeout("slow"), openai.APITimeoutError),
        (httpx2.ConnectError("away"), openai.APIConnectionError),
    ],
)
async def test_no_answer_is_an_error_of_the_sdk_that_says_why(
    failure: Exception, kind: type[Exception]
) -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        raise failure

    _, poster = pair(answer)
    with pytest.raises(kind) as found:
        await poster.post(BODY, LIMITS)
    assert type(found.value) is kind
    assert found.value.__cause__ is failure


@pytest.mark.parametrize("value", [{"a": 2**70}, {"a": None, "b": "ü"}, {"a": 1e-9}])
def test_what_the_fast_encoder_does_not_know_is_sent_nonetheless(value: Mapping[str, Any]) -> None:
    assert json.loads(json_bytes(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_is_no_json_is_refused_and_not_sent_as_nothing(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        json_bytes({"a": value})


def test_a_plain_request_is_written_by_the_fast_encoder() -> None:
    assert json_bytes({"a": "ü"}) == orjson.dumps({"a": "ü"})
