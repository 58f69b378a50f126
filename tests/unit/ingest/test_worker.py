from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from services.ingest.worker import together
from services.runtime.errors import Unavailable
from services.runtime.faults import RETRYABLE, as_sishu_error
from services.runtime.storage import Storage
from tests.support.web_server import served

REFUSAL = "<Error><Code>SlowDown</Code><Message>later</Message></Error>"


async def test_a_picture_that_is_not_taken_at_once_is_sent_again_with_the_document(tmp_path: Path) -> None:
    files = [(f"images/{number}.png", tmp_path / f"{number}.png", "image/png") for number in range(30)]
    for _, path, _ in files:
        path.write_bytes(b"picture")
    refused, taken = list[str](), set[str]()

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        if request.path.endswith("/7.png") and not refused:
            refused.append(request.path)
            return web.Response(status=403, text=REFUSAL, content_type="application/xml")
        taken.add(request.path.rpartition("/")[2])
        return web.Response(headers={"ETag": '"x"'})

    async with served(answer) as url:
        storage = Storage(url.removesuffix("/v1"), "key", "secret", "bucket")
        with pytest.raises(Unavailable) as raised:
            await together(files, storage)
        # So the queue delivers the document again.
        assert as_sishu_error(raised.value).code in RETRYABLE
        await together(files, storage)
        storage.close()
    assert taken == {path.name for _, path, _ in files}
