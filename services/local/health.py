"""Health checks: each returns when the server is well and raises when it is not."""

from __future__ import annotations

import asyncio

CHECK_SECONDS = 5.0
"""Longest time that a check may take."""


class NotReadyError(Exception):
    """The server answers, but says that it is not ready."""


async def check_http(host: str, port: int, path: str) -> None:
    """Demand that GET answers 200.

    Raises:
        NotReadyError: it answers something else.
        OSError: nobody listens.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        status = (await reader.readline()).split(maxsplit=2)
    finally:
        writer.close()
    if len(status) < 2 or status[1] != b"200":
        answer = b" ".join(status).decode("latin-1").strip() or "closed the connection"
        raise NotReadyError(f"{path} answers {answer}")


async def check_tcp(host: str, port: int) -> None:
    """Demand that someone listens.

    Raises:
        OSError: nobody does.
    """
    _, writer = await asyncio.open_connection(host, port)
    writer.close()


def describe(error: BaseException) -> str:
    """One line that says why a check failed."""
    if isinstance(error, TimeoutError):
        return f"no answer within {CHECK_SECONDS:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens on its port yet"
    return str(error).partition("\n")[0] or type(error).__name__
