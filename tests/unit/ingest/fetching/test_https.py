from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.ingest.config import FetchConfig
from services.ingest.fetching.fetcher import Fetcher
from tests.unit.ingest.fetching.servers import LOOPBACK, answering, failure, page, served


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
