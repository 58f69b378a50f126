"""Checkpoints that are whole or not there: a manifest of hashes in a folder that appears by a rename."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.trainer.engine.files import new_folder, sha256_file

MANIFEST = "manifest.json"
_PREFIX = "step-"


@contextmanager
def new_checkpoint(root: Path, step: int) -> Iterator[Path]:
    """Fill a checkpoint's folder; on leaving, it gets its manifest and its name."""
    with new_folder(checkpoint_path(root, step)) as folder:
        yield folder
        digests = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
        manifest = {"step": step, "sha256": digests}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def checkpoint_path(root: Path, step: int) -> Path:
    """Where the checkpoint of a step is or will be."""
    return root / f"{_PREFIX}{step:08d}"


def newest_valid(root: Path) -> tuple[Path | None, list[str]]:
    """Return the newest checkpoint that matches its manifest, and the names of newer ones that do not."""
    damaged: list[str] = []
    for folder in reversed(_all(root)):
        if is_valid(folder):
            return folder, damaged
        damaged.append(folder.name)
    return None, damaged


def is_valid(folder: Path) -> bool:
    """Tell whether every file that the manifest lists is there with its hash."""
    try:
        files = json.loads((folder / MANIFEST).read_bytes())["sha256"]
        return bool(files) and all(sha256_file(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def drop(root: Path, names: list[str]) -> None:
    """Delete checkpoints by name. Damaged ones would count as the newest, and cost sound ones their place."""
    for name in names:
        shutil.rmtree(root / name)


def prune(root: Path, keep: int, best: int = 0) -> None:
    """Delete all but the newest `keep` checkpoints and step `best`'s, and what a crash left half-written."""
    spared = checkpoint_path(root, best)
    for folder in [*_all(root)[:-keep], *root.glob(f".{_PREFIX}*")]:
        if folder != spared:
            shutil.rmtree(folder)


def _all(root: Path) -> list[Path]:
    """Checkpoints from old to new."""
    return sorted(root.glob(f"{_PREFIX}*"))
