"""What killed processes left behind is taken away, and nothing that is in use."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from services.runtime.work_folders import sweep_folders, work_folder


def test_a_folder_goes_at_its_end_with_all_that_is_in_it() -> None:
    with work_folder("dataset") as folder:
        (folder / "file").touch()
    assert not folder.exists()


def test_what_no_process_holds_is_swept_for_its_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, other = tmp_path / "sishu-dataset-left", tmp_path / "sishu-ingest-left"
    for folder in (left, other):
        folder.mkdir()
        (folder / "file").touch()
    with work_folder("dataset") as used:
        sweep_folders("dataset")
        assert used.exists()
        assert [left.exists(), other.exists()] == [False, True]
