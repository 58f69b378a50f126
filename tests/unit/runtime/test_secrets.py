from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from services.runtime.errors import FailedPrecondition
from services.runtime.secrets import SecretBox


def box(folder: Path, name: str = "key") -> SecretBox:
    path = folder / name
    path.write_bytes(Fernet.generate_key() + b"\n")
    return SecretBox(path)


def test_a_sealed_secret_is_unreadable_and_opens_again(tmp_path: Path) -> None:
    secrets = box(tmp_path)
    sealed = secrets.seal("sk-geheim-密钥")
    assert b"geheim" not in sealed
    assert secrets.open(sealed) == "sk-geheim-密钥"


def test_the_same_secret_is_sealed_differently_each_time(tmp_path: Path) -> None:
    secrets = box(tmp_path)
    assert secrets.seal("same") != secrets.seal("same")


def test_a_secret_of_another_key_says_to_store_it_again(tmp_path: Path) -> None:
    sealed = box(tmp_path, "old").seal("secret")
    with pytest.raises(FailedPrecondition, match="store it again") as raised:
        box(tmp_path, "new").open(sealed)
    assert raised.value.reason == "SECRET_UNREADABLE"


@pytest.mark.parametrize("name", [None, "missing"])
def test_without_a_key_file_no_secret_is_taken(tmp_path: Path, name: str | None) -> None:
    with pytest.raises(FailedPrecondition, match="SISHU_SECRET_KEY_FILE") as raised:
        SecretBox(tmp_path / name if name else None).seal("secret")
    assert raised.value.reason == "SECRET_KEY_MISSING"


def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("not a key")
    with pytest.raises(FailedPrecondition, match="SISHU_SECRET_KEY_FILE"):
        SecretBox(path).seal("secret")
