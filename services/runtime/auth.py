"""Who may call: on loopback everyone on this machine, elsewhere whoever shows the token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from services.runtime.errors import FailedPrecondition, Unauthenticated

OPEN_PREFIXES = ("/grpc.health.v1.", "/grpc.reflection.")
"""Services that a probe may call without a token."""


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(token_file: Path | None, host: str) -> str:
    """The token that callers must show; empty on loopback when none is configured.

    Raises:
        FailedPrecondition: the server would listen beyond loopback without a token, or the file is no use.
    """
    if token_file is None:
        if not is_loopback(host):
            raise FailedPrecondition(
                "TOKEN_REQUIRED",
                f"SISHU_HOST={host} can be reached from other machines: set SISHU_TOKEN_FILE to a file that "
                "holds a token, or listen on 127.0.0.1",
                host=host,
            )
        return ""
    try:
        token = token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise FailedPrecondition(
            "TOKEN_FILE_UNREADABLE", f"SISHU_TOKEN_FILE {token_file} cannot be read: {error.strerror}"
        ) from error
    if len(token) < 16:
        raise FailedPrecondition(
            "TOKEN_TOO_SHORT", f"the token in {token_file} is shorter than 16 characters; use a longer one"
        )
    return token


class TokenCheck:
    """Compares the caller's bearer token with ours, in constant time."""

    def __init__(self, token: str) -> None:
        self._digest = hashlib.sha256(token.encode()).digest() if token else b""

    def check(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Let the call pass.

        Raises:
            Unauthenticated: no token was shown, or a wrong one.
        """
        if not self._digest or method.startswith(OPEN_PREFIXES):
            return
        shown = next((str(value) for key, value in metadata if key == "authorization"), "")
        digest = hashlib.sha256(shown.removeprefix("Bearer ").encode()).digest()
        # Digests have one length, so the comparison tells nothing about the token's.
        if not hmac.compare_digest(digest, self._digest):
            raise Unauthenticated(
                "TOKEN_INVALID", "the call carries no valid token; send `authorization: Bearer <token>`"
            )
