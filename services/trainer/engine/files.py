"""Durable files: nothing half-written is ever seen under its final name."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.trainer.engine.errors import DiskFullError, OutputDirError

_BLOCK = 1 << 22


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file by temp + fsync + rename."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())
    temporary.replace(path)
    sync(path.parent)


def unfinished(final: Path) -> Path:
    """Where a folder is while it is filled."""
    return final.with_name(f".{final.name}.tmp")


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """Fill a temporary folder; it appears as `final`, whole and synced, or not at all."""
    temporary = unfinished(final)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for path in temporary.rglob("*"):
            # safetensors writes mode 600, but another user may serve the adapter.
            path.chmod(0o755 if path.is_dir() else 0o644)
            sync(path)
        sync(temporary)
    except BaseException:
        # On a full disk, half of something is in the way of everything else.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if final.exists():
        shutil.rmtree(final)
    temporary.rename(final)
    sync(final.parent)


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that a disk, or somebody's share of it, is full."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return True
    # safetensors has an exception of its own, with the words of the system in it.
    return any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT))


@contextmanager
def telling_full_disk(what: str, folder: Path) -> Iterator[None]:
    """Raise DiskFullError where `what` does not fit on the disk of `folder`."""
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise DiskFullError(f"no space left in {folder} for {what}; free some and start again") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process. Raises OutputDirError if another one has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputDirError(f"output_dir: another process is training in {folder}") from error
        yield
