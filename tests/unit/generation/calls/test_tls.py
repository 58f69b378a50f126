"""Why no connection to a model's server comes about: its name, its certificate, or TLS on one side only."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.generation.calls.modes import PLAIN_TEXT
from services.generation.calls.transport import Transport
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint
from services.runtime.errors import SishuError
from sishu.cli.failures import in_words
from tests.support.alone import llm_alone

MESSAGES = [{"role": "user", "content": "Say yes."}]
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n"
YES = PLAIN + b'{"choices": [{"message": {"content": "yes, as was asked"}}]}'
TO_TLS_PORT = b"The plain HTTP request was sent to HTTPS port"
REFUSED = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 51\r\n\r\n<html>" + TO_TLS_PORT
)


@pytest_asyncio.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport(5)
    yield made
    await made.close()


@pytest.fixture
def secure(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS with a certificate that the server signed itself, and the file of that."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "model server")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    shown = tmp_path / "certificate.pem"
    shown.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, path)
    return context, shown


@asynccontextmanager
async def said(reply: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says the same to whatever comes; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(reply)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


async def failure(transport: Transport, base_url: str) -> SishuError:
    prompt = Prompt("answer.en@1", ["You answer.", "Say yes."])
    with pytest.raises(SishuError) as raised:
        await llm_alone(transport).ask([Endpoint(base_url, "m")], prompt, PLAIN_TEXT, str, {})
    return raised.value


async def test_a_certificate_that_is_not_trusted_is_named(
    transport: Transport, secure: tuple[ssl.SSLContext, Path]
) -> None:
    async with said(YES, secure[0]) as port:
        error = await failure(transport, f"https://127.0.0.1:{port}/v1")
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "PROVIDER_CERTIFICATE_REFUSED")
    assert "self-signed certificate" in error.message
    assert "SSL_CERT_FILE" in error.message
    assert "证书不受信任：self-signed certificate" in in_words(
        error.reason, error.message, error.metadata, "zh"
    )


async def test_a_certificate_that_is_named_is_trusted(
    secure: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secure[1]))
    transport = Transport(5)
    async with said(YES, secure[0]) as port:
        reply = await transport.complete(Endpoint(f"https://127.0.0.1:{port}/v1", "m"), MESSAGES, {})
    await transport.close()
    assert reply.text == "yes, as was asked"


@pytest.mark.parametrize(
    ("reply", "scheme", "advice"),
    [
        (YES, "https", "begin the address with http://"),
        (REFUSED, "http", "begin the address with https://"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "http", "begin the address with https://"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "https", "look at the server, and its TLS"),
    ],
)
async def test_tls_on_one_side_only_is_named(
    transport: Transport, reply: bytes, scheme: str, advice: str
) -> None:
    async with said(reply) as port:
        error = await failure(transport, f"{scheme}://127.0.0.1:{port}/v1")
    assert (error.code, error.reason) == ("FAILED_PRECONDITION", "PROVIDER_TLS_FAILED")
    assert advice in error.message
    assert "无法与" in in_words(error.reason, error.message, error.metadata, "zh")


async def test_a_server_that_leaves_the_handshake_is_away(transport: Transport) -> None:
    async with said(b"") as port:
        error = await failure(transport, f"https://127.0.0.1:{port}/v1")
    assert (error.code, error.reason) == ("UNAVAILABLE", "PROVIDER_UNREACHABLE")


async def test_a_host_that_nobody_knows_is_named(transport: Transport) -> None:
    error = await failure(transport, "http://no-such-host.invalid/v1")
    assert (error.code, error.reason) == ("UNAVAILABLE", "PROVIDER_HOST_UNKNOWN")
    assert "no-such-host.invalid cannot be looked up" in error.message
