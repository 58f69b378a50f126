from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from tests.unit.ingest.fetching.servers import PAGE, answering, failure, fetcher, moved, served


async def test_a_redirect_is_checked_anew(tmp_path: Path) -> None:
    async with served(moved("http://127.0.0.2/secret")) as url:
        error = await failure(fetcher(), url, tmp_path / "file")
    assert error.reason == "ADDRESS_PRIVATE"
    assert error.metadata["host"] == "127.0.0.2"


async def test_a_name_that_changes_its_address_before_a_redirect_is_refused(tmp_path: Path) -> None:
    resolve, asked = answering(["127.0.0.1"], ["169.254.169.254"])
    async with served(moved("/v1/again")) as url:
        named = url.replace("127.0.0.1", "rebind.example")
        error = await failure(fetcher(resolve=resolve), named, tmp_path / "file")
    assert error.reason == "ADDRESS_PRIVATE"
    assert len(asked) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_and_the_name_stays_that_of_the_url(tmp_path: Path, status: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/old"):
            assert "Cookie" not in request.headers
            return web.Response(status=status, headers={"Location": "new?signature=1", "Set-Cookie": "a=b"})
        assert "Cookie" not in request.headers
        return web.Response(body=b"%PDF-1.7", content_type="application/pdf")

    async with served(answer) as url:
        fetched = await fetcher().fetch(f"{url}old", tmp_path / "file")
    assert fetched.url == f"{url}new?signature=1"
    assert fetched.name.endswith("/v1/old.pdf")


async def test_five_redirects_are_followed_and_six_are_not(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        left = int(request.query["left"])
        if left:
            return web.Response(status=302, headers={"Location": f"?left={left - 1}"})
        return web.Response(body=PAGE, content_type="text/html")

    async with served(answer) as url:
        assert (await fetcher().fetch(f"{url}?left=5", tmp_path / "file")).size_bytes == len(PAGE)
        error = await failure(fetcher(), f"{url}?left=6", tmp_path / "other")
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "URL_REDIRECT_INVALID")


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://user:hunter2@127.0.0.1/",
        "http://a.example:99999/",
    ],
)
async def test_a_redirect_to_what_may_not_be_fetched_is_refused(tmp_path: Path, location: str) -> None:
    async with served(moved(location)) as url:
        error = await failure(fetcher(), url, tmp_path / "file")
    assert error.reason == "URL_REDIRECT_INVALID"
    assert "hunter2" not in str(vars(error))
