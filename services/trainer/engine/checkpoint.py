"""Checkpoints that are whole or not there: a manifest of hashes in a folder that appears by a rename."""

from __future__ import annotations

import errno
import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.trainer.engine.files import new_folder, sha256_file

MANIFEST = "manifest.json"
_PREFIX = "step-"
_NAME = re.compile(rf"{_PREFIX}(\d{{8,}})")
_GONE_OR_SPOILT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}
"""What reading a damaged one meets. Anything else, such as too many open files, says nothing about it."""


@contextmanager
def new_checkpoint(root: Path, step: int) -> Iterator[Path]:
    """Fill a checkpoint's folder; on leaving, it gets its manifest and its name."""
    with new_folder(checkpoint_path(root, step)) as folder:
        yield folder
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests = {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
        manifest = {"step": step, "sha256": digests}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def checkpoint_path(root: Path, step: int) -> Path:
    """Where the checkpoint of a step is or will be."""
    return root / f"{_PREFIX}{step:08d}"


def step_of(folder: Path) -> int:
    """The step that a checkpoint is of."""
    return int(folder.name.removeprefix(_PREFIX))


def newest_valid(root: Path, before: int = sys.maxsize) -> tuple[Path | None, list[str]]:
    """Return the newest checkpoint that matches its manifest, and the names of newer ones that do not.

    Only those of steps before `before` are looked at.

    Raises OSError where one cannot be looked at, which is no reason to pass it over.
    """
    damaged: list[str] = []
    for folder in reversed([each for each in all_of(root) if step_of(each) < before]):
        if is_valid(folder):
            return folder, damaged
        damaged.append(folder.name)
    return None, damaged


def is_valid(folder: Path) -> bool:
    """Tell whether it is the checkpoint of its name, and every file that its manifest lists has its hash.

    Raises OSError where that cannot be told.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files = manifest["sha256"]
        is_named = checkpoint_path(folder.parent, manifest["step"]) == folder
        return is_named and all(sha256_file(folder / name) == digest for name, digest in files.items())
    except OSError as error:
        if error.errno not in _GONE_OR_SPOILT:
            raise
        return False
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def drop(root: Path, names: list[str]) -> None:
    """Delete checkpoints by name. Damaged ones would count as the newest, and cost sound ones their place."""
    for name in names:
        shutil.rmtree(root / name)


def prune(root: Path, keep: int, best: int = 0) -> None:
    """Delete all but the newest `keep` checkpoints and step `best`'s, and what a crash left half-written."""
    spared = checkpoint_path(root, best) if best else None
    for folder in [*all_of(root)[:-keep], *root.glob(f".{_PREFIX}*")]:
        if folder != spared:
            shutil.rmtree(folder)


def all_of(root: Path) -> list[Path]:
    """Checkpoints from old to new; what people put beside them, under other names, is none."""
    found = [path for path in root.glob(f"{_PREFIX}*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=step_of)
