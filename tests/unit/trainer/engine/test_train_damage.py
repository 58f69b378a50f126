"""Checkpoints that a disk or a person has spoilt."""

from __future__ import annotations

import errno
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.trainer.engine import checkpoint
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[DICE.randrange(len(content))] ^= 1 << DICE.randrange(8)
    path.write_bytes(content)


DICE = random.Random()  # noqa: S311 - no secret
DAMAGES: list[Callable[[Path], None]] = [cut, empty, flip, Path.unlink]


@pytest.fixture
def checkpoints(make_spec: MakeSpec) -> Path:
    """Those of steps 10 and 12 of a run."""
    spec = make_spec(output_dir=make_spec().output_dir.parent / "run")
    assert run(spec, StopSignal()) == 0
    return spec.output_dir / "checkpoints"


def test_damage_to_any_file_of_the_newest_makes_the_one_before_it_the_newest_valid(checkpoints: Path) -> None:
    older, newest = sorted(checkpoints.iterdir())
    names = sorted(path.name for path in newest.iterdir())
    assert names == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
        "state.json",
        "state.safetensors",
    ]
    sound = shutil.copytree(newest, checkpoints.parent / "sound")
    for name in names:
        for damage in DAMAGES:
            damage(newest / name)
            found = checkpoint.newest_valid(checkpoints)
            # A bit of the manifest's white space that became other white space spoils nothing.
            blank = name == checkpoint.MANIFEST and damage is flip and found[0] == newest
            if blank:
                assert json.loads((newest / name).read_bytes()) == json.loads((sound / name).read_bytes())
            else:
                assert found == (older, [newest.name]), (name, damage)
            shutil.copy(sound / name, newest / name)
    assert checkpoint.newest_valid(checkpoints) == (newest, [])


def test_no_bit_of_a_manifest_can_flip_and_change_what_it_says(tmp_path: Path) -> None:
    with checkpoint.new_checkpoint(tmp_path, 7) as folder:
        (folder / "state").write_bytes(b"weights")
        (folder / "part").mkdir()
        (folder / "part" / "rank0").write_bytes(b"more")
    path = checkpoint.checkpoint_path(tmp_path, 7)
    whole = (path / checkpoint.MANIFEST).read_bytes()
    assert set(json.loads(whole)["sha256"]) == {"state", "part/rank0"}
    for place in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << place % 8
        (path / checkpoint.MANIFEST).write_bytes(spoilt)
        if checkpoint.is_valid(path):
            assert json.loads(spoilt) == json.loads(whole), spoilt


def test_a_checkpoint_under_the_name_of_another_step_is_none(tmp_path: Path) -> None:
    with checkpoint.new_checkpoint(tmp_path, 5) as folder:
        (folder / "state").write_bytes(b"weights")
    sound = checkpoint.checkpoint_path(tmp_path, 5)
    shutil.copytree(sound, checkpoint.checkpoint_path(tmp_path, 9))
    # People keep copies, and make notes; these are no checkpoints, and stay.
    shutil.copytree(sound, tmp_path / "step-00000007 (copy)")
    (tmp_path / "step-00000008").write_text("a note")
    assert checkpoint.newest_valid(tmp_path) == (sound, ["step-00000009"])
    checkpoint.prune(tmp_path, 1)
    assert (tmp_path / "step-00000007 (copy)").is_dir()


def test_the_newest_is_that_of_the_highest_number(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000):
        with checkpoint.new_checkpoint(tmp_path, step) as folder:
            (folder / "state").write_bytes(b"weights")
    assert checkpoint.newest_valid(tmp_path) == (tmp_path / "step-100000000", [])


def test_a_checkpoint_that_cannot_be_looked_at_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with checkpoint.new_checkpoint(tmp_path, 5) as folder:
        (folder / "state").write_bytes(b"weights")

    def fail(path: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr(checkpoint, "sha256_file", fail)
    with pytest.raises(OSError, match="Too many open files"):
        checkpoint.newest_valid(tmp_path)
