"""Take away what is left of models on this machine, and of uploads that nobody imports."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import structlog

from services.runtime.storage import Storage
from services.trainer.artifacts import drop_folder
from services.trainer.registry.store import RegistryStore

UPLOAD_SECONDS = 24 * 3600.0
"""How long an upload waits for its import."""
YOUNG_SECONDS = 24 * 3600.0
"""A folder to work in that changed since is somebody's."""
SWEEP_SECONDS = 600.0
_MODEL = re.compile(r"\.?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\..*)?")
"""The folder of a model, by its id, or one on its way there."""

log = structlog.get_logger()


class Sweeper:
    """Deletes for good.

    Args:
        registry: knows which models there are.
        storage: has the uploads.
        home: state folder of this machine.
    """

    def __init__(self, registry: RegistryStore, storage: Storage, home: Path) -> None:
        self._registry = registry
        self._storage = storage
        self._home = home

    async def sweep(self) -> bool:
        """Sweep once; nothing is left for another time."""
        await sweep_models(self._registry, self._home)
        await asyncio.to_thread(drop_old, self._home / "making", YOUNG_SECONDS)
        for upload in await self._registry.old_uploads(UPLOAD_SECONDS):
            await self._storage.delete_prefix(upload.prefix)
            await self._registry.forget_upload(upload.id)
        return False


async def sweep_models(registry: RegistryStore, home: Path) -> None:
    """Delete this machine's copies of models that are gone: who deleted them may work on another one."""
    folders = await asyncio.to_thread(model_folders, home / "models")
    # Asked after the folders were seen: one that comes later belongs to a model that is there.
    there = await registry.models_there(set(folders.values()))
    for folder, model_id in folders.items():
        if model_id not in there:
            await asyncio.to_thread(drop_folder, folder)
            log.info("model_folder_swept", model_id=model_id)


def model_folders(place: Path) -> dict[Path, str]:
    """The folders of models by their ids; what is kept of base models has other names."""
    found = {path: _MODEL.fullmatch(path.name) for path in place.glob("*")}
    return {path: match[1] for path, match in found.items() if match}


def drop_old(place: Path, seconds: float) -> None:
    """Delete the folders in a place that have not changed for so long."""
    for path in place.glob("*"):
        if time.time() - path.stat().st_mtime > seconds:
            drop_folder(path)
