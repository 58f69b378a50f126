"""Fetch a document by its URL into a file, without being led to where the caller may not look.

Every address that the URL's host has is checked, and the connection goes to the checked address itself, so
that a name which changes its address meanwhile (DNS rebinding) changes nothing. TLS is verified for the host.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.ingest.config import FetchConfig
from services.ingest.documents import check_name
from services.ingest.fetching.addresses import Resolver, is_allowed, networks, resolved
from services.ingest.fetching.names import document_name, file_name, format_of_answer
from services.runtime.errors import FailedPrecondition, InvalidArgument, SishuError, Unavailable
from services.runtime.retry_after import retry_after

MOST_REDIRECTS = 5
MOST_ADDRESSES = 4
"""So many of a host's addresses are tried until one takes the connection."""
PIECE_BYTES = 1 << 20
HEADERS = {
    "User-Agent": "Sishu/0.1 (document reader)",
    "Accept": "text/html,application/xhtml+xml,application/pdf,text/*;q=0.9,*/*;q=0.8",
    "Accept-Encoding": "gzip",
}
PASSING_STATUSES = {408, 425, 429}
"""Client errors that pass."""


@dataclass(frozen=True)
class Fetched:
    """What a URL gave.

    Args:
        url: where it was found in the end, after redirects.
        media_type: of the format that reads it.
        name: suggested name of the document; the same for every fetch of the same URL.
        size_bytes: after decompression.
        sha256: of the bytes in the file.
    """

    url: str
    media_type: str
    name: str
    size_bytes: int
    sha256: str


class Fetcher:
    """Fetches URLs.

    Args:
        config: the limits.
        resolve: finds the addresses of a host.
        tls: how servers' certificates are checked; by default as httpx does (`SSL_CERT_FILE`, else certifi).
    """

    def __init__(
        self, config: FetchConfig, resolve: Resolver = resolved, tls: ssl.SSLContext | None = None
    ) -> None:
        self._config = config
        self._allowed = networks(config.private_addresses)
        self._resolve = resolve
        self._tls = tls or httpx.create_ssl_context()
        self._timeout = httpx.Timeout(config.read_seconds, connect=config.connect_seconds)

    async def fetch(self, url: str, path: Path) -> Fetched:
        """Fetch a URL into a file; after an error there is no file.

        Raises:
            InvalidArgument: the URL, what it redirects to, or what it gives cannot be used.
            FailedPrecondition: the server refuses.
            Unavailable: the server cannot be reached, or asks to come again.
        """
        first = parse_url(url)
        try:
            with kept_if_whole(path):
                async with asyncio.timeout(self._config.seconds):
                    return await self._follow(first, path)
        except TimeoutError:
            raise unreachable(first, f"it took longer than {self._config.seconds:g} s") from None
        except (httpx.HTTPError, ssl.SSLError, zlib.error) as error:
            raise unreachable(first, str(error) or type(error).__name__) from error

    async def _follow(self, first: httpx.URL, path: Path) -> Fetched:
        url = first
        for _ in range(MOST_REDIRECTS + 1):
            async with self._answer(url) as answer:
                if not answer.has_redirect_location:
                    return await self._keep(first, url, answer, path)
                url = redirected(url, answer.headers["Location"])
        raise redirect_invalid(first, f"it redirects more than {MOST_REDIRECTS} times")

    @asynccontextmanager
    async def _answer(self, url: httpx.URL) -> AsyncIterator[httpx.Response]:
        """The answer to one request, its body not yet read."""
        addresses = await self._addresses(url)
        # A client for each request: a kept connection was verified for another host, and cookies are
        # stored by address.
        async with httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=self._timeout) as client:
            answer = await first_answer(client, url, addresses)
            try:
                yield answer
            finally:
                await answer.aclose()

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        """The checked addresses of a URL's host.

        Raises:
            InvalidArgument: one of them must not be fetched from.
            Unavailable: there are none.
        """
        host = url.raw_host.decode("ascii")
        try:
            async with asyncio.timeout(self._config.connect_seconds):
                addresses = await self._resolve(host, url.port or (443 if url.scheme == "https" else 80))
        except (OSError, UnicodeError) as error:
            raise unreachable(url, f"the host {host} is not known ({error or 'it took too long'})") from error
        if not addresses:
            raise unreachable(url, f"the host {host} has no address")
        # The address itself is not told: the names of the inner network are nobody's business.
        if not all(is_allowed(address, self._allowed) for address in addresses):
            raise InvalidArgument(
                "ADDRESS_PRIVATE",
                f"{shown(url)}: the host {host} has an address that is not public; if it may be read, name "
                "its network in SISHU_INGEST_PRIVATE_ADDRESSES",
                "url",
                url=shown(url),
                host=host,
            )
        return addresses

    async def _keep(self, first: httpx.URL, url: httpx.URL, answer: httpx.Response, path: Path) -> Fetched:
        """Write the body of an answer into the file."""
        check_status(url, answer)
        filename = file_name(answer.headers.get("Content-Disposition", ""))
        names = (filename, url.path, first.path, shown(url))
        form = format_of_answer(answer.headers.get("Content-Type", ""), *names)
        name = document_name(first, filename, form)
        check_name(name)
        size, digest = await self._write(url, answer, path)
        return Fetched(str(url), form.media_type, name, size, digest)

    async def _write(self, url: httpx.URL, answer: httpx.Response, path: Path) -> tuple[int, str]:
        """Write the body; return its size and hash."""
        if int(answer.headers.get("Content-Length", "0")) > self._config.most_bytes:
            raise self._too_large(url)
        size, digest = 0, hashlib.sha256()
        with path.open("wb") as file:
            async for piece in decoded(url, answer):
                size += len(piece)
                if size > self._config.most_bytes:
                    raise self._too_large(url)
                digest.update(piece)
                file.write(piece)
        return size, digest.hexdigest()

    def _too_large(self, url: httpx.URL) -> InvalidArgument:
        most = self._config.most_bytes
        return InvalidArgument(
            "URL_TOO_LARGE",
            f"{shown(url)}: the file has more than {most} bytes; raise SISHU_INGEST_FETCH_MOST_BYTES",
            "url",
            url=shown(url),
            most_bytes=str(most),
        )


