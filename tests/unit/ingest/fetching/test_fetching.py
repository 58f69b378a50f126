from __future__ import annotations

import asyncio
import gzip
import hashlib
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.ingest.config import FetchConfig
from services.ingest.documents import check_name
from services.ingest.fetching.addresses import is_allowed, networks
from services.ingest.fetching.fetcher import Fetched, Fetcher, parse_url
from services.ingest.fetching.names import document_name, file_name, format_of_answer
from services.ingest.formats import BY_MEDIA_TYPE
from services.runtime.config import read
from services.runtime.errors import InvalidArgument, SishuError
from tests.support.web_server import served as served_under

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK = "127.0.0.1/32"
"""The one address that good cases allow: all others of the machine stay private."""
PAGE = b"<h1>Returns</h1>"


def fetcher(private_addresses: str = LOOPBACK, resolve: object = None, **settings: float) -> Fetcher:
    config = FetchConfig(private_addresses=private_addresses, **settings)  # type: ignore[arg-type]  # one is whole
    return Fetcher(config, resolve) if resolve else Fetcher(config)  # type: ignore[arg-type]  # see `answering`


def answering(*answers: Sequence[str]) -> tuple[Callable[[str, int], Awaitable[Sequence[str]]], list[str]]:
    """A resolver that gives these answers in turn, the last for ever; and the hosts that it was asked for."""
    left, asked = list(answers), []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve, asked


async def failure(fetching: Fetcher, url: str, path: Path) -> SishuError:
    with pytest.raises(SishuError) as raised:
        await fetching.fetch(url, path)
    assert not path.exists()
    return raised.value


def page(body: bytes = PAGE, status: int = 200, **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={"Content-Type": "text/html", **named})

    return answer


def moved(location: str, status: int = 302) -> Handler:
    return page(b"", status, Location=location)


@asynccontextmanager
async def served(answer: Handler) -> AsyncIterator[str]:
    async with served_under(answer) as url:
        yield f"{url}/"


