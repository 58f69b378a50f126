from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.ingest.config import TranscriberConfig
from services.ingest.transcribing.mineru import transcribe_file
from services.ingest.transcribing.vision import transcribe_pages, unfenced
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, SishuError, Unavailable
from tests.support.web_server import served

KEY = "sk-very-secret"
PNG = b"\x89PNG page "
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def vision(url: str, **changes: Any) -> TranscriberConfig:
    config = TranscriberConfig(url, "seer", KEY, call_seconds=5.0, retry_seconds=0.01)
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


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("plain", "plain"),
        ("```markdown\n# A\n\ntext\n```", "# A\n\ntext"),
        ("```\n# A\n```\n", "# A"),
        ("<think>hm\n</think>\n# A", "# A"),
        ("# A\n\n```python\nx = 1\n```", "# A\n\n```python\nx = 1\n```"),
        ("````md\n```python\nx\n```\n````", "```python\nx\n```"),
    ],
)
def test_only_a_fence_around_the_whole_answer_goes(answer: str, text: str) -> None:
    assert unfenced(answer) == text


BLOCKS = [
    {"type": "text", "text": "Light tiles", "text_level": 1, "page_idx": 0},
    {"type": "text", "text": "A paragraph. ", "page_idx": 0},
    {
        "type": "image",
        "img_path": "images/a1.jpg",
        "image_caption": ["Fig. 1. A roof."],
        "image_footnote": [],
        "page_idx": 0,
    },
    {"type": "equation", "text": "$$\nE = mc^2\n$$", "text_format": "latex", "page_idx": 2},
    {
        "type": "table",
        "img_path": "images/b2.jpg",
        "table_caption": ["Table 1"],
        "table_footnote": ["in degrees"],
        "table_body": "<html><body><table><tr><td rowspan='2'>Town</td><td colspan='2'>Mean | max</td></tr>"
        "<tr><td>light</td><td>dark<br>tiles</td></tr><tr><td>Northby</td><td>31.4</td><td>37.9</td></tr></table></body></html>",
        "page_idx": 2,
    },
    {"type": "list", "sub_type": "text", "list_items": ["one", "2. two"], "page_idx": 2},
    {"type": "code", "sub_type": "code", "code_body": "x = 1", "code_caption": ["Listing 1"], "page_idx": 2},
    {"type": "page_footnote", "text": "* by hand", "page_idx": 2},
    {"type": "page_number", "text": "3", "page_idx": 2},
]
TABLE = (
    "| Town | Mean \\| max |  |\n| --- | --- | --- |\n|  | light | dark<br>tiles |\n| Northby | 31.4 | 37.9 |"
)


def mineru(url: str, **changes: Any) -> TranscriberConfig:
    config = TranscriberConfig(mineru_url=url, call_seconds=5.0, retry_seconds=0.01)
    return dataclasses.replace(config, **changes)


def pdf_in(folder: Path) -> Path:
    path = folder / "file"
    path.write_bytes(b"%PDF-1.7 something")
    return path


async def test_the_blocks_of_mineru_become_pages_of_markdown(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/v1/file_parse"
        form = await request.post()
        file = form["files"]
        assert isinstance(file, web.FileField)
        assert file.file.read() == b"%PDF-1.7 something"
        assert (form["return_md"], form["return_content_list"], form["return_images"]) == (
            "true",
            "true",
            "true",
        )
        images = {
            "a1.jpg": "data:image/jpeg;base64," + base64.b64encode(b"roof").decode(),
            "../x.jpg": "data:image/jpeg;base64,AA==",
        }
        result = {"md_content": "all", "content_list": json.dumps(BLOCKS), "images": images}
        return web.json_response({"backend": "pipeline", "version": "2.7", "results": {"document": result}})

    async with served(answer) as url:
        made = await transcribe_file(mineru(url), "paper", pdf_in(tmp_path))
    assert made.pages == {
        1: "# Light tiles\n\nA paragraph.\n\n![](images/a1.jpg)\n\nFig. 1. A roof.",
        2: "",
        3: f"$$\nE = mc^2\n$$\n\nTable 1\n\n{TABLE}\n\nin degrees\n\n- one\n2. two\n\nListing 1\n\n```\nx = 1\n```\n\n* by hand\n\n3",
    }
    assert made.pictures == {"a1.jpg": b"roof"}


async def test_without_blocks_the_markdown_of_mineru_is_one_page(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(
            {"results": {"document": {"md_content": "# A\n\n<table><tr><td>1</td><td>2</td></tr></table>"}}}
        )

    async with served(answer) as url:
        made = await transcribe_file(mineru(url), "paper", pdf_in(tmp_path))
    assert made.pages == {1: "# A\n\n\n\n| 1 | 2 |\n| --- | --- |"}


@pytest.mark.parametrize(
    ("status", "body", "reason", "calls"),
    [
        (200, "<html>", "MINERU_ANSWER_UNUSABLE", 4),
        (200, "{}", "MINERU_ANSWER_UNUSABLE", 4),
        (200, '{"results": {"document": {"content_list": "[[["}}}', "MINERU_ANSWER_UNUSABLE", 4),
        (200, '{"results": []}', "MINERU_ANSWER_UNUSABLE", 4),
        (400, '{"error": "Unsupported file type"}', "MINERU_REFUSED", 1),
        (503, "maximum capacity", "MINERU_FAILED", 4),
    ],
)
async def test_what_mineru_cannot_do_is_a_typed_error(
    tmp_path: Path, status: int, body: str, reason: str, calls: int
) -> None:
    count = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(text=body, status=status)

    async with served(answer) as url:
        with pytest.raises(SishuError, match="paper") as raised:
            await transcribe_file(mineru(url), "paper", pdf_in(tmp_path))
    assert (raised.value.reason, count) == (reason, calls)


async def test_a_mineru_that_hangs_is_left_at_the_deadline(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await left.wait()
        return web.json_response({})

    async with served(answer) as url:
        with pytest.raises(DeadlineExceeded) as raised:
            await transcribe_file(mineru(url, call_seconds=0.2), "paper", pdf_in(tmp_path))
        left.set()
    assert raised.value.reason == "MINERU_TIMED_OUT"


async def test_without_a_configured_mineru_the_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="SISHU_INGEST_MINERU_URL") as raised:
        await transcribe_file(TranscriberConfig(), "paper", pdf_in(tmp_path))
    assert raised.value.reason == "MINERU_NOT_CONFIGURED"


async def test_a_mineru_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        await transcribe_file(mineru("http://user:pass-word@127.0.0.1:9"), "paper", pdf_in(tmp_path))
    assert raised.value.reason == "MINERU_UNREACHABLE"
    assert "pass-word" not in str(raised.value)