@contextmanager
def kept_if_whole(path: Path) -> Iterator[None]:
    """Remove a file if writing it fails."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def first_answer(client: httpx.AsyncClient, url: httpx.URL, addresses: Sequence[str]) -> httpx.Response:
    """Ask the first of a host's addresses that takes the connection.

    Raises:
        httpx.HTTPError: none does, or it does not answer.
    """
    *others, last = addresses[:MOST_ADDRESSES]
    for address in others:
        try:
            return await client.send(request(client, url, address), stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return await client.send(request(client, url, last), stream=True)


def request(client: httpx.AsyncClient, url: httpx.URL, address: str) -> httpx.Request:
    """A request that goes to an address, and names the host to server and TLS."""
    return client.build_request(
        "GET",
        url.copy_with(host=address),
        headers={**HEADERS, "Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.raw_host.decode("ascii").rstrip(".")},
    )


def parse_url(text: str) -> httpx.URL:
    """A URL that may be fetched, by its form.

    Raises:
        InvalidArgument: it may not. The message holds no part of it, which may be a password.
    """
    try:
        url = httpx.URL(text.strip()).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError):
        raise url_invalid("cannot be read") from None
    if url.scheme not in {"http", "https"}:
        raise url_invalid("has another scheme than http and https")
    if not url.raw_host or not 0 < (url.port or 80) < 65536:
        raise url_invalid("names no host, or a port that there is not")
    if url.userinfo:
        raise url_invalid("holds a user name or password, which would be stored with the document")
    return url


def redirected(url: httpx.URL, location: str) -> httpx.URL:
    """Where an answer leads.

    Raises:
        InvalidArgument: it may not be followed.
    """
    try:
        target = str(url.join(location))
    except (httpx.InvalidURL, ValueError):
        raise redirect_invalid(url, "it redirects to what is no URL") from None
    try:
        found = parse_url(target)
    except InvalidArgument as error:
        raise redirect_invalid(url, f"it redirects: {error.message}") from None
    if url.scheme == "https" and found.scheme == "http":
        raise redirect_invalid(url, "it redirects from https to http, where anybody can change the text")
    return found


def check_status(url: httpx.URL, answer: httpx.Response) -> None:
    """Refuse an answer that is no success.

    Raises:
        Unavailable: another time it may be one.
        FailedPrecondition: it will stay so.
    """
    if answer.is_success:
        return
    status = answer.status_code
    message = f"{shown(url)}: the server answers HTTP {status} {answer.reason_phrase[:100]}".rstrip()
    details = {"url": shown(url), "status": str(status)}
    if status in PASSING_STATUSES or answer.is_server_error:
        said = retry_after(answer.headers.get("Retry-After", ""))
        raise Unavailable("URL_REFUSED", f"{message}; try again later", "url", **details, **said)
    raise FailedPrecondition(
        "URL_REFUSED", f"{message}; check the address, and that it needs no login", "url", **details
    )


async def decoded(url: httpx.URL, answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body without its gzip coding, in pieces of bounded size however much it was compressed.

    Raises:
        FailedPrecondition: it has another coding, which was not asked for.
        zlib.error: it is damaged.
    """
    coding = answer.headers.get("Content-Encoding", "").strip().lower()
    if coding in {"", "identity"}:
        async for raw in answer.aiter_raw():
            yield raw
        return
    if coding not in {"gzip", "x-gzip"}:
        raise FailedPrecondition(
            "URL_REFUSED",
            f"{shown(url)}: the server sends the coding {coding[:50]!r}, only gzip was asked for",
            "url",
            url=shown(url),
        )
    unzip = zlib.decompressobj(wbits=31)
    async for raw in answer.aiter_raw():
        left = raw
        while left:
            if unzip.eof:
                unzip = zlib.decompressobj(wbits=31)
            yield unzip.decompress(left, PIECE_BYTES)
            left = unzip.unconsumed_tail or unzip.unused_data
    yield unzip.flush()
    if not unzip.eof:
        raise zlib.error("the compressed body was cut off")


def shown(url: httpx.URL) -> str:
    """A URL as messages and logs may have it: without its query, which may hold keys."""
    return str(url.copy_with(query=None))[:500]


def url_invalid(why: str) -> InvalidArgument:
    """The error for a URL that is none."""
    return InvalidArgument(
        "URL_INVALID", f"the URL {why}; write it as https://host/path, as a browser shows it", "url"
    )


def redirect_invalid(url: httpx.URL, why: str) -> InvalidArgument:
    """The error for an answer that leads astray."""
    return InvalidArgument(
        "URL_REDIRECT_INVALID",
        f"{shown(url)}: {why}; give the address where the document is",
        "url",
        url=shown(url),
    )


def unreachable(url: httpx.URL, why: str) -> SishuError:
    """The error for a server that does not answer as it should; it may later."""
    return Unavailable(
        "URL_UNREACHABLE",
        f"{shown(url)} cannot be fetched: {why[:300]}; check the address, and that it can be reached "
        "from here",
        "url",
        url=shown(url),
    )
