from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.ingest.config import RewriteConfig, TranscriberConfig
from services.ingest.parsing.exchange import FILE
from services.ingest.parsing.options import CleanOptions, ParseOptions
from services.ingest.parsing.parser import Parser
from services.runtime.errors import Unavailable
from services.runtime.storage import Storage
from tests.support.web_server import served
from tests.unit.ingest.parsing.child_processes import children, document_called

TEXT = "\n\n".join(
    [
        f"The rnill stands here. {'It turns. ' * 150}".strip(),
        f"The rnill was sold. {'It stood. ' * 150}".strip(),
    ]
)
NO_KEY = "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"


async def parsed_text(folder: Path, status: int) -> str:
    """The text that tidying leaves when the server answers for the block of the sale with an HTTP status."""

    async def answer(request: web.Request) -> web.Response:
        if not request.path.endswith("/chat/completions"):
            return stored(request)
        block = (await request.json())["messages"][-1]["content"]
        if "sold" in block:
            return web.json_response({"error": {"code": "content_filter"}}, status=status)
        return said(block.replace("rnill", "mill"))

    (folder / FILE).write_text(TEXT)
    options = ParseOptions(clean=CleanOptions(rewrite=True))
    async with served(answer) as url, children() as processes:
        storage = Storage(url.removesuffix("/v1"), "key", "secret", "bucket")
        one = Parser(processes, storage, TranscriberConfig(), RewriteConfig(url, "m"))
        try:
            async with one.parsed(document_called("mill.md"), folder, options) as parsed:
                return parsed.text
        finally:
            await one.close()


def stored(request: web.Request) -> web.Response:
    """An S3 server that takes all, and has nothing."""
    if request.method == "PUT":
        return web.Response(headers={"ETag": '"x"'})
    if "location" in request.query:
        return web.Response(text="<LocationConstraint/>", content_type="application/xml")
    return web.Response(status=404, text=NO_KEY, content_type="application/xml")


def said(text: str) -> web.Response:
    message = {"role": "assistant", "content": text}
    body: dict[str, Any] = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    return web.json_response(body | {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})


async def test_a_document_with_a_block_that_the_server_refuses_is_parsed(tmp_path: Path) -> None:
    text = await parsed_text(tmp_path, 400)
    assert "The mill stands here." in text
    assert "The rnill was sold." in text
    assert len(text) == len(TEXT) - 1


async def test_a_document_with_a_block_that_has_no_answer_yet_is_not_parsed_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.cleaning.rewriting.RETRIES", 0)
    with pytest.raises(Unavailable) as raised:
        await parsed_text(tmp_path, 503)
    assert raised.value.reason == "REWRITE_INCOMPLETE"
