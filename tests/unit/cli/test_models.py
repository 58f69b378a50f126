"""`sishu model merge|export|import`: sizes, values and folders."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from sishu.cli.models import TYPES, bytes_of, check_one_of
from sishu.errors import ApiError
from sishu.learn.model_folders import model_files


@pytest.mark.parametrize(
    ("text", "size"), [("5GB", 5 * 10**9), ("1.5 mb", 1_500_000), ("40000", 40_000), ("7B", 7)]
)
def test_a_size_is_read_by_powers_of_ten(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "0GB", "GB", "5TB", "-1"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        bytes_of(text)


def test_values_are_those_of_the_contract() -> None:
    check_one_of("--type", "q8_0", TYPES)
    with pytest.raises(typer.BadParameter, match=r"f16\|bf16\|f32\|q8_0"):
        check_one_of("--type", "q4_0", TYPES)


def test_only_what_belongs_to_a_model_is_sent(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "chat/a.jinja", "pytorch_model.bin", ".git/x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-5" / "config.json").write_bytes(b"x")
    left: list[str] = []
    found = model_files(tmp_path, lambda path, _: left.append(path.name))
    assert [path.name for path in found] == ["a.jinja", "config.json", "model.safetensors"]
    assert left == ["pytorch_model.bin"]
    with pytest.raises(ApiError, match="there is no folder"):
        model_files(tmp_path / "none", lambda path, _: None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ApiError, match="no files"):
        model_files(tmp_path / "empty", lambda path, _: None)
