"""Secrets of the installation, made once and kept in the state directory, readable by their owner only."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.local.state import write_private
from services.runtime.errors import FailedPrecondition

KEY_BYTES = 32
"""A Fernet key is 32 random bytes in URL-safe base64 (https://github.com/fernet/spec)."""


@dataclass(frozen=True)
class StackSecrets:
    """Passwords of the embedded servers."""

    postgres_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)


def load_secrets(home: Path, data: Path) -> StackSecrets:
    """Read `secrets.json`, or make it when there is no database yet.

    Raises:
        FailedPrecondition: the file is lost or damaged, and a database exists that only it opens.
    """
    path = home / "secrets.json"
    try:
        return StackSecrets(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        problem = "is missing"
    except (ValueError, TypeError):
        problem = "is damaged"
    if (data / "PG_VERSION").exists():
        raise FailedPrecondition(
            "SECRETS_LOST",
            f"{path} {problem}, and it holds the password of the database in {data}: put the file back, or "
            "move the state directory away to begin with an empty one",
        )
    made = StackSecrets(secrets.token_urlsafe(24), secrets.token_hex(10), secrets.token_urlsafe(30))
    write_private(path, json.dumps(asdict(made), indent=1).encode())
    return made


def ensure_key_file(home: Path) -> Path:
    """The installation's Fernet key file; made once and never replaced."""
    path = home / "secret.key"
    if not path.exists():
        write_private(path, base64.urlsafe_b64encode(os.urandom(KEY_BYTES)) + b"\n")
    return path
