from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from services.local.secrets import ensure_key_file, load_secrets
from services.runtime.errors import FailedPrecondition


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    made = load_secrets(tmp_path, tmp_path / "postgres")
    assert load_secrets(tmp_path, tmp_path / "postgres") == made
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert made.postgres_password not in repr(made)


def test_two_installations_have_different_secrets(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("one", "two")]
    for home in homes:
        home.mkdir()
    one, two = (load_secrets(home, home / "postgres") for home in homes)
    assert one != two


@pytest.mark.parametrize("content", [None, "", "{}", "[1]"])
def test_a_lost_password_of_an_existing_database_is_an_error(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    if content is not None:
        (tmp_path / "secrets.json").write_text(content)
    with pytest.raises(FailedPrecondition, match="holds the password of the database"):
        load_secrets(tmp_path, tmp_path / "postgres")


def test_the_key_file_is_a_fernet_key_and_is_never_replaced(tmp_path: Path) -> None:
    path = ensure_key_file(tmp_path)
    sealed = Fernet(path.read_bytes().strip()).encrypt(b"key of a provider")
    assert ensure_key_file(tmp_path) == path
    assert Fernet(path.read_bytes().strip()).decrypt(sealed) == b"key of a provider"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
