"""Which files of a folder are sent, and which are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sishu.errors import ApiError
from sishu.learn.files import gather_files


def test_what_no_document_can_be_is_left_out_of_a_folder_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.md").write_text("text")
    (tmp_path / "empty.md").touch()
    (tmp_path / "~$lock.docx").write_text("x")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "secret.txt").symlink_to("/etc/hostname")
    left: dict[str, str] = {}
    files = gather_files([tmp_path], lambda path, why: left.update({path.name: why}))
    assert [(file.name, file.found) for file in files] == [("sub/a.md", True)]
    assert left == {
        "empty.md": "it is empty",
        "~$lock.docx": "a program left it",
        "secret.txt": "it is a link",
    }


def test_an_empty_file_that_is_named_is_sent_so_that_its_document_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.md").touch()
    assert [file.name for file in gather_files([tmp_path / "empty.md"])] == ["empty.md"]


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ApiError) as raised:
        gather_files([tmp_path / "nothing.md"])
    assert raised.value.reason == "PATH_NOT_FOUND"


def test_a_folder_without_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.md").touch()
    with pytest.raises(ApiError) as raised:
        gather_files([tmp_path])
    assert raised.value.reason == "NO_FILES"
