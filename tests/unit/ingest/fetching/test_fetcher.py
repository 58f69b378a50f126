from __future__ import annotations

import asyncio
import gzip
import hashlib
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from services.ingest.fetching.fetcher import Fetched
from tests.unit.ingest.fetching.servers import PAGE, answering, failure, fetcher, page, raw_server, served


async def test_a_page_lands_in_the_file_with_hash_type_and_name(tmp_path: Path) -> None:
    async with served(page()) as url:
        fetched = await fetcher().fetch(f"{url}help/returns?item=7&sort=up#top", tmp_path / "file")
        port = url.split(":")[2].split("/")[0]
    assert (tmp_path / "file").read_bytes() == PAGE
    assert (fetched.size_bytes, fetched.sha256) == (len(PAGE), hashlib.sha256(PAGE).hexdigest())
    assert fetched.media_type == "text/html"
    assert fetched.url == f"{url}help/returns?item=7&sort=up"
    assert fetched.name.startswith(f"127.0.0.1_{port}/v1/help/returns-")
    assert fetched.name.endswith(".html")


async def test_the_host_is_named_to_the_server_although_the_connection_goes_to_an_address(
    tmp_path: Path,
) -> None:
    hosts = []

    async def answer(request: web.Request) -> web.Response:
        hosts.append(request.headers["Host"])
        return web.Response(body=PAGE, content_type="text/html")

    resolve, asked = answering(["127.0.0.1"])
    async with served(answer) as url:
        named = url.replace("127.0.0.1", "docs.example")
        fetched = await fetcher(resolve=resolve).fetch(named, tmp_path / "file")
    assert hosts == [named.split("/")[2]]
    assert asked == ["docs.example"]
    assert fetched.url == named


async def test_the_next_address_is_tried_where_one_takes_no_connection(tmp_path: Path) -> None:
    resolve, _ = answering(["127.0.0.2", "127.0.0.1"])
    async with served(page()) as url:
        fetched = await fetcher("127.0.0.0/8", resolve).fetch(url, tmp_path / "file")
    assert fetched.size_bytes == len(PAGE)


async def test_the_environments_proxies_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with served(page()) as url:
        assert (await fetcher().fetch(url, tmp_path / "file")).size_bytes == len(PAGE)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "FAILED_PRECONDITION"),
        (401, "FAILED_PRECONDITION"),
        (404, "FAILED_PRECONDITION"),
        (304, "FAILED_PRECONDITION"),
        (429, "UNAVAILABLE"),
        (500, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
    ],
)
async def test_a_refusal_says_its_status(tmp_path: Path, status: int, code: str) -> None:
    async with served(page(b"", status, Retry_After="7")) as url:
        error = await failure(fetcher(), url, tmp_path / "file")
    assert (error.code, error.reason, error.metadata["status"]) == (code, "URL_REFUSED", str(status))
    asked = {"retry_after_seconds": "7.0"} if code == "UNAVAILABLE" else {}
    assert {name: said for name, said in error.metadata.items() if name == "retry_after_seconds"} == asked


async def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    async def nothing(host: str, port: int) -> Sequence[str]:
        return []

    async def silent(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    errors = [
        await failure(fetcher(), "http://127.0.0.1:9/", tmp_path / "file"),
        await failure(fetcher(resolve=unknown), "http://no.example/", tmp_path / "file"),
        await failure(fetcher(resolve=nothing), "http://no.example/", tmp_path / "file"),
        await failure(fetcher(resolve=silent, connect_seconds=0.1), "http://no.example/", tmp_path / "file"),
    ]
    assert {(error.code, error.reason) for error in errors} == {("UNAVAILABLE", "URL_UNREACHABLE")}


async def test_a_body_that_drips_ends_at_the_deadline(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\n\r\n"
    async with raw_server(head + b"a" * 1000, pause=0.01) as url:
        error = await failure(fetcher(seconds=0.5), url, tmp_path / "file")
    assert (error.code, error.reason) == ("UNAVAILABLE", "URL_UNREACHABLE")
    assert "0.5 s" in error.message


async def test_headers_that_drip_end_at_the_deadline(tmp_path: Path) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000, pause=0.01) as url:
        error = await failure(fetcher(seconds=0.5), url, tmp_path / "file")
    assert error.reason == "URL_UNREACHABLE"


async def test_silence_ends_after_the_longest_silence(tmp_path: Path) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\n", pause=5) as url:
        error = await failure(fetcher(read_seconds=0.2), url, tmp_path / "file")
    assert error.reason == "URL_UNREACHABLE"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE, mtime=0)[:-9],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE, mtime=0) + b"no gzip",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_damaged_or_cut_off_is_unreachable(tmp_path: Path, answer: bytes) -> None:
    async with raw_server(answer) as url:
        error = await failure(fetcher(), url, tmp_path / "file")
    assert (error.code, error.reason) == ("UNAVAILABLE", "URL_UNREACHABLE")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2000\r\n\r\n",
        b"\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n",
    ],
)
async def test_what_is_too_large_is_refused_whatever_length_is_told(tmp_path: Path, head: bytes) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + head + b"a" * 2000) as url:
        error = await failure(fetcher(most_bytes=1000), url, tmp_path / "file")
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "URL_TOO_LARGE")
    assert "SISHU_INGEST_FETCH_MOST_BYTES" in error.message


async def test_a_compressed_page_is_unpacked(tmp_path: Path) -> None:
    text = "".join(f"<p>line {number}</p>" for number in range(200_000)).encode()
    async with served(
        page(gzip.compress(text[:1000]) + gzip.compress(text[1000:]), Content_Encoding="gzip")
    ) as url:
        fetched = await fetcher().fetch(url, tmp_path / "file")
    assert fetched.sha256 == hashlib.sha256(text).hexdigest()


async def test_a_gzip_bomb_stops_at_the_limit_and_takes_no_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(100_000_000))
    fetching = fetcher(most_bytes=3_000_000)
    async with served(page(bomb, Content_Encoding="gzip")) as url:
        tracemalloc.start()
        try:
            error = await failure(fetching, url, tmp_path / "file")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert error.reason == "URL_TOO_LARGE"
    assert peak < 12_000_000


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "compress"])
async def test_a_coding_that_was_not_asked_for_is_refused(tmp_path: Path, coding: str) -> None:
    async with served(page(gzip.compress(gzip.compress(PAGE)), Content_Encoding=coding)) as url:
        error = await failure(fetcher(), url, tmp_path / "file")
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "URL_REFUSED")


async def test_a_kind_of_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    async with served(page(b"GIF89a", Content_Type="image/gif")) as url:
        error = await failure(fetcher(), f"{url}a", tmp_path / "file")
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "FORMAT_UNSUPPORTED")
    assert "image/gif" in error.message


async def test_an_abandoned_fetch_leaves_no_file(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    async with raw_server(head + b"a" * 1000, pause=0.01) as url:
        fetching = asyncio.create_task(fetcher().fetch(url, tmp_path / "file"))
        async with asyncio.timeout(10):
            while not (tmp_path / "file").exists():
                await asyncio.sleep(0.01)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
    assert not (tmp_path / "file").exists()


async def test_a_fetched_page_can_be_fetched_again_under_the_same_name(tmp_path: Path) -> None:
    fetched: list[Fetched] = []
    async with served(page()) as url:
        for number in range(2):
            fetched.append(await fetcher().fetch(f"{url}a?b=c", tmp_path / str(number)))
    assert fetched[0] == fetched[1]
