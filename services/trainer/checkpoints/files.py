"""Checkpoints on this machine: which there are, and copies that stay while the engine deletes its own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from services.trainer.artifacts import CHECKPOINTS, STAGE, START
from services.trainer.engine import checkpoint
from services.trainer.engine.events import FILE_NAME as EVENTS
from services.trainer.engine.mishaps import FILE_NAME as MISHAPS

STATE = "checkpoint"
"""Folder of a checkpoint's own files, within its prefix."""
RECORD = "run"
"""Folder of what a run knows beside its checkpoints, within a checkpoint's prefix."""
OF_RUN = (EVENTS, MISHAPS, START)


def local_steps(work: Path) -> list[int]:
    """Steps of the checkpoints in a run's folder, the newest first; whether they are sound is not known."""
    return sorted(map(checkpoint.step_of, checkpoint.all_of(work / CHECKPOINTS)), reverse=True)


def local_digests(work: Path) -> dict[int, str]:
    """The same with the SHA-256 of each one's manifest: a run that went back makes others of the same."""
    found = {}
    for step in local_steps(work):
        path = checkpoint.checkpoint_path(work / CHECKPOINTS, step) / checkpoint.MANIFEST
        # The engine may delete it at any time.
        with contextlib.suppress(OSError):
            found[step] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def newest_sound_step(work: Path, least: int) -> int:
    """Step of the newest checkpoint here that is sound; 0 where none is of step `least` or later.

    All of its bytes are read.
    """
    for step in local_steps(work):
        if step < least:
            break
        if checkpoint.is_valid(checkpoint.checkpoint_path(work / CHECKPOINTS, step)):
            return step
    return 0


def staged(work: Path, step: int) -> Path | None:
    """A copy of a checkpoint, and of what the run knows, of links to the same bytes.

    Nothing where the engine has deleted the checkpoint meanwhile.
    """
    stage = work / STAGE
    shutil.rmtree(stage, ignore_errors=True)
    source = checkpoint.checkpoint_path(work / CHECKPOINTS, step)
    try:
        _link(source, (path for path in source.rglob("*") if path.is_file()), stage / STATE)
    except FileNotFoundError:
        return None
    if not any((stage / STATE).glob(checkpoint.MANIFEST)):
        return None
    record = stage / RECORD
    record.mkdir(parents=True)
    for name in OF_RUN:
        if (work / name).is_file():
            # Events grow while they are read, and the digest is to be of what is sent.
            shutil.copyfile(work / name, record / name)
    return stage


def _link(source: Path, paths: Iterable[Path], target: Path) -> None:
    target.mkdir(parents=True)
    for path in paths:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place)
        except FileNotFoundError:
            raise
        except OSError:
            # A file system without links.
            shutil.copyfile(path, place)


def drop_stage(work: Path) -> None:
    """Delete the copy."""
    shutil.rmtree(work / STAGE, ignore_errors=True)