@asynccontextmanager
async def raw_server(answer: bytes, pause: float = 0.0) -> AsyncIterator[str]:
    """A server that sends these bytes whatever is asked, one by one if there is a pause between them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in [answer] if not pause else [bytes([byte]) for byte in answer]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


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


PRIVATE_HOSTS = [
    "127.0.0.1",
    "localhost",
    "0.0.0.0",  # noqa: S104  # nothing is bound to it
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "127.1",
]


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
async def test_private_addresses_are_refused_in_every_notation(tmp_path: Path, host: str) -> None:
    error = await failure(fetcher(""), f"http://{host}/latest/meta-data", tmp_path / "file")
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "ADDRESS_PRIVATE")
    assert "SISHU_INGEST_PRIVATE_ADDRESSES" in error.message
    assert error.metadata["host"] == host.strip("[]")


@pytest.mark.parametrize("host", ["0177.0.0.1", "127.0.0.1.", "a..b", "-", "a b", "[::1", "%31%32"])
async def test_odd_hosts_end_in_an_error_with_a_reason(tmp_path: Path, host: str) -> None:
    error = await failure(fetcher(""), f"http://{host}/", tmp_path / "file")
    assert error.reason in {"URL_INVALID", "ADDRESS_PRIVATE", "URL_UNREACHABLE"}


async def test_a_name_with_one_private_address_among_its_addresses_is_refused(tmp_path: Path) -> None:
    for answer in (["93.184.216.34", "10.0.0.5"], ["10.0.0.5", "93.184.216.34"], ["2606:4700::1", "::1"]):
        resolve, _ = answering(answer)
        error = await failure(fetcher("", resolve), "https://mixed.example/", tmp_path / "file")
        assert error.reason == "ADDRESS_PRIVATE"
        assert "mixed.example" in error.message
        assert "10.0.0.5" not in str(vars(error))


async def test_a_name_that_changes_its_address_between_check_and_connection_changes_nothing(
    tmp_path: Path,
) -> None:
    resolve, asked = answering(["127.0.0.1"], ["127.0.0.2"])
    async with served(page()) as url:
        fetched = await fetcher(resolve=resolve).fetch(
            url.replace("127.0.0.1", "rebind.example"), tmp_path / "file"
        )
    assert fetched.size_bytes == len(PAGE)
    assert asked == ["rebind.example"]


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


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://a.example/",
        "ftp://a.example/",
        "data:text/html,hello",
        "a.example/page",
        "//a.example",
        "http://",
        "http:///page",
        "https://user:hunter2@a.example/",
        "https://user@a.example/",
        "http://user:hunter2/x@a.example:y/",
        "http://a.example:99999/",
        "http://a.example/\nHost: b",
        "http://a\u0000.example/",
        "http://xn--\u2603.example/",
        "http://a.example/\ud800",
        "",
        "http://a.example/" + "a" * 70000,
    ],
)
async def test_what_is_no_web_address_is_refused_and_never_repeated(tmp_path: Path, url: str) -> None:
    error = await failure(fetcher(), url, tmp_path / "file")
    assert (error.code, error.reason, error.field) == ("INVALID_ARGUMENT", "URL_INVALID", "url")
    assert "hunter2" not in str(vars(error))


async def test_keys_in_a_query_are_not_told(tmp_path: Path) -> None:
    async with served(page(status=404)) as url:
        error = await failure(fetcher(), f"{url}a?key=hunter2", tmp_path / "file")
    assert "hunter2" not in str(vars(error))
    assert f"{url}a" in error.message


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
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE)[:-9],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE) + b"no gzip",
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


def certified(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server with a certificate for a host, and for a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    kind = serialization.PrivateFormat.PKCS8
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    )
    (folder / "certificate").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "certificate", folder / "key")
    return server, ssl.create_default_context(cafile=str(folder / "certificate"))


@asynccontextmanager
async def tls_server(context: ssl.SSLContext, answer: bytes) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_the_certificate_is_checked_for_the_host_and_not_for_the_address(tmp_path: Path) -> None:
    server, client = certified(tmp_path, "docs.example")
    resolve, _ = answering(["127.0.0.1"])
    fetching = Fetcher(FetchConfig(private_addresses=LOOPBACK), resolve, client)
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"
    async with tls_server(server, answer) as port:
        assert (await fetching.fetch(f"https://docs.example:{port}/", tmp_path / "file")).size_bytes == 2
        error = await failure(fetching, f"https://other.example:{port}/", tmp_path / "other")
    assert error.reason == "URL_UNREACHABLE"
    assert "certificate" in error.message


async def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    server, client = certified(tmp_path, "docs.example")
    resolve, _ = answering(["127.0.0.1"])
    fetching = Fetcher(FetchConfig(private_addresses=LOOPBACK), resolve, client)
    async with served(page()) as plain:
        answer = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {plain}\r\n\r\n".encode()
        async with tls_server(server, answer) as port:
            error = await failure(fetching, f"https://docs.example:{port}/", tmp_path / "file")
    assert error.reason == "URL_REDIRECT_INVALID"
    assert "https to http" in error.message


async def test_a_redirect_to_another_host_at_the_same_address_is_verified_for_that_host(
    tmp_path: Path,
) -> None:
    server, client = certified(tmp_path, "docs.example")
    resolve, asked = answering(["127.0.0.1"])
    fetching = Fetcher(FetchConfig(private_addresses=LOOPBACK), resolve, client)
    location = ""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The connection is kept open for a second request.
        while await reader.readline() not in {b"\r\n", b""}:
            pass
        writer.write(f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode())

    one = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    port = one.sockets[0].getsockname()[1]
    location = f"https://other.example:{port}/"
    error = await failure(fetching, f"https://docs.example:{port}/", tmp_path / "file")
    one.close()
    assert "certificate" in error.message
    assert asked == ["docs.example", "other.example"]


@pytest.mark.parametrize(
    ("content_type", "names", "media_type"),
    [
        ("text/html; charset=gb2312", ("a.pdf",), "text/html"),
        ("TEXT/HTML", ("a",), "text/html"),
        ("application/xhtml+xml", ("a",), "text/html"),
        ("", ("a",), "text/html"),
        ("", ("a.pdf",), "application/pdf"),
        ("application/pdf", ("a",), "application/pdf"),
        ("text/plain; charset=utf-8", ("README.md",), "text/markdown"),
        ("text/plain", ("main.py",), "text/x-python"),
        ("text/plain", ("a",), "text/plain"),
        ("text/x-rst", ("a.rst",), "text/plain"),
        (
            "application/octet-stream",
            ("", "report.DOCX"),
            BY_MEDIA_TYPE["application/pdf"].media_type.replace(
                "pdf", "vnd.openxmlformats-officedocument.wordprocessingml.document"
            ),
        ),
        ("application/octet-stream", ("report.csv", "download"), "text/csv"),
        ("application/zip", ("book.epub",), "application/epub+zip"),
        ("application/zip", ("a",), "application/zip"),
        ("application/ld+json", ("a",), "application/json"),
        ("application/atom+xml", ("feed",), "text/x-xml"),
        ("application/x-ndjson", ("a",), "application/jsonl"),
        ("application/vnd.unknown", ("a.txt",), "text/plain"),
    ],
)
def test_the_format_is_told_by_content_type_and_by_the_name_where_that_is_vague(
    content_type: str, names: tuple[str, ...], media_type: str
) -> None:
    assert format_of_answer(content_type, *names).media_type == media_type


@pytest.mark.parametrize("content_type", ["image/png", "video/mp4", "application/octet-stream", "nonsense"])
def test_a_format_that_nothing_tells_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidArgument, match="page, a text"):
        format_of_answer(content_type, "a", "http://a.example/a")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", ""),
        ("inline", ""),
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=a.pdf", "a.pdf"),
        ("attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf", "报告.pdf"),
        ("attachment; filename=\"report.pdf\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf", "报告.pdf"),
        ("attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf; filename=\"report.pdf\"", "报告.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\a.pdf"', "a.pdf"),
        ('attachment; filename="报告.pdf"', "报告.pdf"),
        ("attachment; filename*=GB18030'zh'%B1%A8%B8%E6.pdf", "报告.pdf"),
        ("attachment; filename*=nonsense''%FF.pdf", "\ufffd.pdf"),
        ("attachment; filename*=", ""),
    ],
)
def test_the_file_name_is_read_in_every_notation(header: str, name: str) -> None:
    assert file_name(header) == name


@pytest.mark.parametrize(
    ("url", "filename", "name"),
    [
        ("https://a.example", "", "a.example/index.html"),
        ("https://a.example/", "", "a.example/index.html"),
        ("https://a.example/docs/", "", "a.example/docs/index.html"),
        ("https://a.example/docs", "", "a.example/docs.html"),
        ("https://A.example:8443/x/page.htm", "", "a.example_8443/x/page.htm"),
        ("https://a.example/page.php", "", "a.example/page.php.html"),
        ("https://a.example/v1.2", "", "a.example/v1.2.html"),
        ("https://a.example/%E9%80%80%E8%B4%A7", "", "a.example/退货.html"),
        ("https://a.example/download/7", "returns.html", "a.example/download/7/returns.html"),
    ],
)
def test_a_document_is_named_after_host_and_path(url: str, filename: str, name: str) -> None:
    assert document_name(parse_url(url), filename, BY_MEDIA_TYPE["text/html"]) == name


def test_every_url_has_a_name_of_its_own_that_a_document_may_have() -> None:
    urls = [
        "http://a.example/a?x=1",
        "http://a.example/a?x=2",
        "http://a.example/a",
        "http://a.example/a/b",
        "http://a.example/a%2Fb",
        "http://a.example/a_b",
        "http://a.example/a%5Cb",
        "http://a.example//a//b",
        "http://a.example/%2e%2e/%2e%2e/etc/passwd",
        "http://a.example/%00%0a",
        "http://a.example/" + "x" * 400,
        "http://a.example/" + "x" * 401,
        "http://a.example/" + "/".join("y" * 50 for _ in range(30)),
        "http://a.example/" + "/".join("y" * 50 for _ in range(31)),
        "http://" + ".".join(["h" * 60] * 4) + "/" + "z" * 300,
        "http://[2606:4700::1111]:81/a",
    ]
    names = [document_name(parse_url(url), "", BY_MEDIA_TYPE["text/html"]) for url in urls]
    for name in names:
        check_name(name)
        assert len(name) <= 500
        assert name.endswith(".html")
    assert len(set(names)) == len(urls)


def test_networks_are_read_and_nonsense_is_refused() -> None:
    assert networks("") == ()
    assert is_allowed("10.1.2.3", networks("10.1.0.0/16, fd00::/8"))
    assert is_allowed("::ffff:10.1.2.3", networks("10.1.0.0/16"))
    assert not is_allowed("10.2.2.3", networks("10.1.0.0/16"))
    assert is_allowed("127.0.0.1", networks("all"))
    assert is_allowed("::1", networks("true"))
    assert is_allowed("93.184.216.34", ())
    assert is_allowed("2606:4700:4700::1111", ())
    assert is_allowed("64:ff9b::5db8:d822", ())
    with pytest.raises(InvalidArgument, match="SISHU_INGEST_PRIVATE_ADDRESSES"):
        Fetcher(read(FetchConfig, {"SISHU_INGEST_PRIVATE_ADDRESSES": "the intranet"}))


async def test_a_fetched_page_can_be_fetched_again_under_the_same_name(tmp_path: Path) -> None:
    fetched: list[Fetched] = []
    async with served(page()) as url:
        for number in range(2):
            fetched.append(await fetcher().fetch(f"{url}a?b=c", tmp_path / str(number)))
    assert fetched[0] == fetched[1]
