"""Uploaded files: whether they arrived, and their bytes on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from services.dataset.imports.imports import ImportUpload
from services.dataset.imports.store import ImportStore
from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.runtime.storage import URL_LIFE, Storage, file_info
from services.runtime.sweeping import sweep_often

SWEEPS_IN_A_LIFE = 24
SWEPT_AT_ONCE = 1000

log = structlog.get_logger()


async def check_arrived(storage: Storage, upload: ImportUpload) -> None:
    """Look whether as many bytes arrived as were announced.

    Raises:
        FailedPrecondition: none arrived.
        InvalidArgument: others arrived.
    """
    try:
        size = await storage.size(upload.key)
    except NotFound:
        raise missing(upload) from None
    if size != upload.size_bytes:
        raise mismatch(upload, size)


async def downloaded(storage: Storage, upload: ImportUpload, folder: Path) -> Path:
    """The uploaded file, in a folder of this machine.

    Raises:
        FailedPrecondition: it is not there.
        InvalidArgument: other bytes arrived than were announced.
    """
    path = folder / "file"
    try:
        await storage.get_file(upload.key, path)
    except NotFound:
        raise missing(upload) from None
    # Of what is read, as the client can write to the address for a while.
    found = await asyncio.to_thread(file_info, path)
    if (found.size, found.sha256) != (upload.size_bytes, upload.sha256):
        raise mismatch(upload, found.size)
    return path


def missing(upload: ImportUpload) -> FailedPrecondition:
    """The error for an upload of which nothing is there."""
    return FailedPrecondition(
        "UPLOAD_MISSING",
        f"{upload.name}: no bytes are there; PUT them to the upload's address first, or upload the "
        "file anew where it was imported before",
        name=upload.name,
    )


def mismatch(upload: ImportUpload, size: int) -> InvalidArgument:
    """The error for other bytes than were announced."""
    return InvalidArgument(
        "UPLOAD_MISMATCH",
        f"{upload.name}: {size} bytes arrived, {upload.size_bytes} were announced, or their SHA-256 differs; "
        "send the file again",
        "import.file.upload_id",
        name=upload.name,
    )


class UploadSweeper:
    """Deletes what was uploaded long ago, and that no import took.

    Args:
        seconds: how long an upload lives; it goes once links given until then have ended too.
    """

    def __init__(self, store: ImportStore, storage: Storage, seconds: float) -> None:
        self._store = store
        self._storage = storage
        self._seconds = seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep often until `stop` is set."""
        await sweep_often("import_uploads", self.sweep_some, self._seconds / SWEEPS_IN_A_LIFE, stop)

    async def sweep_some(self) -> bool:
        """Sweep the first of the old uploads; whether there may be more."""
        old = await self._store.old_uploads(self._seconds + URL_LIFE.total_seconds(), SWEPT_AT_ONCE)
        for upload in old:
            await self._storage.delete(upload.key)
        if old:
            await self._store.forget_uploads([upload.id for upload in old])
            log.info("import_uploads_swept", count=len(old))
        return len(old) == SWEPT_AT_ONCE
