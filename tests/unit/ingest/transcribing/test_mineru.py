from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.ingest.config import TranscriberConfig
from services.ingest.parsing.memory import Memory
from services.ingest.transcribing.mineru import transcribe_file, transcripts_of
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, SishuError, Unavailable
from tests.support.web_server import served

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


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.models.calls.FIRST_PAUSE_SECONDS", 0.01)


def mineru(url: str, **changes: Any) -> TranscriberConfig:
    config = TranscriberConfig(mineru_url=url, call_seconds=5.0)
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
        made = await transcribe_file(mineru(url), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer)
    assert made.pages == {
        1: "# Light tiles\n\nA paragraph.\n\n![](images/a1.jpg)\n\nFig. 1. A roof.",
        2: "",
        3: f"$$\nE = mc^2\n$$\n\nTable 1\n\n{TABLE}\n\nin degrees\n\n- one\n2. two\n\nListing 1\n\n```\nx = 1\n```\n\n* by hand\n\n3",
    }
    assert made.images == {"a1.jpg": b"roof"}


async def test_without_blocks_the_markdown_of_mineru_is_one_page(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(
            {"results": {"document": {"md_content": "# A\n\n<table><tr><td>1</td><td>2</td></tr></table>"}}}
        )

    async with served(answer) as url:
        made = await transcribe_file(mineru(url), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer)
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
            await transcribe_file(mineru(url), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer)
    assert (raised.value.reason, count) == (reason, calls)


async def test_a_mineru_that_hangs_is_left_at_the_deadline(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        await left.wait()
        return web.json_response({})

    async with served(answer) as url:
        with pytest.raises(DeadlineExceeded) as raised:
            await transcribe_file(
                mineru(url, call_seconds=0.2), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer
            )
        left.set()
    assert raised.value.reason == "MINERU_TIMED_OUT"


async def test_without_a_configured_mineru_the_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="SISHU_INGEST_MINERU_URL") as raised:
        await transcribe_file(TranscriberConfig(), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer)
    assert raised.value.reason == "MINERU_NOT_CONFIGURED"


async def test_a_mineru_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        await transcribe_file(
            mineru("http://user:pass-word@127.0.0.1:9"), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer
        )
    assert raised.value.reason == "MINERU_UNREACHABLE"
    assert "pass-word" not in str(raised.value)


HOSTILE_TABLES = [
    "<table><tr><td rowspan='1000' colspan='1000'>x</td></tr>" + "<tr><td>y</td></tr>" * 999 + "</table>",
    "<table>" + "<tr><td colspan='256'>x</td></tr>" * 40 + "</table>",
]


@pytest.mark.parametrize("html", HOSTILE_TABLES)
@pytest.mark.parametrize("field", ["md_content", "content_list"])
async def test_a_table_that_swells_is_refused(tmp_path: Path, html: str, field: str) -> None:
    block = {"type": "table", "table_body": html, "page_idx": 0}

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(
            {"results": {"document": {field: html if field == "md_content" else [block]}}}
        )

    async with served(answer) as url:
        with pytest.raises(FailedPrecondition, match="paper") as raised:
            await transcribe_file(mineru(url), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer)
    assert raised.value.reason == "MINERU_ANSWER_TOO_LARGE"


async def test_an_answer_that_is_too_long_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.transcribing.mineru.MOST_BYTES", 1000)
    calls = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        await request.read()
        return web.json_response({"results": {"document": {"md_content": "x" * 1000}}})

    async with served(answer) as url:
        with pytest.raises(FailedPrecondition) as raised:
            await transcribe_file(mineru(url), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer)
    assert (raised.value.reason, calls) == ("MINERU_ANSWER_TOO_LARGE", 1)


def test_a_merged_cell_that_holds_no_rows_takes_no_memory() -> None:
    html = "<table><tr><td rowspan='1000' colspan='1000'>x</td></tr><tr><td>y</td></tr></table>"
    tracemalloc.start()
    made = transcripts_of({"md_content": html})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "| x |" in made.pages[1]
    assert peak < 1 << 20


def test_tables_without_an_end_take_no_time() -> None:
    started = time.perf_counter()
    transcripts_of({"md_content": "<table>x</table>" + "<table>" * 200_000})
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("blocks", ["[" + "1," * 1000 + "1]", "[" + "[]" * 2000 + "]"])
async def test_an_answer_of_too_many_values_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: str
) -> None:
    monkeypatch.setattr("services.ingest.transcribing.mineru.MOST_MARKS", 1000)
    # Also where the JSON that is text in JSON hides them.
    hidden = blocks.replace("[", "\\u005b").replace(",", "\\u002c")

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text='{"results": {"document": {"content_list": "' + hidden + '"}}}')

    async with served(answer) as url:
        with pytest.raises(FailedPrecondition) as raised:
            await transcribe_file(mineru(url), "paper", pdf_in(tmp_path), Memory(1 << 30).for_answer)
    assert raised.value.reason == "MINERU_ANSWER_TOO_LARGE"


async def test_a_large_file_is_sent_without_being_held_in_memory(tmp_path: Path) -> None:
    size, path = 100 << 20, tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(size)
    arrived = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal arrived
        async for part in request.content.iter_chunked(1 << 16):
            arrived += len(part)
        return web.json_response({"results": {"document": {"md_content": "Text."}}})

    async with served(answer) as url:
        tracemalloc.start()
        made = await transcribe_file(
            mineru(url, call_seconds=120.0), "paper", path, Memory(1 << 30).for_answer
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (made.pages, arrived > size) == ({1: "Text."}, True)
    assert peak < 16 << 20
