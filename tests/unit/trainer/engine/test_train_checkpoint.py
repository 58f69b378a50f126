from __future__ import annotations

from pathlib import Path

import pytest

from services.trainer.engine import checkpoint
from services.trainer.engine.errors import OutputDirError
from services.trainer.engine.files import locked, new_folder


def write(root: Path, step: int, content: bytes = b"weights") -> Path:
    with checkpoint.new_checkpoint(root, step) as folder:
        (folder / "state").write_bytes(content)
    return checkpoint.checkpoint_path(root, step)


def test_the_newest_checkpoint_is_chosen(tmp_path: Path) -> None:
    for step in (50, 100, 150):
        write(tmp_path, step)
    assert checkpoint.newest_valid(tmp_path) == (checkpoint.checkpoint_path(tmp_path, 150), [])


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no manifest", "bad manifest"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: str) -> None:
    write(tmp_path, 50)
    newest = write(tmp_path, 100)
    if damage == "flip":
        (newest / "state").write_bytes(b"wEights")
    elif damage == "cut":
        (newest / "state").write_bytes(b"weig")
    elif damage == "remove":
        (newest / "state").unlink()
    elif damage == "no manifest":
        (newest / checkpoint.MANIFEST).unlink()
    else:
        (newest / checkpoint.MANIFEST).write_text("[]")
    assert checkpoint.newest_valid(tmp_path) == (checkpoint.checkpoint_path(tmp_path, 50), [newest.name])


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert checkpoint.newest_valid(tmp_path / "none") == (None, [])


def test_a_crash_while_writing_leaves_nothing_that_counts(tmp_path: Path) -> None:
    write(tmp_path, 50)
    with pytest.raises(RuntimeError), checkpoint.new_checkpoint(tmp_path, 100) as folder:
        (folder / "state").write_bytes(b"half")
        raise RuntimeError
    assert checkpoint.newest_valid(tmp_path) == (checkpoint.checkpoint_path(tmp_path, 50), [])
    checkpoint.prune(tmp_path, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000050"]


def test_a_damaged_checkpoint_can_be_written_again(tmp_path: Path) -> None:
    (write(tmp_path, 50) / "state").write_bytes(b"damaged")
    assert checkpoint.is_valid(write(tmp_path, 50))


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 100):
        write(tmp_path, step)
        checkpoint.prune(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000100"]


def test_published_files_can_be_read_by_other_users(tmp_path: Path) -> None:
    with new_folder(tmp_path / "adapter") as folder:
        (folder / "weights").touch(mode=0o600)
    assert (tmp_path / "adapter" / "weights").stat().st_mode & 0o777 == 0o644


def test_two_processes_cannot_have_one_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(OutputDirError, match="another process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
