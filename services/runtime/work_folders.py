"""Folders to work in, which do not outlive the process that made them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger()


def prefix_of(room: str) -> str:
    """How the names of a room's folders begin."""
    return f"sishu-{room}-"


@contextmanager
def work_folder(room: str) -> Iterator[Path]:
    """A folder that goes at the end with all that is in it; after `kill -9` it is left to `sweep_folders`."""
    while True:
        with tempfile.TemporaryDirectory(prefix=prefix_of(room)) as name, locked(Path(name)) as is_ours:
            if is_ours:
                yield Path(name)
                return


def sweep_folders(room: str, parent: Path | None = None) -> None:
    """Delete the folders of processes that are gone.

    Args:
        room: whose.
        parent: what holds them; by default the folder for temporary files.
    """
    for folder in (parent or Path(tempfile.gettempdir())).glob(f"{prefix_of(room)}*"):
        # Another user's, or one that goes at this moment.
        with contextlib.suppress(OSError), locked(folder) as is_left:
            if is_left:
                shutil.rmtree(folder)
                log.info("folder_swept", folder=folder.name)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Lock a folder, and say whether that went well; the kernel ends the lock when the process dies.

    A number of the process would not do: it is given anew, and is another in each container.
    """
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            # Whoever swept between its making and its lock took it away.
            yield folder.exists()
    finally:
        os.close(place)
