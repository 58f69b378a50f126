"""Secrets at rest: provider keys are stored encrypted with the key file of the installation."""

from __future__ import annotations

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from services.runtime.errors import FailedPrecondition


class SecretBox:
    """Encrypts and decrypts with one Fernet key (https://github.com/fernet/spec).

    Args:
        key_file: file with the key; without one, storing a secret is refused.
    """

    def __init__(self, key_file: Path | None) -> None:
        self._key_file = key_file

    def seal(self, secret: str) -> bytes:
        """Encrypt a secret for storage."""
        return self._fernet().encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt a stored secret.

        Raises:
            FailedPrecondition: it was stored under another key.
        """
        try:
            return self._fernet().decrypt(sealed).decode()
        except InvalidToken:
            raise FailedPrecondition(
                "SECRET_UNREADABLE",
                "the stored key was encrypted under another SISHU_SECRET_KEY_FILE; store it again",
            ) from None

    def _fernet(self) -> Fernet:
        if self._key_file is None or not self._key_file.is_file():
            raise FailedPrecondition(
                "SECRET_KEY_MISSING", "SISHU_SECRET_KEY_FILE names no file; it is needed to store API keys"
            )
        try:
            return Fernet(self._key_file.read_bytes().strip())
        except ValueError:
            raise FailedPrecondition(
                "SECRET_KEY_INVALID",
                f"SISHU_SECRET_KEY_FILE {self._key_file} holds no Fernet key: 32 bytes in URL-safe base64",
            ) from None
