"""Folders of runs that this machine has no use for: since they were deleted, or ended elsewhere."""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from pathlib import Path

from services.runtime.errors import NotFound
from services.runtime.sweeping import sweep_often
from services.trainer.artifacts import drop_folder, drop_leftovers
from services.trainer.store import Store

SWEEP_SECONDS = 3600.0


async def sweep_runs(home: Path, store: Store, stop: asyncio.Event) -> None:
    """Take them away now and then, until `stop` is set."""
    await sweep_often("runs", partial(swept, home, store), SWEEP_SECONDS, stop)


async def swept(home: Path, store: Store) -> bool:
    """Go through all of them once; whether there may be more, which is never so."""
    for folder in await asyncio.to_thread(run_folders, home / "runs"):
        try:
            run = await store.get_run(folder.name)
        except NotFound:
            await asyncio.to_thread(drop_folder, folder)
        else:
            # A failed or a paused one may go on here.
            if run.state in {"succeeded", "cancelled"}:
                await asyncio.to_thread(drop_leftovers, folder)
    return False


def run_folders(root: Path) -> list[Path]:
    """Folders that bear the id of a run; others are not ours."""
    return [path for path in sorted(root.glob("*")) if path.is_dir() and _is_id(path.name)]


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
