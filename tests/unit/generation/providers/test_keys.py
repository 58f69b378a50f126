"""Where the key of a provider comes from, and what is said when it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from services.generation.providers.keys import MOST_BYTES, Keys
from services.generation.providers.providers import Provider
from services.runtime.errors import FailedPrecondition
from services.runtime.secrets import SecretBox

NOW = datetime.now(UTC)
PROVIDER = Provider("id", "project", "n", "http://h/v1", None, "m", None, {}, NOW, NOW)
BY_VARIABLE = replace(PROVIDER, key_variable="DEEPSEEK_API_KEY")
BY_FILE = replace(PROVIDER, key_file="deepseek")


def keys(folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Keys:
    return Keys(SecretBox(None), environ or {}, folder)


def refused(keys: Keys, provider: Provider) -> FailedPrecondition:
    with pytest.raises(FailedPrecondition) as raised:
        keys.of(provider)
    assert "planted" not in f"{raised.value.message} {raised.value.metadata}"
    return raised.value


def test_a_provider_without_a_key_has_none() -> None:
    assert keys().of(PROVIDER) == ""


def test_a_key_comes_out_of_the_variable_that_the_provider_names() -> None:
    assert keys(environ={"DEEPSEEK_API_KEY": "sk-planted\n"}).of(BY_VARIABLE) == "sk-planted"


@pytest.mark.parametrize("environ", [{}, {"DEEPSEEK_API_KEY": " "}, {"OTHER_API_KEY": "sk-planted"}])
def test_a_variable_that_is_not_set_is_named(environ: dict[str, str]) -> None:
    error = refused(keys(environ=environ), BY_VARIABLE)
    assert error.reason == "PROVIDER_KEY_MISSING"
    assert "DEEPSEEK_API_KEY" in error.message
    assert "generation room" in error.message
    assert "sishu up" in error.message


def test_no_other_secret_of_the_room_can_be_named() -> None:
    name = "SISHU_S3_SECRET_KEY"
    error = refused(keys(environ={name: "planted"}), replace(PROVIDER, key_variable=name))
    assert error.reason == "PROVIDER_KEY_MISSING"


def test_a_file_is_read_at_every_use_without_the_newline_at_its_end(tmp_path: Path) -> None:
    file, found = tmp_path / "deepseek", keys(tmp_path)
    file.write_text("sk-planted\r\n")
    assert found.of(BY_FILE) == "sk-planted"
    file.write_text("sk-changed")
    assert found.of(BY_FILE) == "sk-changed"


def test_a_link_within_the_folder_is_followed_as_kubernetes_makes_them(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "deepseek").write_text("sk-planted\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "deepseek").symlink_to("..data/deepseek")
    assert keys(tmp_path).of(BY_FILE) == "sk-planted"


def test_a_file_needs_a_folder() -> None:
    error = refused(keys(), BY_FILE)
    assert error.reason == "PROVIDER_KEY_MISSING"
    assert "SISHU_PROVIDER_KEY_FOLDER" in error.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("", "is empty"),
        ("\n", "is empty"),
        ("k" * (MOST_BYTES + 1), "larger than"),
    ],
    ids=["missing", "empty", "newline", "large"],
)
def test_a_file_without_a_key_is_named_with_its_folder(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "deepseek").write_text(content)
    error = refused(keys(tmp_path), BY_FILE)
    assert error.reason == "PROVIDER_KEY_MISSING"
    assert said in error.message
    assert str(tmp_path) in error.message


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "a/b", "..", ".hidden", "", "a\x00b", "a" * 101]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "keys"
    (folder / "a").mkdir(parents=True)
    for path in (tmp_path / "secret", folder / "a" / "b", folder / ".hidden"):
        path.write_text("planted")
    if name:
        assert refused(keys(folder), replace(PROVIDER, key_file=name)).reason == "PROVIDER_KEY_MISSING"
    else:
        assert keys(folder).of(PROVIDER) == ""


@pytest.mark.parametrize("target", ["../secret", "."], ids=["out", "folder"])
def test_a_link_out_of_the_folder_and_a_folder_are_refused(tmp_path: Path, target: str) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    (tmp_path / "secret").write_text("planted")
    (folder / "deepseek").symlink_to(target)
    assert refused(keys(folder), BY_FILE).reason == "PROVIDER_KEY_MISSING"


@pytest.mark.parametrize("key", ["sk-planted\nX-Other: 1", "planted é", "planted\x7f"])
def test_what_no_header_can_carry_is_no_key(tmp_path: Path, key: str) -> None:
    (tmp_path / "deepseek").write_text(key)
    (tmp_path / "secret.key").write_bytes(Fernet.generate_key())
    box = SecretBox(tmp_path / "secret.key")
    stored = replace(PROVIDER, sealed_key=box.seal(key))
    for provider in (BY_FILE, BY_VARIABLE, stored):
        found = Keys(box, {"DEEPSEEK_API_KEY": key}, tmp_path)
        assert refused(found, provider).reason == "PROVIDER_KEY_INVALID"
