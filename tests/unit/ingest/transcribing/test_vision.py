from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.ingest.config import TranscriberConfig
from services.ingest.transcribing.vision import transcribe_pages
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, SishuError, Unavailable
from tests.support.web_server import served

KEY = "sk-very-secret"
PNG = b"\x89PNG page "
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.models.calls.FIRST_PAUSE_SECONDS", 0.01)


def vision(url: str, **changes: Any) -> TranscriberConfig:
    config = TranscriberConfig(url, "seer", KEY, call_seconds=5.0)
    return dataclasses.replace(config, **changes)


def pages_in(folder: Path, count: int) -> dict[int, Path]:
    paths = {number: folder / f"{number}.png" for number in range(1, count + 1)}
    for number, path in paths.items():
        path.write_bytes(PNG + str(number).encode())
    return paths


def completion(text: str | None, finish: str = "stop") -> web.Response:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return web.json_response(
        {"id": "x", "object": "chat.completion", "created": 1, "model": "seer", "choices": [choice]}
    )


async def page_of(request: web.Request) -> str:
    """The number in the picture that a request brings."""
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    parts = (await request.json())["messages"][0]["content"]
    assert "Markdown" in parts[0]["text"]
    data = parts[1]["image_url"]["url"].removeprefix("data:image/png;base64,")
    return base64.b64decode(data).removeprefix(PNG).decode()


async def test_every_page_is_transcribed_with_bounded_concurrency(tmp_path: Path) -> None:
    busy, most = 0, 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.02)
        busy -= 1
        return completion(f"```markdown\n# Page {await page_of(request)}\n```")

    async with served(answer) as url:
        made = await transcribe_pages(vision(url, vision_concurrency=3), "scan", pages_in(tmp_path, 9))
    assert made.pages == {number: f"# Page {number}" for number in range(1, 10)}
    assert most == 3


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_failure_that_passes_is_tried_again_when_the_server_says(tmp_path: Path, status: int) -> None:
    times: list[float] = []

    async def answer(request: web.Request) -> web.Response:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            return web.json_response(
                {"error": {"message": "busy"}}, status=status, headers={"Retry-After": "0.3"}
            )
        return completion("text")

    async with served(answer) as url:
        made = await transcribe_pages(vision(url), "scan", pages_in(tmp_path, 1))
    assert made.pages == {1: "text"}
    assert 0.3 <= times[1] - times[0] < 0.9


async def failure(config: TranscriberConfig, folder: Path, answer: Answer) -> SishuError:
    async with served(answer) as url:
        with pytest.raises(SishuError) as raised:
            await transcribe_pages(
                vision(url) if config.vision_url == "served" else config, "scan", pages_in(folder, 1)
            )
    return raised.value


async def test_a_server_that_fails_every_time_is_named_with_the_page(tmp_path: Path) -> None:
    calls = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.json_response(
            {"error": {"message": f"boom {KEY}"}}, status=500, headers={"Retry-After": "0"}
        )

    error = await failure(vision("served"), tmp_path, answer)
    assert (type(error), error.reason, error.metadata["page"], calls) == (
        Unavailable,
        "VISION_FAILED",
        "1",
        4,
    )
    assert KEY not in str(error) + repr(error.metadata)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "VISION_REFUSED_KEY"),
        (403, "VISION_REFUSED_KEY"),
        (400, "VISION_REFUSED"),
        (404, "VISION_REFUSED"),
    ],
)
async def test_a_refusal_is_not_tried_again_and_never_tells_the_key(
    tmp_path: Path, status: int, reason: str
) -> None:
    calls = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.json_response({"error": {"message": f"no {KEY}"}}, status=status)

    error = await failure(vision("served"), tmp_path, answer)
    assert (type(error), error.reason, calls) == (FailedPrecondition, reason, 1)
    assert KEY not in str(error) + repr(error.metadata)


async def test_a_server_that_hangs_is_left_at_the_deadline(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not left.is_set():
            # Blanks keep the connection alive, and fool a timeout between bytes.
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    async with served(answer) as url:
        with pytest.raises(DeadlineExceeded, match="page 1") as raised:
            await transcribe_pages(vision(url, call_seconds=0.2), "scan", pages_in(tmp_path, 1))
        left.set()
    assert raised.value.reason == "VISION_TIMED_OUT"


@pytest.mark.parametrize(
    "body", ["<html>hello</html>", "{}", '{"choices": []}', '{"choices": null}', "[1]", "\x00"]
)
async def test_garbage_is_no_transcript(tmp_path: Path, body: str) -> None:

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    error = await failure(vision("served"), tmp_path, answer)
    assert error.reason == "VISION_ANSWER_UNUSABLE"


async def test_an_answer_that_was_cut_off_is_no_transcript(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return completion("# Half a", "length")

    error = await failure(vision("served"), tmp_path, answer)
    assert error.reason == "VISION_ANSWER_CUT_OFF"


async def test_an_empty_page_has_an_empty_transcript(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return completion(None)

    async with served(answer) as url:
        assert (await transcribe_pages(vision(url), "scan", pages_in(tmp_path, 1))).pages == {1: ""}


async def test_an_address_where_nobody_answers_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        await transcribe_pages(vision("http://user:pass-word@127.0.0.1:9/v1"), "scan", pages_in(tmp_path, 1))
    assert raised.value.reason == "VISION_UNREACHABLE"
    assert "127.0.0.1:9" in str(raised.value)
    assert "pass-word" not in str(raised.value) + repr(raised.value.metadata)


@pytest.mark.parametrize("missing", ["vision_url", "vision_model"])
async def test_without_a_configured_model_the_variables_are_named(tmp_path: Path, missing: str) -> None:
    config = vision("http://127.0.0.1:9/v1", **{missing: ""})
    with pytest.raises(FailedPrecondition, match=r"SISHU_INGEST_VISION_URL.*_MODEL.*_KEY") as raised:
        await transcribe_pages(config, "scan", pages_in(tmp_path, 1))
    assert raised.value.reason == "VISION_NOT_CONFIGURED"


def test_the_configuration_never_shows_its_key() -> None:
    assert KEY not in repr(vision("http://127.0.0.1/v1"))
