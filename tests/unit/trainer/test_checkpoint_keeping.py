from __future__ import annotations

from pathlib import Path

import pytest

from services.trainer.checkpoints.files import local_steps, staged
from services.trainer.checkpoints.keeping import kept
from services.trainer.engine.checkpoint import new_checkpoint


@pytest.mark.parametrize(
    ("newest", "best", "wanted"),
    [
        (2, 1, {2, 8, 10}),
        (1, 0, {10}),
        (1, 2, {2, 6, 10}),
        (9, 9, {2, 4, 6, 8, 10}),
    ],
)
def test_the_newest_and_the_best_are_kept(newest: int, best: int, wanted: set[int]) -> None:
    losses = {2: 1.0, 6: 1.0, 8: 2.0}
    assert kept([10, 8, 2, 4, 6], losses, newest, best) == wanted


def test_a_copy_stays_when_the_engine_deletes_its_checkpoint(tmp_path: Path) -> None:
    with new_checkpoint(tmp_path / "checkpoints", 4) as folder:
        (folder / "part").mkdir()
        (folder / "part" / "weights").write_bytes(b"weights")
    (tmp_path / "events.jsonl").write_text("events")
    stage = staged(tmp_path, 4)
    assert stage is not None
    (tmp_path / "checkpoints" / "step-00000004" / "part" / "weights").unlink()
    assert (stage / "checkpoint" / "part" / "weights").read_bytes() == b"weights"
    assert sorted(path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file()) == [
        "checkpoint/manifest.json",
        "checkpoint/part/weights",
        "run/events.jsonl",
    ]
    assert staged(tmp_path, 6) is None
    assert local_steps(tmp_path) == [4]
