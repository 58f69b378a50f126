from __future__ import annotations

import pytest
from aiohttp import web

from services.ingest.documents import Upload
from services.ingest.uploads import copy_checked
from services.runtime.errors import InvalidArgument
from services.runtime.storage import Storage
from tests.support.web_server import served

SENT = b"far more than was announced"


async def test_more_than_was_announced_is_neither_copied_nor_read() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.method)
        if request.method == "DELETE":
            return web.Response(status=204)
        headers = {"ETag": '"x"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        return web.Response(body=SENT, headers=headers)

    async with served(answer) as url:
        storage = Storage(url.removesuffix("/v1"), "key", "secret", "bucket")
        upload = Upload("u", "p", "a.md", "text/markdown", 3, "0" * 64, "documents/p/u/file", None)
        with pytest.raises(InvalidArgument, match=f"{len(SENT)} bytes arrived, 3 were announced") as raised:
            await copy_checked(storage, upload, "documents/p/new/file")
        storage.close()
    assert raised.value.reason == "UPLOAD_MISMATCH"
    assert asked == ["HEAD", "DELETE"]
